// SPDX-License-Identifier: Apache-2.0
// why, record and replay: watch, then answer.
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "agent/replay.h"
#include "agent/start_failure.h"
#include "base/shell.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "explain/phrases.h"
#include "render/json.h"

extern char** environ;

namespace waggle::cli {
namespace {

constexpr std::uint64_t default_for_ns = 10'000'000'000;

// The command behind `--`, started by us and waited for by us.
class Child {
  public:
    static Result<Child> start(const std::vector<std::string>& command) {
        std::vector<char*> arguments;
        for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        Child child;
        child.told_.words = command;
        child.told_.started_ns = SystemClock().monotonic_ns();
        // It is watched as it runs elsewhere: what waggle ignores for itself ends a program there.
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t plain;
        sigemptyset(&plain);
        if (!sigpipe_was_ignored) sigaddset(&plain, SIGPIPE);
        posix_spawnattr_setsigdefault(&attributes, &plain);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        const int wrong =
            posix_spawnp(&child.pid_, arguments[0], nullptr, &attributes, arguments.data(), environ);
        posix_spawnattr_destroy(&attributes);
        if (wrong) return Error{agent::why_not_started(command.front(), wrong)};
        child.told_.pid = static_cast<std::uint32_t>(child.pid_);
        return child;
    }
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), told_(std::move(other.told_)) {}
    Child& operator=(Child&&) = delete;
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    bool ended() {
        if (pid_ <= 0) return true;
        told_.ended_ns = SystemClock().monotonic_ns();
        if (::waitpid(pid_, &told_.status, WNOHANG) != pid_) return false;
        pid_ = -1;
        told_.ended = true;
        return true;
    }
    const agent::WatchedCommand& told() const { return told_; }

  private:
    Child() = default;
    pid_t pid_ = -1;
    agent::WatchedCommand told_;
};

int say(const explain::Answer& answer, const Options& options) {
    const sinks::TerminalStyle style = style_of_stdout(options.show_query, options.language);
    const bool whole = options.long_form || options.show_query || !stdout_is_terminal();
    print(options.json ? sinks::answer_json(answer) + "\n"
          : whole      ? sinks::render_answer(answer, style)
                       : sinks::render_answer_to_fit(answer, style));
    return answer.findings.empty() ? exit_fine : exit_found;
}

// A line that is rewritten each second, on a terminal only; stderr, so that a pipe of stdout stays clean.
void show_progress(std::uint64_t passed_ns, std::uint64_t whole_ns) {
    if (::isatty(STDERR_FILENO) != 1) return;
    print_error(fmt::format("\rwatching ... {:.0f} of {:.0f} s ", static_cast<double>(passed_ns) / 1e9,
                            static_cast<double>(whole_ns) / 1e9));
}
void end_progress() {
    if (::isatty(STDERR_FILENO) == 1) print_error("\r\033[K");
}

struct Watched {
    explain::Answer answer;
    Result<void>
        recorded;  // an error where the recording could not be written whole; the answer stands all the same
    std::string cut_off;  // the command that still ran, said after the answer
};

// Watches for the options' time or until the command ends; the answer stands at the end.
Result<Watched> watch(const Options& options, const std::string& topic, const std::string& recording,
                      bool only_records) {
    // A wrong word is said at once, not after the sensors started.
    if (auto known = check_topic(topic); !known) return known.error();
    Result<agent::SessionOptions> wanted = session_options(options, {}, Mode::aggregate);
    if (!wanted) return wanted.error();
    wanted->topic = topic;
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return started.error();
    agent::Session& session = **started;
    session.read_baseline(topic);
    std::optional<agent::RecordingWriter> writer;
    if (!recording.empty()) {
        Result<agent::RecordingWriter> made = agent::RecordingWriter::create(recording, wanted->memory_bytes);
        if (!made) return made.error();
        writer.emplace(std::move(*made));
        session.record_to(&*writer, topic, options.keep);
    }
    std::optional<Child> child;
    if (!options.command.empty()) {
        Result<Child> begun = Child::start(options.command);
        if (!begun) return begun.error();
        child.emplace(std::move(*begun));
    }
    // With a command and no --for, the command's own end is the end.
    const std::uint64_t for_ns = options.for_ns ? options.for_ns
                                 : child        ? std::uint64_t{1} << 60
                                                : default_for_ns;
    agent::Callbacks callbacks;
    if (child)
        callbacks.done = [&] { return child->ended(); };
    else
        callbacks.second = [&] { show_progress(session.window().to_ns - session.started_ns(), for_ns); };
    // What only records has nothing more to do where nothing more can be written.
    if (only_records)
        callbacks.done = [&, ended = callbacks.done] {
            return session.recording_failed() || (ended && ended());
        };
    session.run(session.started_ns() + for_ns, interrupted, callbacks);
    end_progress();
    if (child) session.tell_of(child->told());
    Watched watched{session.answer(topic), {}, {}};
    if (child && !child->told().ended)
        watched.cut_off = explain::say(explain::Phrase::command_still_ran,
                                       {{"command", escape_control(shell_line(options.command))},
                                        {"pid", std::to_string(child->told().pid)}},
                                       options.language);
    if (writer) watched.recorded = writer->close();
    return watched;
}

}  // namespace

