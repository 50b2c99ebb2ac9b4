// SPDX-License-Identifier: Apache-2.0
// What the path to the fault shows beyond the registers' own way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "verifier/history.h"

namespace waggle::kernel {

// The branch that compares the packet pointer in `reg` with the packet's end, and after which this path knows
// only that the packet is not `needed` bytes long; -1: there is none, or one that says enough.
int inverted_packet_test(const History& history, int fault, std::string_view reg, std::int64_t needed);

// The branch that tested what was read from the same place before event `load` reads it once more; -1: none.
int test_before_reread(const History& history, int load);

// Whether the call at event `index` stands open already: its function calls itself, at once or through
// others.
bool calls_itself(const History& history, int index);

// What the program calls its context: "skb" where a line on the path has "skb->data_end".
std::string context_name(const History& history, int last);

}  // namespace waggle::kernel
