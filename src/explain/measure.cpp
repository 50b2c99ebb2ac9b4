// SPDX-License-Identifier: Apache-2.0
#include "explain/measure.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace waggle::explain {
namespace {

struct Suffix {
    std::string_view text;
    Unit unit;
    double factor;
};
constexpr Suffix suffixes[] = {
    {"", Unit::count, 1},
    {"ns", Unit::nanoseconds, 1},
    {"us", Unit::nanoseconds, 1e3},
    {"ms", Unit::nanoseconds, 1e6},
    {"s", Unit::nanoseconds, 1e9},
    {"min", Unit::nanoseconds, 60e9},
    {"h", Unit::nanoseconds, 3600e9},
    {"B", Unit::bytes, 1},
    {"KiB", Unit::bytes, 1024},
    {"MiB", Unit::bytes, 1024.0 * 1024},
    {"GiB", Unit::bytes, 1024.0 * 1024 * 1024},
    {"%", Unit::percent, 1},
    {"/s", Unit::per_second, 1},
    {"KiB/s", Unit::bytes_per_second, 1024},
    {"MiB/s", Unit::bytes_per_second, 1024.0 * 1024},
    {"GiB/s", Unit::bytes_per_second, 1024.0 * 1024 * 1024},
};

}  // namespace

std::optional<Measure> measure_of(std::string_view text) {
    text = trim(text);
    const char* end = text.data() + text.size();
    Measure out;
    std::int64_t whole = 0;
    if (const auto [at, wrong] = std::from_chars(text.data(), end, whole);
        wrong == std::errc{} && at == end) {
        out.value.kind = Value::Kind::integer;
        out.value.integer = whole;
        return out;
    }
    double number = 0;
    const auto [at, wrong] = std::from_chars(text.data(), end, number);
    if (wrong != std::errc{} || !std::isfinite(number)) return std::nullopt;
    const std::string_view rest = trim(std::string_view(at, static_cast<std::size_t>(end - at)));
    for (const Suffix& suffix : suffixes) {
        if (suffix.text != rest) continue;
        number *= suffix.factor;
        out.unit = suffix.unit;
        const double nearest = std::round(number);
        // 2.3 s is 2,300,000,000 ns, whatever a double makes of it; parts of a nanosecond or a byte are
        // nothing.
        const bool divisible =
            suffix.unit == Unit::count || suffix.unit == Unit::percent || suffix.unit == Unit::per_second;
        if (std::fabs(nearest) < 9e18 && (nearest == number || !divisible)) {
            out.value.kind = Value::Kind::integer;
            out.value.integer = static_cast<std::int64_t>(nearest);
        } else {
            out.value.kind = Value::Kind::real;
            out.value.real = number;
        }
        return out;
    }
    return std::nullopt;
}

std::string_view measure_name(Unit unit) {
    switch (unit) {
        case Unit::nanoseconds:
        case Unit::seconds:
            return "a duration, as 60s or 500ms";
        case Unit::bytes:
            return "a size, as 64KiB";
        case Unit::bytes_per_second:
            return "a rate of bytes, as 10MiB/s";
        case Unit::per_second:
            return "a rate, as 10/s";
        case Unit::percent:
            return "a percentage, as 40%";
        case Unit::none:
        case Unit::count:
        case Unit::identifier:
            return "a plain number";
    }
    return "";
}

}  // namespace waggle::explain
