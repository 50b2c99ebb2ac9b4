// SPDX-License-Identifier: Apache-2.0
// Where BPF programs are pinned: the files of the BPF file systems that this process sees, for programs and their links.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace waggle::sensors {

// The first path of each program, by its number. At most so many files are looked at.
std::map<std::uint32_t, std::string> pinned_programs(std::size_t most_files = 4096);

}  // namespace waggle::sensors
