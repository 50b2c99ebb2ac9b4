// SPDX-License-Identifier: Apache-2.0
// The verifier's reason as one sentence, for the error of a load that failed.
#pragma once

#include <string>

#include "waggle/bytes.h"
#include "waggle/verifier.h"

namespace waggle::kernel {

// "program count is refused at counts.bpf.c:12 (*counter += 1): counter (R0) can be null …; …: if (!counter)
// … (the kernel: R0 invalid mem access …)". Control characters are escaped.
std::string one_sentence(const Rejection& rejection);

// The sentence, or libbpf's last words where the verifier was not asked.
std::string load_words(int error, Bytes elf);

}  // namespace waggle::kernel
