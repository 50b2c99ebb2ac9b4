// SPDX-License-Identifier: Apache-2.0
// The commands about BPF programs that are loaded. Each gives the exit code.
#pragma once

#include <string_view>

#include "cli/command.h"

namespace waggle::cli {

int bpf_list(const Options& options);
int bpf_top(const Options& options);
// What one program is, costs, sees and can change.
int bpf_explain(std::string_view id, const Options& options);

}  // namespace waggle::cli
