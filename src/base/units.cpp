// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <fmt/core.h>

#include <cmath>

namespace waggle {
namespace {

// Three figures are enough for a person: 0.42, 4.2, 42, 420; grouped above that.
std::string short_number(double value) {
    const double size = std::fabs(value);
    if (size >= 100) return format_count(std::llround(value));
    if (size >= 10 || value == std::floor(value)) return fmt::format("{:.0f}", value);
    if (size >= 1) return fmt::format("{:.1f}", value);
    return fmt::format("{:.2g}", value);
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
    std::string digits = fmt::format("{}", n);
    for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3)
        digits.insert(static_cast<std::size_t>(i), 1, ',');
    return digits;
}

std::string format_bytes(double bytes) {
    static constexpr std::string_view names[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t i = 0;
    while (std::fabs(bytes) >= 1024 && i + 1 < std::size(names)) {
        bytes /= 1024;
        ++i;
    }
    if (i == 0) return fmt::format("{:.0f} {}", bytes, names[0]);
    return fmt::format("{:.{}f} {}", bytes, bytes < 10 && bytes != std::floor(bytes) ? 1 : 0, names[i]);
}

std::string format_duration_ns(double ns) {
    const double size = std::fabs(ns);
    if (size < 1e3) return fmt::format("{:.0f} ns", ns);
    if (size < 1e6) return short_number(ns / 1e3) + " us";
    if (size < 1e9) return short_number(ns / 1e6) + " ms";
    if (size < 120e9) return short_number(ns / 1e9) + " s";
    if (size < 7200e9) return short_number(ns / 60e9) + " min";
    if (size < 172800e9) return short_number(ns / 3600e9) + " h";
    return short_number(ns / 86400e9) + " days";
}

std::string format_percent(double percent) {
    if (percent > 99 && percent < 99.95) return fmt::format("{:.1f} %", percent);
    return short_number(percent) + " %";
}

std::string format_rate(double per_second) { return short_number(per_second) + "/s"; }

std::string format_number(double value, Unit unit) {
    switch (unit) {
        case Unit::none:
        case Unit::identifier:
            return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.6g}", value);
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

}  // namespace waggle
