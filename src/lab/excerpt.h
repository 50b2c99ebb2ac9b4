// SPDX-License-Identifier: Apache-2.0
// A fault's recording: only what the fault made, so that it is small and tells of no other program of the
// machine, and with the values that the judge needs.
#pragma once

#include <string>
#include <string_view>

#include "lab/verdict.h"
#include "recording/recorded_content.h"
#include "waggle/result.h"

namespace waggle::lab {

// Of all that was recorded the rows stay that mention the fault: its network namespaces, disks, control
// groups, files, processes and what these started; and the settings of the machine and its processors as a whole. Where another process
// stands in such a row, because the kernel worked while it happened to run, it is forgotten.
void keep_own(agent::RecordedContent& content, const Injected& injected);

// The name of the note in which a recording keeps what was said when the fault was made.
inline constexpr std::string_view injected_note = "lab";
std::string injected_text(const Injected& injected);
Result<Injected> injected_from(std::string_view note);

}  // namespace waggle::lab
