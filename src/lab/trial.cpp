// SPDX-License-Identifier: Apache-2.0
#include "lab/trial.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <ranges>
#include <regex>
#include <thread>

#include "base/text.h"
#include "lab/excerpt.h"
#include "lab/process.h"

namespace waggle::lab {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock;

constexpr auto most_of_start = 180s;  // until waggle watches, and after: slow machines need it
constexpr auto most_of_pasted = 10s;

std::uint64_t watch_of(const Fault& fault, const Trial& trial) {
    if (trial.watch_ns) return trial.watch_ns;
    return fault.watch_ns ? fault.watch_ns : default_watch_ns;
}

// The recording is there as soon as waggle watches.
Stage::Options stage_options(const Fault& fault, const Trial& trial, const std::string& recording) {
    const std::chrono::nanoseconds watching(watch_of(fault, trial));
    return {trial.lab, trial.seed,
            300s + std::chrono::duration_cast<std::chrono::seconds>(watching) * (trial.paste ? 2 : 1),
            recording};
}

Command why(const Fault& fault, const Trial& trial, const std::vector<std::string>& more) {
    const std::chrono::nanoseconds watching(watch_of(fault, trial));
    Command command;
    command.words = {trial.program, "why"};
    if (!fault.question.empty()) command.words.push_back(fault.question);
    command.words.insert(command.words.end(),
                         {"--for", fmt::format("{}ms", watch_of(fault, trial) / 1'000'000)});
    command.words.insert(command.words.end(), more.begin(), more.end());
    command.at_most = std::chrono::duration_cast<std::chrono::milliseconds>(watching) + most_of_start;
    return command;
}

// waggle's exit codes: 0 nothing wrong, 1 something found; also a failure, and then nothing is printed.
std::string why_failed(const Result<Outcome>& asked) {
    if (!asked) return asked.error().message;
    if (asked->interrupted) return "interrupted";
    if (asked->timed_out) return "waggle why was not done in time";
    if (asked->code > 1 || asked->out.empty())
        return fmt::format("waggle why ended with {}: {}", asked->code, escape_control(trim(asked->err)));
    return {};
}

struct Answer {
    std::string json, text;
    std::string failed;
    double seconds = 0;
};

// What a recording says, for programs or for people.
Result<std::string> replayed(const Trial& trial, const std::string& recording, bool as_json,
                             const std::atomic<bool>& stop) {
    Command replay;
    replay.words = {trial.program, "replay", recording};
    if (as_json) replay.words.insert(replay.words.end(), {"--output", "json"});
    const Result<Outcome> done = run(replay, stop);
    if (!done) return done.error();
    if (done->interrupted || done->timed_out || done->out.empty())
        return Error{
            fmt::format("waggle replay ended with {}: {}", done->code, escape_control(trim(done->err)))};
    return done->out;
}

// Asked once; the text is the answer from a recording of the same watching, so that both speak of the same
// rows.
Answer ask(const Fault& fault, const Trial& trial, const std::string& recording,
           const std::atomic<bool>& stop) {
    Answer out;
    const auto began = Time::now();
    const Result<Outcome> asked = run(why(fault, trial, {"--output", "json", "--record", recording}), stop);
    out.seconds = std::chrono::duration<double>(Time::now() - began).count();
    out.failed = why_failed(asked);
    if (!out.failed.empty()) return out;
    out.json = asked->out;
    const Result<std::string> text = replayed(trial, recording, false, stop);
    if (text)
        out.text = *text;
    else
        out.failed = text.error().message;
    return out;
}

// Settings of the whole machine that a command names, put back when this object goes.
class SavedSettings {
  public:
    void save(const std::string& command) {
        static const std::regex setting("([a-z0-9_]+(?:[./][A-Za-z0-9_*-]+)+)=");
        for (std::sregex_iterator at(command.begin(), command.end(), setting), end; at != end; ++at) {
            std::string path = (*at)[1].str();
            std::replace(path.begin(), path.end(), '.', '/');
            path = "/proc/sys/" + path;
            if (const Result<std::string> value = read_file(path)) saved_.emplace_back(path, *value);
        }
    }
    SavedSettings() = default;
    SavedSettings(const SavedSettings&) = delete;
    SavedSettings& operator=(const SavedSettings&) = delete;
    ~SavedSettings() {
        for (const auto& [path, value] : saved_ | std::views::reverse) std::ofstream(path) << value;
    }

