// SPDX-License-Identifier: Apache-2.0
// The live screen of `waggle` alone, and the lines that stand for it in a pipe. Pure functions: whoever
// prints begins with live_screen_begin(), prints a whole screen each time, and ends with live_screen_end().
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sinks/terminal.h"

namespace waggle::sinks {

// A sensor's named figures: one row, of which each column is a figure.
struct Figures {
    std::string sensor;
    explain::ResultSet result;
};

// Switches to a screen of its own and hides the cursor; and back to what was there before.
std::string live_screen_begin();
std::string live_screen_end();

// One frame of style.width by style.height characters: what was watched, the figures, the findings as far as
// there is room. Redraws in place.
std::string render_live_screen(const explain::Answer& answer, std::span<const Figures> figures,
                               const TerminalStyle& style);

std::string render_live_start(std::size_t sensors, const TerminalStyle& style);
std::string render_live_summary(std::size_t found, std::uint64_t watched_ns,
                                std::span<const explain::SensorCoverage> coverage,
                                const TerminalStyle& style);

}  // namespace waggle::sinks
