// SPDX-License-Identifier: Apache-2.0
// Places by a pattern: "tracepoint:sched:sched_*", "kprobe:vfs_*", "uprobe:libc.so.6:mem*".
#pragma once

#include <vector>

#include "waggle/attach.h"
#include "waggle/result.h"

namespace waggle::kernel {

// Whether a name in it has * or ?, for a kind that is not itself a pattern (kprobe.multi).
bool is_pattern(const AttachSpec& spec);

// The places that exist here as the pattern says, sorted; a spec without a pattern is its own only place. An error
// where there is none, or the kind's places cannot be listed.
Result<std::vector<AttachSpec>> places_of(const AttachSpec& spec);

}  // namespace waggle::kernel