  private:
    std::vector<std::pair<std::string, std::string>> saved_;
};

// Why the command is not pasted: it would reach beyond the fault.
std::string why_not_paste(const std::string& command, const Stage& stage) {
    bool kills = false;
    for (const std::string_view word : split(command, ' ')) {
        if (word == "#") break;  // the comment
        for (const std::string_view broad : {"killall", "pkill", "reboot", "shutdown", "systemctl"})
            if (word == broad) return fmt::format("{} reaches beyond the fault", word);
        kills |= word == "kill" || word == "prlimit";
        std::uint64_t pid = 0;
        const auto [rest, wrong] = std::from_chars(word.data(), word.data() + word.size(), pid);
        if (kills && wrong == std::errc{} && rest == word.data() + word.size() && !stage.owns_process(pid))
            return fmt::format("process {} is none of the fault's", pid);
    }
    return {};
}

// Whether the command is meant to change something: one that is and heals nothing does not help, whatever it
// prints.
bool changes_something(const std::string& command) {
    static constexpr std::string_view words[] = {"-w",      "-A",      "-D",     "-I",    "-R",     "-F",
                                                 "add",     "append",  "change", "del",   "delete", "echo",
                                                 "flush",   "insert",  "kill",   "mount", "renice", "ionice",
                                                 "replace", "restart", "rm",     "set",   "start",  "stop"};
    for (const std::string_view word : split(command, ' ')) {
        if (word == "#") break;  // the comment
        if (std::find(std::begin(words), std::end(words), word) != std::end(words)) return true;
    }
    return false;
}

// Runs the first command of each own finding as it is printed, asks again and says what it did.
std::vector<Pasted> paste(const Fault& fault, const Trial& trial, const Verdict& before, const Stage& stage,
                          const std::atomic<bool>& stop, std::string& failed) {
    std::vector<Pasted> out;
    SavedSettings settings;
    for (const Advice& advice : before.advice) {
        Pasted pasted{advice.command, Pasted::Effect::no_help, {}};
        const std::string refused =
            advice.command.empty() ? "the finding advises no command" : why_not_paste(advice.command, stage);
        if (!refused.empty()) {
            pasted.effect = Pasted::Effect::refused;
            pasted.detail = refused;
            out.push_back(std::move(pasted));
            continue;
        }
        settings.save(advice.command);
        Command shell = stage.base();
        shell.words = {"/bin/bash", "-c", advice.command};
        const char* path = std::getenv("PATH");
        shell.environment.emplace_back("PATH", std::filesystem::path(trial.program).parent_path().string() +
                                                   ":" + (path ? path : "/usr/bin:/bin") +
                                                   ":/usr/sbin:/sbin");
        shell.at_most = most_of_pasted;
        const Result<Outcome> ran = run(shell, stop);
        if (!ran) {
            pasted.detail = ran.error().message;
        } else {
            const std::string said(trim(ran->out + ran->err));
            pasted.detail =
                fmt::format("exit code {}{}", ran->code, said.empty() ? "" : ": " + said.substr(0, 200));
            if (ran->code == 0 && !trim(ran->out).empty() && !changes_something(advice.command))
                pasted.effect = Pasted::Effect::shows;
        }
        out.push_back(std::move(pasted));
    }
    std::this_thread::sleep_for(trial.settle + std::chrono::nanoseconds(fault.heals_in_ns));
    const Result<Outcome> asked = run(why(fault, trial, {"--output", "json"}), stop);
    failed = why_failed(asked);
    if (!failed.empty()) return out;
    const Result<Injected> injected = stage.injected();
    if (!injected) return out;
    const Result<Verdict> after = judge(fault, *injected, asked->out, "");
    if (!after) {
        failed = after.error().message;
        return out;
    }
    const auto count_of = [](const Verdict& verdict, const std::string& rule) {
        return std::count_if(verdict.advice.begin(), verdict.advice.end(),
                             [&](const Advice& one) { return one.rule == rule; });
    };
    for (std::size_t i = 0; i < out.size(); ++i) {
        const Advice& advice = before.advice[i];
        const bool there = std::any_of(after->advice.begin(), after->advice.end(),
                                       [&](const Advice& one) { return one.finding == advice.finding; });
        // The same trouble under a new name (the next process, the next handle) is no cure.
        if (!there && count_of(*after, advice.rule) < count_of(before, advice.rule) &&
            out[i].effect != Pasted::Effect::refused)
            out[i].effect = Pasted::Effect::healed;
    }
    return out;
}

void add_failure(std::string& all, const std::string& one) {
    if (!one.empty()) all += (all.empty() ? "" : "; ") + one;
}

// Judges the fault's recording as it will be replayed; says what is wrong with it.
std::string why_not_replayable(const Fault& fault, const Trial& trial, const Verdict& live,
                               const std::string& recording, const Injected& injected,
                               const std::atomic<bool>& stop) {
    const Result<std::string> json = replayed(trial, recording, true, stop);
    if (!json) return json.error().message;
    const Result<std::string> text = replayed(trial, recording, false, stop);
    if (!text) return text.error().message;
    const Result<Verdict> verdict = judge(fault, injected, *json, *text);
    if (!verdict) return verdict.error().message;
    if (verdict->cause == live.cause && verdict->object == live.object && verdict->missing == live.missing &&
        verdict->falsehoods == live.falsehoods)
        return {};
    std::string wrong;
    for (const auto* lines : {&verdict->missing, &verdict->falsehoods})
        for (const std::string& line : *lines) wrong += "; " + line;
    return fmt::format(
        "the recording of the fault alone is answered otherwise than the machine was: cause {}, object {}{}",
        verdict->cause, verdict->object, wrong);
}

// Makes the fault, asks and judges; then `then` goes on with the verdict while the fault is still there. The
// rows are in `recording`; empty: in the fault's own folder.
template <class Then>
Score tried(const Fault& fault, const Trial& trial, const std::string& recording,
            const std::atomic<bool>& stop, Then&& then) {
    Score score;
    score.fault = fault;
    score.skipped = cannot_run(fault, trial.release);
    if (!score.skipped.empty()) return score;
    Stage::Failure failure;
    const std::string rows = recording.empty() ? "asked.waggle" : recording;
    std::optional<Stage> stage = Stage::set_up(fault, stage_options(fault, trial, rows), stop, failure);
    if (!stage) {
        (failure.cannot ? score.skipped : score.failed) =
            failure.interrupted ? "interrupted; healed" : failure.why;
        return score;
    }
    const Answer answer = ask(fault, trial, std::filesystem::path(stage->folder()) / rows, stop);
    score.failed = answer.failed;
    score.seconds = answer.seconds;
    if (score.failed.empty()) {
        const Result<Injected> injected = stage->injected();
        Result<Verdict> verdict =
            injected ? judge(fault, *injected, answer.json, answer.text) : Result<Verdict>(injected.error());
        if (verdict) {
            score.verdict = std::move(*verdict);
            then(score, *stage, *injected);
        } else {
            score.failed = verdict.error().message;
        }
    }
    if (const Result<void> healed = stage->heal(); !healed) add_failure(score.failed, healed.error().message);
    return score;
}

}  // namespace

