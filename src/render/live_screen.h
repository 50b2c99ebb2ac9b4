// SPDX-License-Identifier: Apache-2.0
// The live screen of `waggle` alone, and the lines that stand for it in a pipe. Pure functions: whoever
// prints begins with live_screen_begin(), prints a whole screen each time, and ends with live_screen_end().
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "render/terminal.h"

namespace waggle::sinks {

// A sensor's named figures: one row, of which each column is a figure.
struct Figures {
    std::string sensor;
    explain::ResultSet result;
};

// Switches to a screen of its own and hides the cursor; and back to what was there before.
std::string live_screen_begin();
std::string live_screen_end();

// Something that was found, and from when to when it was.
struct PastFinding {
    std::string id;
    std::string what;
    std::uint64_t from_realtime_ns = 0;
    std::uint64_t to_realtime_ns = 0;  // when it was found last
    bool lasts = false;                // it is still found
};

// One frame of style.width by style.height characters: what was watched, the figures, the findings as far as
// there is room, and below them what has ended, the newest first. Redraws in place.
std::string render_live_screen(const explain::Answer& answer, std::span<const Figures> figures,
                               std::span<const PastFinding> past, const TerminalStyle& style);

std::string render_live_start(std::size_t sensors, const TerminalStyle& style);
// How it ended: what was found with its times, and the figures of the whole run.
std::string render_live_summary(std::span<const PastFinding> found, std::uint64_t watched_ns,
                                std::span<const explain::SensorCoverage> coverage,
                                const TerminalStyle& style);

}  // namespace waggle::sinks
