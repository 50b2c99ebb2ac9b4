// SPDX-License-Identifier: Apache-2.0
// Where one symbol of the kernel lies, by the kernel's own table. Reading /proc/kallsyms for it takes 100 ms.
#pragma once

#include <cstdint>
#include <string_view>

#include "waggle/result.h"

namespace waggle::kernel {

// The address of a function or a variable of the kernel or of a loaded module; 0 where there is none of that name. An error of
// kind privilege where the kernel hides its addresses from this process. Needs CAP_BPF, CAP_PERFMON and CAP_SYSLOG.
Result<std::uint64_t> symbol_address(std::string_view name);

}  // namespace waggle::kernel
