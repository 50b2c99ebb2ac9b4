// SPDX-License-Identifier: Apache-2.0
// A place of the machine's C library that only a failed system call reaches: the instruction behind it, in a function whose call
// does not come back when it succeeds (execve). There the caller's registers are still as they were.
#pragma once

#include <cstdint>
#include <string_view>

#include "waggle/attach.h"
#include "waggle/result.h"

namespace waggle::sensors {

// An error where the library is not found, or the function does not make that call as glibc does.
Result<AttachSpec> behind_call(std::string_view function, std::uint32_t call_number);

}  // namespace waggle::sensors