int run_why(const Options& options) {
    const Result<Watched> watched =
        watch(options, options.words.empty() ? "" : options.words.front(), options.record, false);
    if (!watched) return fail(watched.error());
    const int code = say(watched->answer, options);
    if (!watched->cut_off.empty()) print_error(watched->cut_off + "\n");
    if (options.json) tell_losses(watched->answer.coverage);  // the answer holds them as records
    return watched->recorded ? code : fail(watched->recorded.error());
}

int run_record(const Options& options) {
    const std::string& path = options.words.front();
    if (path == "-" && (options.keep.bytes || options.keep.ns))
        return fail({"--keep changes files now and then; standard output is one", ErrorKind::usage});
    const Result<Watched> watched = watch(options, "", path, true);
    if (!watched) return fail(watched.error());
    if (!watched->recorded) return fail(watched->recorded.error());
    const explain::Answer* answer = &watched->answer;
    tell_losses(answer->coverage);  // the recording and its summary hold them as records
    if (options.json && path != "-") {
        std::vector<sinks::PastFinding> findings;
        const explain::Window& window = answer->window;
        for (const explain::Finding& finding : answer->findings)
            findings.push_back(
                {finding.id, finding.what, window.from_realtime_ns, window.to_realtime_ns(), true});
        print(sinks::summary_json(window.to_ns - window.from_ns, findings, answer->coverage) + "\n");
        return exit_fine;
    }
    std::uint64_t rows = 0, lost = 0;
    for (const explain::SensorCoverage& part : answer->coverage) {
        rows += part.seen;
        lost += part.lost_count();
    }
    const std::string summary = fmt::format(
        "{} in {}, {} lost, {}", counted(rows, "row"), format_duration_ns(answer->window.seconds() * 1e9),
        format_count(static_cast<std::int64_t>(lost)), counted(answer->findings.size(), "finding"));
    if (path == "-")  // standard output is the recording
        print_error(fmt::format("recorded: {}.\n", summary));
    else
        print(fmt::format("{}: {}. Ask it with: waggle replay {}\n", escape_control(path), summary,
                          escape_control(path)));
    return exit_fine;
}

int run_replay(const Options& options) {
    Result<std::unique_ptr<agent::Replay>> replay =
        agent::Replay::open(options.words.front(), options.language);
    if (!replay) return fail(replay.error());
    const int code =
        say((*replay)->answer(options.words.size() > 1 ? options.words[1] : (*replay)->topic()), options);
    return (*replay)->problem().empty() ? code : exit_failed;
}

}  // namespace waggle::cli