Score try_fault(const Fault& fault, const Trial& trial, const std::atomic<bool>& stop) {
    return tried(fault, trial, {}, stop, [&](Score& score, const Stage& stage, const Injected&) {
        if (trial.paste && score.verdict->own > 0)
            score.pasted = paste(fault, trial, *score.verdict, stage, stop, score.failed);
    });
}

std::vector<Score> try_faults(std::span<const Fault* const> faults, const Trial& trial, std::size_t jobs,
                              const std::atomic<bool>& stop, const std::function<void(const Score&)>& told) {
    std::vector<std::optional<Score>> scores(faults.size());
    std::mutex telling;
    const auto try_those = [&](bool alone, std::size_t at_once) {
        std::atomic<std::size_t> next{0};
        const auto work = [&] {
            for (std::size_t at = next++; at < faults.size() && !stop.load(std::memory_order_relaxed);
                 at = next++) {
                if (faults[at]->alone != alone) continue;
                Score score = try_fault(*faults[at], trial, stop);
                const std::lock_guard lock(telling);
                told(score);
                scores[at] = std::move(score);
            }
        };
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < std::min(at_once, faults.size()); ++i) others.emplace_back(work);
        work();
    };
    try_those(false, jobs);
    try_those(true, 1);
    std::vector<Score> out;
    for (std::optional<Score>& score : scores)
        if (score) out.push_back(std::move(*score));
    return out;
}

Score record_fault(const Fault& fault, const Trial& trial, const std::string& file,
                   const std::atomic<bool>& stop) {
    // Not in the fault's folder: waggle itself, which has the path among its words, is no part of the fault.
    const std::string whole = std::filesystem::absolute(file).string() + ".whole";
    Score score = tried(fault, trial, whole, stop, [&](Score& live, const Stage&, const Injected& injected) {
        Result<std::unique_ptr<agent::RecordedContent>> content = agent::RecordedContent::read(whole);
        if (!content) {
            live.failed = content.error().message;
            return;
        }
        keep_own(**content, injected);
        (*content)->note(std::string(injected_note), injected_text(injected));
        if (const Result<void> written = (*content)->write(file); !written)
            live.failed = written.error().message;
        else
            live.failed = why_not_replayable(fault, trial, *live.verdict, file, injected, stop);
    });
    std::error_code ignored;
    std::filesystem::remove(whole, ignored);
    return score;
}

Said ask_about(const Fault& fault, const Trial& trial, const std::vector<std::string>& more,
               const std::atomic<bool>& stop) {
    Said said;
    said.skipped = cannot_run(fault, trial.release);
    if (!said.skipped.empty()) return said;
    Stage::Failure failure;
    std::optional<Stage> stage = Stage::set_up(fault, stage_options(fault, trial, {}), stop, failure);
    if (!stage) {
        (failure.cannot ? said.skipped : said.failed) =
            failure.interrupted ? "interrupted; healed" : failure.why;
        return said;
    }
    const Result<Outcome> asked = run(why(fault, trial, more), stop);
    said.failed = why_failed(asked);
    if (asked) said.text = asked->out;
    if (const Result<void> healed = stage->heal(); !healed) add_failure(said.failed, healed.error().message);
    return said;
}

}  // namespace waggle::lab
