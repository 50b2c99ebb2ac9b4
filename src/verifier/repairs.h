// SPDX-License-Identifier: Apache-2.0
// Remedies that write a line of the program anew: the same statement with the argument, the test or the pointer that
// the kernel takes.
#pragma once

#include "verifier/advice.h"

namespace waggle::kernel {

// Adds what the situation gives; a name stands among the facts only where it is certain. With NAME_at, the line that
// it replaces:
//   sized_line      the call with sizeof() of the buffer for a size that is too large
//   key_line        the call with the address of a key in place of the key
//   text_line       the declaration of a text as constant
//   exchange_line   bpf_kptr_xchg() in place of an assignment
//   turned_line     the packet test that lets the other path leave
//   apart_line      two null tests that the compiler cannot join
//   copied_line     a statement that tests and uses one copy of a variable that can change
// And read_again with read_again_at: statements behind (or, without _at, in front of the fault) that get a packet
// pointer anew; clamp: what makes a size fit, in front of the fault.
void add_repairs(const Situation& situation, Facts& facts);

// The call at fault, and what is done in front of it (call_repairs.cpp); likewise:
//   map_line        the call with the map that its other argument lies in
//   locked_line     the call between lock and unlock; lock_name: that lock
//   no_flags_line   the call without flags
//   loader_line     the call of the helper that copies packets for programs of this section
//   zeroed          a variable on the stack filled, behind its declaration
// And got_again: statements that get a slice of a packet anew, in front of the fault.
void add_call_repairs(const Situation& situation, Facts& facts);

}  // namespace waggle::kernel
