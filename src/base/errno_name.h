// SPDX-License-Identifier: Apache-2.0
// "ENOENT" of an error's number; empty for 0 and for one that the system has no name for.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace waggle {

inline std::string errno_name(std::uint64_t number) {
    const char* name = number != 0 && number < 4096 ? ::strerrorname_np(static_cast<int>(number)) : nullptr;
    return name ? name : "";
}

}  // namespace waggle
