// SPDX-License-Identifier: Apache-2.0
// Who keeps a command from ending: the process itself, or the child that it waits for, and the child of that one;
// and what the last of them waits for at this moment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/procfs.h"

namespace waggle::facts {

struct WaitingBelow {
    std::uint32_t pid = 0;
    std::string comm;
    std::string words;  // as Waiting::words
    std::uint64_t lived_ns = 0;
    std::uint64_t run_ns = 0;  // it had a processor for less than this
};

// Nothing where the last one runs, where it is not known what it waits for, or where that is several at once.
std::optional<WaitingBelow> waiting_below(Procfs& proc, std::uint32_t pid);

}  // namespace waggle::facts
