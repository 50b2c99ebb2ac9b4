// SPDX-License-Identifier: Apache-2.0
// Which BPF programs are loaded, whose are they, and what do they cost?
//
// Rows: `bpf_program`, `bpf_program_hook`, `bpf_program_map`: how programs stand, where they are attached, what maps they
// use; `bpf_program_total`, what each did since the last reading (programs that ran since waggle started);
// `bpf_program_call`, what one program calls, where an option names it. The kernel's run statistics are on while it runs.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source bpf_program_source;

}  // namespace waggle::sensors
