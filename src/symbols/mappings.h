// SPDX-License-Identifier: Apache-2.0
// A line of /proc/PID/maps.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace waggle::kernel {

struct Mapping {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t file_offset = 0;
    bool is_shared = false;
    bool is_code = false;
    std::string_view range;  // "55d0c0a00000-55d0c0a21000", as /proc/PID/map_files names it
    std::string_view file;   // "fe:00 1234": device and inode
    std::string_view path;   // empty where no file is mapped
};

// "55d0c0a00000-55d0c0a21000 r--p 00000000 fe:00 1234    /usr/bin/x"; borrows from the line.
inline Mapping mapping_of(std::string_view line) {
    const auto hexadecimal = [](std::string_view text) {
        std::uint64_t value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value, 16);
        return value;
    };
    Mapping mapping;
    mapping.range = line.substr(0, line.find(' '));
    const std::size_t dash = mapping.range.find('-');
    if (dash == std::string_view::npos) return {};
    mapping.from = hexadecimal(mapping.range);
    mapping.to = hexadecimal(mapping.range.substr(dash + 1));
    std::size_t at = 0, device = 0;
    for (int column = 0; column < 5; ++column) {
        if (column == 1) mapping.is_shared = line.substr(at, 4).ends_with('s');
        if (column == 1) mapping.is_code = line.substr(at, 3).ends_with('x');
        if (column == 2) mapping.file_offset = hexadecimal(line.substr(at));
        if (column == 3) device = at;
        at = line.find(' ', at);
        if (column == 4) mapping.file = line.substr(device, at == std::string_view::npos ? at : at - device);
        if (at == std::string_view::npos) return mapping;
        at = line.find_first_not_of(' ', at);
        if (at == std::string_view::npos) return mapping;
    }
    mapping.path = line.substr(at);
    return mapping;
}

// "libc.so.6", also where the file has been replaced meanwhile.
inline std::string_view file_name_of(std::string_view path) {
    constexpr std::string_view gone = " (deleted)";
    if (path.ends_with(gone)) path.remove_suffix(gone.size());
    return path.substr(path.rfind('/') + 1);
}

}  // namespace waggle::kernel
