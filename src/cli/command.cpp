// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "agent/readiness.h"
#include "agent/rule_book.h"
#include "agent/sources.h"
#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"
#include "host/cgroup_lookup.h"
#include "render/json.h"

namespace waggle::cli {

std::atomic<bool> interrupted{false};
bool sigpipe_was_ignored = false;

namespace {

std::atomic<int> output_error{0};  // errno of the first write to stdout that failed
std::atomic<int> stderr_error{0};  // of the first to stderr

// 0, or errno.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t wrote = ::write(fd, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return errno;
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return 0;
}

}  // namespace

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

sinks::TerminalStyle style_of_stdout(bool show_query, std::string_view language) {
    sinks::TerminalStyle style;
    style.language = language;
    style.show_query = show_query;
    style.width = 80;
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    style.color =
        stdout_is_terminal() && !(no_color && *no_color) && !(term && std::string_view(term) == "dumb");
    winsize size{};
    if (stdout_is_terminal() && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        style.width = size.ws_col;
    if (stdout_is_terminal() && size.ws_row >= 8) style.height = size.ws_row;
    return style;
}

std::string language_of_environment() {
    for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
        const char* value = std::getenv(name);
        if (!value || !*value) continue;
        const std::string_view said(value);
        const std::string language(said.substr(0, said.find_first_of(".@")));
        return language.empty() || language == "C" || language == "POSIX" ? "en" : language;
    }
    return "en";
}

bool print(std::string_view text) {
    if (output_error == 0) output_error = write_all(STDOUT_FILENO, text);
    return output_error == 0;
}

void print_error(std::string_view text) {
    if (const int wrong = write_all(STDERR_FILENO, text); wrong != 0 && stderr_error == 0)
        stderr_error = wrong;
}

int finished(int code) {
    if (output_error == 0) {
        const bool fine = code == exit_fine || code == exit_found;
        return fine && stderr_error != 0 ? static_cast<int>(exit_failed) : code;
    }
    if (output_error != EPIPE)
        print_error(fmt::format("waggle: cannot write the output: {}.\n", std::strerror(output_error)));
    return exit_failed;
}

void hold_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0) {
            const int held = ::open("/dev/null", O_RDONLY);  // writing to it fails, as it should
            if (held >= 0 && held != fd) ::close(held);
        }
}

int fail(const Error& error) {
    print_error(fmt::format("waggle: {}.\n", error.message));
    switch (error.kind) {
        case ErrorKind::failed:
        case ErrorKind::no_such_map:
        case ErrorKind::unsupported:
        case ErrorKind::wrong_key_size:
        case ErrorKind::wrong_value_size:
        case ErrorKind::wrong_key_type:
        case ErrorKind::wrong_value_type:
        case ErrorKind::full:
        case ErrorKind::missing_key:
        case ErrorKind::exists:
            return exit_failed;
        case ErrorKind::usage:
            return exit_usage;
        case ErrorKind::privilege:
            return exit_privilege;
    }
    return exit_failed;
}

Result<void> check_topic(std::string_view topic) {
    if (topic.empty()) return {};
    std::vector<std::string> problems;
    const std::vector<explain::OwnedRuleFile> users =
        agent::read_user_rules(std::string(agent::user_rule_folder), problems);
    const std::vector<std::string> topics = agent::topics_of(agent::rule_files(users));
    if (std::ranges::find(topics, topic) != topics.end()) return {};
    const std::vector<std::string_view> known(topics.begin(), topics.end());
    return Error{fmt::format("no rule is about \"{}\"{}; there are {}", escape_control(topic),
                             did_you_mean(topic, known, 1), fmt::join(topics, ", ")),
                 ErrorKind::usage};
}

Result<std::uint64_t> cgroup_id_of(const Options& options) {
    if (options.cgroup.empty() && options.container.empty()) return 0;
    const Result<std::uint64_t> id = options.container.empty()
                                         ? context::cgroup_id_of_path(options.cgroup)
                                         : context::cgroup_id_of_container(options.container);
    if (!id) return Error{id.error().message, ErrorKind::usage};
    return *id;
}

Result<void> check_privilege() {
    const kernel::Obstacle obstacle = agent::obstacle_to_watching();
    if (obstacle.what.empty()) return {};
    return Error{fmt::format("cannot watch the kernel: {}. {}", obstacle.what, obstacle.cure),
                 ErrorKind::privilege};
}

