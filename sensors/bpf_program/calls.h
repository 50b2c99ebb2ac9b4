// SPDX-License-Identifier: Apache-2.0
// What functions of the kernel a BPF program calls, read off its instructions (BPF_OBJ_GET_INFO_BY_FD). They are as the
// kernel has rewritten them: what it writes out in place of a call (the processor's number, a look-up in an array) is no
// call any more.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "waggle/result.h"

namespace waggle::sensors {

// By name, how often. An error where the kernel shows no instructions, or not what they call.
Result<std::map<std::string, std::uint32_t>> calls_of(int program_fd);

}  // namespace waggle::sensors
