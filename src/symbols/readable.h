// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace waggle::kernel {

// A symbol as it is written in C++; names that are too long for a row anyway stay as they are.
inline std::string readable(std::string_view name) {
    constexpr std::size_t most = 256;
    if (!name.starts_with("_Z") || name.size() > most) return std::string(name);
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> said(
        abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status), &std::free);
    return said ? said.get() : std::string(name);
}

}  // namespace waggle::kernel
