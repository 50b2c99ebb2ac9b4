// SPDX-License-Identifier: Apache-2.0
// How numbers are said. One place, so that 1,234 packets look alike in every sentence and table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "waggle/result.h"

namespace waggle {

enum class Unit : std::uint8_t {
    none,
    count,
    nanoseconds,
    seconds,
    bytes,
    per_second,
    bytes_per_second,
    percent,
    identifier
};

std::string_view unit_name(Unit unit);  // "ns", "bytes", "%", … ; empty for none

std::string format_count(std::int64_t n);                     // 1,234,567
std::string counted(std::uint64_t n, std::string_view noun);  // "1 row", "1,234 rows"
std::string format_bytes(double bytes);                       // 4.0 KiB
std::string format_duration_ns(double ns);                    // 1.2 ms
std::string format_percent(double percent);                   // 97 %, 0.4 %
std::string format_rate(double per_second);                   // 1,234/s
// By unit; identifiers and plain numbers are printed without grouping.
std::string format_number(double value, Unit unit);

// The way back, from what a person types; an error (kind usage) says what is wanted.
Result<std::uint64_t> parse_count(std::string_view text);     // "4096"
Result<std::uint64_t> parse_bytes(std::string_view text);     // "512", "64k", "4M", "1G" (of 1,024)
Result<std::uint64_t> parse_duration(std::string_view text);  // "10s", "500ms", "2m", "1h", "10" (s); in ns

}  // namespace waggle
