// SPDX-License-Identifier: Apache-2.0
// Why a command did not start: the kernel says "No such file" also where the file is there and what runs it is not.
#pragma once

#include <string>

namespace waggle::agent {

// `error` is what posix_spawnp() gave for `program`, which is looked for as it does: in PATH where it has no slash.
std::string why_not_started(const std::string& program, int error);

}  // namespace waggle::agent
