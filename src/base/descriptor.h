// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <string>

namespace waggle {

// What one of our descriptors is open at, as the kernel names it: a path, or "anon_inode:bpf-map". Empty where it is none.
inline std::string path_of_descriptor(int fd) {
    char target[4096];
    const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
    return {target, length > 0 ? static_cast<std::size_t>(length) : 0};
}

}  // namespace waggle
