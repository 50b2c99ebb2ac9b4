// SPDX-License-Identifier: Apache-2.0
// What libbpf says, kept instead of printed: the reasons in our errors come from it.
#pragma once

#include <string>

namespace waggle::kernel {

// libbpf's messages go into this thread's log from now on; called by whatever opens an object, any number of
// times.
void capture_libbpf_log();

// This thread's log since it was last cleared: libbpf's lines, with the verifier's log of a rejected program.
std::string& libbpf_log();

// The line of it that a person needs: what stands before the verifier's summary, or libbpf's own last line,
// with the system's word for `error` (an errno).
std::string libbpf_last_words(int error);

}  // namespace waggle::kernel
