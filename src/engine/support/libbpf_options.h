// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <type_traits>

namespace waggle::kernel {

// Options as libbpf takes them. It reads the padding too, which `{}` and copies leave to the compiler: so
// they are cleared as memory, where they are used.
template <class Options>
void clear_options(Options& options) {
    static_assert(std::is_trivially_copyable_v<Options>);
    std::memset(static_cast<void*>(&options), 0, sizeof options);
    options.sz = sizeof options;
}

}  // namespace waggle::kernel
