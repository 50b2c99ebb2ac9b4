// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "context/cgroup_lookup.h"
#include "kernel/hook_kinds.h"

namespace waggle::cli {

std::atomic<bool> interrupted{false};

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

sinks::TerminalStyle style_of_stdout(bool show_query) {
    sinks::TerminalStyle style;
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

bool print(std::string_view text) {
    while (!text.empty()) {
        const ssize_t wrote = ::write(STDOUT_FILENO, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
}

int fail(const Error& error) {
    std::fflush(stdout);
    fmt::print(stderr, "waggle: {}.\n", error.message);
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

Result<std::uint64_t> parse_duration(std::string_view text) {
    double value = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    double factor = -1;
    if (unit.empty() || unit == "s") factor = 1e9;
    if (unit == "ms") factor = 1e6;
    if (unit == "m" || unit == "min") factor = 60e9;
    if (unit == "h") factor = 3600e9;
    if (wrong != std::errc{} || factor < 0 || !(value > 0) || value * factor > 1e18)
        return Error{
            fmt::format("\"{}\" is not a duration; write 10s, 500ms, 2m or 1h", escape_control(text)),
            ErrorKind::usage};
    return static_cast<std::uint64_t>(value * factor);
}

Result<void> check_topic(const explain::RuleBook& rules, std::string_view topic) {
    if (topic.empty()) return {};
    std::vector<std::string_view> known;
    for (const explain::RuleBook::Entry& entry : rules.entries())
        if (std::find(known.begin(), known.end(), entry.topic) == known.end()) known.push_back(entry.topic);
    if (std::find(known.begin(), known.end(), topic) != known.end()) return {};
    std::string words;
    for (const std::string_view word : known) words += (words.empty() ? "" : ", ") + std::string(word);
    const std::vector<std::string> near = nearest_words(topic, known, 1);
    return Error{fmt::format("no rule is about \"{}\"{}; there are {}", escape_control(topic),
                             near.empty() ? "" : fmt::format("; did you mean {}", near.front()), words),
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

Result<void> check_privilege(std::string_view what) {
    if (const std::string missing = kernel::missing_to_watch(); !missing.empty())
        return Error{fmt::format("{}: {} needs them. Run it as root, or with sudo", missing, what),
                     ErrorKind::privilege};
    return {};
}

Result<agent::SessionOptions> session_options(const Options& options, std::vector<std::string> sensors,
                                              Mode mode) {
    agent::SessionOptions out;
    out.sensors = std::move(sensors);
    out.start.mode = mode;
    out.start.only_pid = options.pid;
    out.start.only_comm = options.comm;
    out.start.script = options.script;
    out.start.stop = &interrupted;
    if (mode == Mode::events) out.start.ring_bytes = 8u << 20;
    out.memory_bytes = std::size_t{options.memory_mib} << 20;
    out.user_rules = {"/etc/waggle/rules.d"};
    const Result<std::uint64_t> cgroup_id = cgroup_id_of(options);
    if (!cgroup_id) return cgroup_id.error();
    out.start.only_cgroup_id = *cgroup_id;
    return out;
}

bool script_failed(const std::unique_ptr<Sensor>& sensor) {
    return sensor->on_request() && sensor->hooks().front().hook.empty();
}

Result<std::unique_ptr<agent::Session>> start_session(const agent::SessionOptions& options) {
    if (auto may = check_privilege("watching the kernel"); !may) return may.error();
    static const SystemClock clock;
    return agent::Session::start(options, clock);
}

}  // namespace waggle::cli
