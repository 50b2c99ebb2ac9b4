// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace waggle::sensors {

// Whether a process under a seccomp filter can be killed on a kernel of this release (`uname -r`) where the return of one of its
// functions is watched. Since 6.11 (ff474a78cef5) such a return is a system call, which filters do not know; since 6.14, 6.13.3 and
// 6.12.14 (cf6cb56ef244) they are not asked about it.
bool returns_ask_filters(std::string_view release);

}  // namespace waggle::sensors
