// SPDX-License-Identifier: Apache-2.0
// `waggle` alone: findings as they come, and each sensor's key figures.
#include <fmt/core.h>

#include <ctime>
#include <map>

#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/row_printer.h"
#include "sinks/json.h"
#include "sinks/live_screen.h"

namespace waggle::cli {
namespace {

// Long enough for rates to be steady, short enough that a fault is said within 5 s and a mended one is gone
// soon.
constexpr std::uint64_t window_ns = 4'000'000'000;
// The always-on mode remembers less than `why`: its answers look at seconds, not minutes.
constexpr std::uint32_t live_memory_mib = 16;

// Each sensor's row of figures: "block_io: 120/s requests, 1.2 MiB/s".
std::vector<sinks::Figures> figures_of(agent::Session& session, std::vector<std::string>& problems) {
    std::vector<sinks::Figures> out;
    for (const auto& sensor : session.sensors()) {
        if (sensor->figures_query().empty()) continue;
        Result<explain::ResultSet> result = session.store().sql().query(sensor->figures_query());
        if (!result)
            problems.push_back(result.error().message);
        else
            out.push_back({std::string(sensor->name()), std::move(*result)});
    }
    return out;
}

}  // namespace

int run_live(const Options& options) {
    Options bounded = options;
    bounded.memory_mib = std::min(options.memory_mib, live_memory_mib);
    Result<agent::SessionOptions> wanted = session_options(bounded, {}, Mode::aggregate);
    if (!wanted) return fail(wanted.error());
    wanted->sliding_window_ns = window_ns;
    wanted->start.ring_bytes = 1u << 20;
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    session.read_baseline("");
    const bool screen = stdout_is_terminal() && !options.json;
    std::map<std::string, std::uint64_t> said;  // finding id to the time it was last seen
    std::size_t found = 0;
    bool ended = false;
    if (screen) print(sinks::live_screen_begin());
    agent::Callbacks callbacks;
    callbacks.done = [&] { return ended; };
    callbacks.second = [&] {
        explain::Answer answer = session.answer("");
        const std::vector<sinks::Figures> figures =
            screen ? figures_of(session, answer.problems) : std::vector<sinks::Figures>{};
        if (screen && !print(sinks::render_live_screen(answer, figures, style_of_stdout()))) ended = true;
        for (const explain::Finding& finding : answer.findings) {
            std::uint64_t& last = said[finding.id];
            // A finding that was gone for a minute is news again.
            const bool news = last == 0 || answer.window.to_ns - last > 60'000'000'000;
            last = answer.window.to_ns;
            if (!news) continue;
            ++found;
            if (screen) continue;
            explain::Answer one = answer;
            one.findings = {finding};
            if (!print(options.json ? sinks::finding_json(finding, answer) + "\n"
                                    : sinks::render_finding(finding, style_of_stdout())))
                ended = true;
        }
    };
    if (!screen && !options.json)
        print(sinks::render_live_start(session.sensors().size(), style_of_stdout()));
    session.run(options.for_ns ? session.started_ns() + options.for_ns : UINT64_MAX, interrupted, callbacks);
    if (screen) print(sinks::live_screen_end());
    if (!options.json)
        print(sinks::render_live_summary(found, session.window().to_ns - session.started_ns(),
                                         session.coverage(), style_of_stdout()));
    return found ? exit_found : exit_fine;
}

}  // namespace waggle::cli
