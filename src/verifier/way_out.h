// SPDX-License-Identifier: Apache-2.0
// Where a call that gives something back belongs: the return by which the path that failed left its function.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "verifier/history.h"

namespace waggle::kernel {

struct PlacedLine {
    std::string text;
    std::uint32_t line = 0;  // in place of which it goes
};

// The line of that return with `release` in front of it; nothing where it cannot be told which return it was, or
// where `variable` (what is given back; can be empty) is not known there. `taken`: the event that took it, `last`:
// the path's end.
std::optional<PlacedLine> way_out_with(const History& history, const SourceLines& lines, int taken, int last,
                                       const std::string& release, std::string_view variable);

// The last branch on that path before it left the block in which what was taken is known; -1: none.
int branch_out(const History& history, const SourceLines& lines, int taken, int last);

}  // namespace waggle::kernel
