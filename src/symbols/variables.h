// SPDX-License-Identifier: Apache-2.0
// Which variable of a running process an address lies in. Source: /proc/PID/maps, and the file that is mapped there, by
// /proc/PID/map_files, so that it is the one in use also where its path is another's by now.
#pragma once

#include <cstdint>
#include <string>

namespace waggle::kernel {

// "table_lock in mysqld" for a variable of a program or library whose symbols are there; else where it lies: "mysqld",
// "heap", "stack", "shared_memory"; empty where that is not known, or the process is gone. Reads files of at most 64 MiB. Any thread.
std::string variable_at(std::uint32_t pid, std::uint64_t address, const std::string& proc = "/proc");

}  // namespace waggle::kernel
