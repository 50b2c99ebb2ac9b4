// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace waggle {
namespace {

// A trace prints tens of thousands of numbers a second, so: no format strings.
template <class... Format>
std::string digits_of(double value, Format... format) {
    char text[512];  // the largest double in full has 309 digits
    return {text, std::to_chars(text, text + sizeof text, value, format...).ptr};
}
std::string whole(double value) { return digits_of(value, std::chars_format::fixed, 0); }

// Three figures are enough for a person: 0.42, 4.2, 42, 420; grouped above that.
std::string short_number(double value) {
    const double size = std::fabs(value);
    if (size >= 100) return format_count(std::llround(value));
    if (size >= 10 || value == std::floor(value)) return whole(value);
    if (size >= 1) return digits_of(value, std::chars_format::fixed, 1);
    return digits_of(value, std::chars_format::general, 2);
}

}  // namespace

std::string_view unit_name(Unit unit) {
    switch (unit) {
        case Unit::none:
            return "";
        case Unit::count:
            return "count";
        case Unit::nanoseconds:
            return "ns";
        case Unit::seconds:
            return "s";
        case Unit::bytes:
            return "bytes";
        case Unit::per_second:
            return "1/s";
        case Unit::bytes_per_second:
            return "bytes/s";
        case Unit::percent:
            return "%";
        case Unit::identifier:
            return "id";
    }
    return "";
}

std::string format_count(std::int64_t n) {
    char text[24];
    std::string digits(text, std::to_chars(text, text + sizeof text, n).ptr);
    for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3)
        digits.insert(static_cast<std::size_t>(i), 1, ',');
    return digits;
}

std::string counted(std::uint64_t n, std::string_view noun) {
    return format_count(static_cast<std::int64_t>(n)) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string format_bytes(double bytes) {
    static constexpr std::string_view names[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t i = 0;
    while (std::fabs(bytes) >= 1023.5 && i + 1 < std::size(names)) {
        bytes /= 1024;
        ++i;
    }
    if (i == 0 && bytes == 1) return "1 byte";
    const bool tenths = i > 0 && bytes < 10 && bytes != std::floor(bytes);
    return digits_of(bytes, std::chars_format::fixed, tenths ? 1 : 0).append(" ").append(names[i]);
}

std::string format_duration_ns(double ns) {
    const double size = std::fabs(ns);
    // What would round up to a thousand is said in the next unit.
    if (size < 999.5) return whole(ns) + " ns";
    if (size < 999.5e3) return short_number(ns / 1e3) + " us";
    if (size < 999.5e6) return short_number(ns / 1e6) + " ms";
    if (size < 120e9) return short_number(ns / 1e9) + " s";
    if (size < 7200e9) return short_number(ns / 60e9) + " min";
    if (size < 172800e9) return short_number(ns / 3600e9) + " h";
    return short_number(ns / 86400e9) + " days";
}

std::string format_percent(double percent) {
    if (percent > 99 && percent < 99.95) return digits_of(percent, std::chars_format::fixed, 1) + " %";
    return short_number(percent) + " %";
}

std::string format_rate(double per_second) { return short_number(per_second) + "/s"; }

std::string format_number(double value, Unit unit) {
    switch (unit) {
        case Unit::none:
        case Unit::identifier:
            return value == std::floor(value) ? whole(value)
                                              : digits_of(value, std::chars_format::general, 6);
        case Unit::count:
            return value == std::floor(value) ? format_count(std::llround(value)) : short_number(value);
        case Unit::nanoseconds:
            return format_duration_ns(value);
        case Unit::seconds:
            return format_duration_ns(value * 1e9);
        case Unit::bytes:
            return format_bytes(value);
        case Unit::per_second:
            return format_rate(value);
        case Unit::bytes_per_second:
            return format_bytes(value) + "/s";
        case Unit::percent:
            return format_percent(value);
    }
    return {};
}

Result<std::uint64_t> parse_count(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (wrong != std::errc{} || end != text.data() + text.size())
        return Error{fmt::format("\"{}\" is not a whole number", escape_control(text)), ErrorKind::usage};
    return value;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    std::string_view number = text, unit = text;
    number = number.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
    unit.remove_prefix(number.size());
    unsigned shift = 64;
    if (unit.empty() || unit == "B") shift = 0;
    if (unit == "k" || unit == "K" || unit == "KiB") shift = 10;
    if (unit == "M" || unit == "MiB") shift = 20;
    if (unit == "G" || unit == "GiB") shift = 30;
    const Result<std::uint64_t> value = parse_count(number);
    if (!value || shift == 64 || *value > UINT64_MAX >> shift)
        return Error{fmt::format("\"{}\" is not a size; write 4096, 64k, 4M or 1G", escape_control(text)),
                     ErrorKind::usage};
    return *value << shift;
}

Result<std::uint64_t> parse_duration(std::string_view text) {
    double value = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    double factor = -1;
    if (unit.empty() || unit == "s") factor = 1e9;
    if (unit == "ms") factor = 1e6;
    if (unit == "m" || unit == "min") factor = 60e9;
    if (unit == "h") factor = 3600e9;
    if (wrong != std::errc{} || factor < 0 || !(value > 0) || value * factor > 1e18)
        return Error{
            fmt::format("\"{}\" is not a duration; write 10s, 500ms, 2m or 1h", escape_control(text)),
            ErrorKind::usage};
    return static_cast<std::uint64_t>(value * factor);
}

}  // namespace waggle
