// SPDX-License-Identifier: Apache-2.0
// `waggle` alone: findings as they come, and each sensor's key figures.
#include <fmt/core.h>

#include <ctime>
#include <map>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "query/cost_meter.h"
#include "render/json.h"
#include "render/live_screen.h"
#include "render/row_printer.h"

namespace waggle::cli {
namespace {

// Long enough for rates to be steady, short enough that a fault is said within seconds and a fixed one is gone
// soon.
constexpr std::uint64_t window_ns = 5'000'000'000;
// Answers take about this share of one processor: where one costs more than a second's share the next comes in the second or third
// second. What a rule says only 2 s after it happened, lest it be over by then, is still in the window.
constexpr double share_of_answers = 0.012;
constexpr std::uint64_t longest_pause_ns = 2'900'000'000;
// The always-on mode remembers less than `why`: its answers look at seconds, not minutes.
constexpr std::uint32_t live_memory_mib = 16;

// Each sensor's row of figures: "block_io: 120/s requests, 1.2 MiB/s".
std::vector<sinks::Figures> figures_of(agent::Session& session, std::vector<std::string>& problems) {
    std::vector<sinks::Figures> out;
    for (const agent::Session::Started& each : session.sources()) {
        if (each.source->figures_query.empty()) continue;
        Result<explain::ResultSet> result = session.store().sql().query(each.source->figures_query);
        if (!result)
            problems.push_back(result.error().message);
        else
            out.push_back({std::string(each.source->name), std::move(*result)});
    }
    return out;
}

// What was gone for a minute is news again.
constexpr std::uint64_t forgotten_ns = 60'000'000'000;

// Things said before, by when they were said last.
class Said {
  public:
    bool is_news(const std::string& what, std::uint64_t now_ns) {
        std::uint64_t& last = said_[what];
        const bool news = last == 0 || now_ns - last > forgotten_ns;
        last = now_ns;
        return news;
    }

  private:
    std::map<std::string, std::uint64_t> said_;
};

// All that was found in the run, with its times.
class Found {
  public:
    // Whether it is news: found for the first time, or after it was gone for long.
    bool is_news(const explain::Finding& finding, std::uint64_t now_realtime_ns) {
        const std::uint64_t at_ns = now_realtime_ns - std::min(now_realtime_ns, finding.age_ns);
        const auto known = newest_.find(finding.id);
        if (known != newest_.end()) {
            sinks::PastFinding& past = all_[known->second];
            if (at_ns <= past.to_realtime_ns + forgotten_ns) {
                past.to_realtime_ns = std::max(past.to_realtime_ns, at_ns);
                past.what = finding.what;
                past.lasts = true;
                return false;
            }
        }
        newest_[finding.id] = all_.size();
        all_.push_back({finding.id, finding.what, at_ns, at_ns, true});
        return true;
    }
    void begin_moment() {
        for (sinks::PastFinding& past : all_) past.lasts = false;
    }
    const std::vector<sinks::PastFinding>& all() const { return all_; }

  private:
    std::vector<sinks::PastFinding> all_;
    std::map<std::string, std::size_t> newest_;  // by id
};

// A problem in which only figures and their units have changed is the same.
std::string without_figures(std::string_view problem) {
    static constexpr std::string_view figure = "0123456789.,";
    std::string out;
    for (std::size_t at = 0; at < problem.size();) {
        if (problem[at] < '0' || problem[at] > '9') {
            out += problem[at++];
            continue;
        }
        at = std::min(problem.find_first_not_of(figure, at), problem.size());
        if (at == problem.size() || problem[at] != ' ') continue;
        at = std::min(problem.find_first_of(" .,:;", at + 1), problem.size());
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
    Said problems;
    Found found;
    bool ended = false;
    if (screen) print(sinks::live_screen_begin());
    agent::Callbacks callbacks;
    callbacks.done = [&] { return ended; };
    const SystemClock clock;
    std::uint64_t next_ns = 0;
    callbacks.second = [&] {
        const std::uint64_t began_ns = clock.monotonic_ns();
        if (began_ns < next_ns) return;
        const std::uint64_t spent_before_ns = explain::processor_time_ns(CLOCK_PROCESS_CPUTIME_ID);
        explain::Answer answer = session.answer("");
        const std::vector<sinks::Figures> figures =
            screen ? figures_of(session, answer.problems) : std::vector<sinks::Figures>{};
        found.begin_moment();
        const std::uint64_t now_ns = answer.window.to_realtime_ns();
        std::vector<const explain::Finding*> news;
        for (const explain::Finding& finding : answer.findings)
            if (found.is_news(finding, now_ns)) news.push_back(&finding);
        if (screen && !print(sinks::render_live_screen(answer, figures, found.all(),
                                                       style_of_stdout(false, options.language))))
            ended = true;
        // The screen shows them; a pipe's reader has nothing else to see that a rule sleeps.
        for (const std::string& problem : answer.problems)
            if (!screen && problems.is_news(without_figures(problem), answer.window.to_ns))
                print_error(fmt::format("waggle: {}\n", problem));
        for (const explain::Finding* finding : news)
            if (!screen && !print(options.json ? sinks::finding_json(*finding, answer) + "\n"
                                               : sinks::render_finding(
                                                     *finding, style_of_stdout(false, options.language))))
                ended = true;
        const std::uint64_t spent_ns = explain::processor_time_ns(CLOCK_PROCESS_CPUTIME_ID) - spent_before_ns;
        const auto pause_ns = static_cast<std::uint64_t>(static_cast<double>(spent_ns) / share_of_answers);
        next_ns = began_ns + std::min(longest_pause_ns, pause_ns);
    };
    if (!screen && !options.json)
        print(sinks::render_live_start(session.sources().size(), style_of_stdout(false, options.language)));
    session.run(end_of(session, options), interrupted, callbacks);
    if (screen) print(sinks::live_screen_end());
    const std::uint64_t watched_ns = session.window().to_ns - session.started_ns();
    const std::vector<explain::SensorCoverage> coverage = session.whole_coverage();
    if (options.json)
        print(sinks::summary_json(watched_ns, found.all(), coverage) + "\n");
    else
        print(sinks::render_live_summary(found.all(), watched_ns, coverage,
                                         style_of_stdout(false, options.language)));
    print_losses(coverage, options);
    return found.all().empty() ? exit_fine : exit_found;
}

}  // namespace waggle::cli
