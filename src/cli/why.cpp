// SPDX-License-Identifier: Apache-2.0
// why, record and replay: watch, then answer.
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "agent/replay.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "sinks/json.h"

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
        if (const int wrong =
                posix_spawnp(&child.pid_, arguments[0], nullptr, nullptr, arguments.data(), environ))
            return Error{
                fmt::format("cannot run {}: {}", escape_control(command.front()), std::strerror(wrong))};
        return child;
    }
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Child& operator=(Child&&) = delete;
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    bool ended() {
        if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
        return pid_ <= 0;
    }

  private:
    Child() = default;
    pid_t pid_ = -1;
};

int say(const explain::Answer& answer, const Options& options) {
    print(options.json ? sinks::answer_json(answer) + "\n"
                       : sinks::render_answer(answer, style_of_stdout(options.show_query)));
    return answer.findings.empty() ? exit_fine : exit_found;
}

// A line that is rewritten each second, on a terminal only; stderr, so that a pipe of stdout stays clean.
void show_progress(std::uint64_t passed_ns, std::uint64_t whole_ns) {
    if (::isatty(STDERR_FILENO) != 1) return;
    fmt::print(stderr, "\rwatching ... {:.0f} of {:.0f} s ", static_cast<double>(passed_ns) / 1e9,
               static_cast<double>(whole_ns) / 1e9);
}
void end_progress() {
    if (::isatty(STDERR_FILENO) == 1) fmt::print(stderr, "\r\033[K");
}

// Watches for the options' time or until the command ends; the answer stands at the end.
Result<explain::Answer> watch(const Options& options, const std::string& topic,
                              const std::string& recording) {
    const Result<agent::SessionOptions> wanted = session_options(options, {}, Mode::aggregate);
    if (!wanted) return wanted.error();
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return started.error();
    agent::Session& session = **started;
    if (auto known = check_topic(session.rules(), topic); !known) return known.error();
    session.read_baseline(topic);
    std::optional<agent::RecordingWriter> writer;
    if (!recording.empty()) {
        Result<agent::RecordingWriter> made = agent::RecordingWriter::create(recording, wanted->memory_bytes);
        if (!made) return made.error();
        writer.emplace(std::move(*made));
        session.record_to(&*writer);
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
    session.run(session.started_ns() + for_ns, interrupted, callbacks);
    end_progress();
    explain::Answer answer = session.answer(topic);
    if (writer)
        if (auto closed = writer->close(); !closed) return closed.error();
    return answer;
}

}  // namespace

int run_why(const Options& options) {
    const Result<explain::Answer> answer =
        watch(options, options.words.empty() ? "" : options.words.front(), options.record);
    if (!answer) return fail(answer.error());
    return say(*answer, options);
}

int run_record(const Options& options) {
    const std::string& path = options.words.front();
    const Result<explain::Answer> answer = watch(options, "", path);
    if (!answer) return fail(answer.error());
    std::uint64_t rows = 0, lost = 0;
    for (const explain::SensorCoverage& part : answer->coverage) {
        rows += part.seen;
        for (const Loss& loss : part.lost) lost += loss.count;
    }
    print(fmt::format("{}: {} in {}, {} lost, {}. Ask it with: waggle replay {}\n", escape_control(path),
                      counted(rows, "row"), format_duration_ns(answer->window.seconds() * 1e9),
                      format_count(static_cast<std::int64_t>(lost)),
                      counted(answer->findings.size(), "finding"), escape_control(path)));
    return exit_fine;
}

int run_replay(const Options& options) {
    Result<std::unique_ptr<agent::Replay>> replay = agent::Replay::open(options.words.front());
    if (!replay) return fail(replay.error());
    const int code =
        say((*replay)->answer(options.words.size() > 1 ? options.words[1] : (*replay)->topic()), options);
    return (*replay)->problem().empty() ? code : exit_failed;
}

}  // namespace waggle::cli