namespace {

// An option of a source that does not run would say nothing.
Result<void> check_asked(const Source& source, const OptionValues& values) {
    if (agent::runs_unasked(source, values)) return {};
    for (const SourceOption& option : source.options)
        if (values.given(option))
            return Error{fmt::format("--{} goes with --{} {}, which is missing", option.name,
                                     source.asked_by->name, source.asked_by->argument),
                         ErrorKind::usage};
    return {};
}

}  // namespace

Result<agent::SessionOptions> session_options(const Options& options, std::vector<std::string> sensors,
                                              Mode mode) {
    for (const Source* source : agent::sources())
        if (auto right = check_asked(*source, options.values); !right) return right.error();
    agent::SessionOptions out;
    out.sensors = std::move(sensors);
    out.start.mode = mode;
    out.start.values = options.values;
    out.start.tables = options.tables;
    out.start.stop = &interrupted;
    if (mode == Mode::events) out.start.ring_bytes = 8u << 20;
    out.memory_bytes = std::size_t{options.memory_mib} << 20;
    out.user_folder = agent::user_rule_folder;
    out.language = options.language;
    const Result<std::uint64_t> cgroup_id = cgroup_id_of(options);
    if (!cgroup_id) return cgroup_id.error();
    if (options.pid) out.start.filters.push_back({"pid", options.pid});
    if (!options.comm.empty()) out.start.filters.push_back({"comm", options.comm});
    if (*cgroup_id) out.start.filters.push_back({"cgroup_id", *cgroup_id});
    return out;
}

std::string loss_words(std::span<const explain::SensorCoverage> coverage) {
    std::uint64_t lost = 0;
    std::string causes;
    for (const explain::SensorCoverage& part : coverage) {
        lost += part.lost_count();
        for (const Loss& loss : part.lost) {
            if (loss.count == 0) continue;
            causes += fmt::format("{}{}: {} {}", causes.empty() ? " (" : ", ", part.sensor,
                                  format_count(static_cast<std::int64_t>(loss.count)), loss.cause);
        }
    }
    if (!causes.empty()) causes += ")";
    return fmt::format("{} lost{}", format_count(static_cast<std::int64_t>(lost)), causes);
}

void tell_losses(std::span<const explain::SensorCoverage> coverage) {
    if (std::ranges::any_of(coverage, [](const auto& part) { return part.lost_count() > 0; }))
        print_error(fmt::format("waggle: {}.\n", loss_words(coverage)));
}

void print_losses(std::span<const explain::SensorCoverage> coverage, const Options& options) {
    if (options.json) print(sinks::losses_json_lines(coverage));
    tell_losses(coverage);
}

bool failed_on_request(const agent::Session::Started& started) {
    return started.source->asked_by && started.running->hooks().front().hook.empty();
}

std::vector<const Source*> asked_sources(const Options& options) {
    std::vector<const Source*> out;
    for (const Source* source : agent::sources())
        if (source->asked_by && options.values.given(*source->asked_by)) out.push_back(source);
    return out;
}

Result<std::unique_ptr<agent::Session>> start_session(const agent::SessionOptions& options) {
    if (auto may = check_privilege(); !may) return may.error();
    static const SystemClock clock;
    return agent::Session::start(options, clock);
}

std::uint64_t end_of(const agent::Session& session, const Options& options) {
    return options.for_ns ? session.started_ns() + options.for_ns : UINT64_MAX;
}

void print_rows(agent::Session& session, const Options& options,
                const std::function<bool(const Row&, std::string&)>& say,
                const std::function<void()>& second) {
    std::uint64_t printed = 0;
    std::atomic<bool> ended{output_error != 0};
    std::string text;
    agent::Callbacks callbacks;
    callbacks.rows = [&](std::span<const Row> rows) {
        text.clear();
        for (const Row& row : rows) {
            if (ended) break;
            if (say(row, text)) ended = options.rows != 0 && ++printed == options.rows;
        }
        if (!text.empty() && !print(text)) ended = true;
    };
    callbacks.second = second;
    callbacks.done = [&] { return ended.load(); };
    session.run(end_of(session, options), interrupted, callbacks);
}

}  // namespace waggle::cli
