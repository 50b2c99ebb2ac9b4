// SPDX-License-Identifier: Apache-2.0
#include "sensors/process/process.h"

#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "process.skel.h"
#include "sensing/probed_running.h"
#include "sensors/process/process.event.h"

namespace waggle::sensors {
namespace {

constexpr Field exec_fields[] = {
    WAGGLE_HEADER_FIELDS(process_exec_event),
    WAGGLE_FIELD(process_exec_event, exe, Unit::none,
                 "The program as it was named when started, at most 255 bytes; relative to the working "
                 "directory unless it begins with a slash."),
    WAGGLE_FIELD(process_exec_event, arguments, Unit::none,
                 "Its arguments, the name it was called by first, a space between two."),
    WAGGLE_FIELD(process_exec_event, parent_pid, Unit::identifier, "The process that started it."),
    WAGGLE_FIELD(process_exec_event, parent_start_ns, Unit::nanoseconds,
                 "When that process began, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(process_exec_event, uid, Unit::identifier,
                 "The user it runs as, by number (the real user, as the host numbers users)."),
    WAGGLE_FIELD(process_exec_event, arguments_bytes, Unit::bytes, "Length of all its arguments, cut or not.",
                 trait_hidden),
    WAGGLE_FLAG(process_exec_event, truncated,
                "Whether arguments was cut: at 4,096 bytes when single events were asked for, else at 512.",
                trait_hidden),
};
constexpr Field fork_fields[] = {
    WAGGLE_HEADER_FIELDS(process_fork_event),
    WAGGLE_FIELD(process_fork_event, parent_pid, Unit::identifier, "The process it was made by."),
    WAGGLE_FIELD(process_fork_event, parent_start_ns, Unit::nanoseconds,
                 "When that process began, by the clock CLOCK_BOOTTIME.", trait_hidden),
};
constexpr Field exit_fields[] = {
    WAGGLE_HEADER_FIELDS(process_exit_event),
    WAGGLE_FIELD(process_exit_event, exit_code, Unit::none,
                 "The code it ended with; 0 says success, and is also there when a signal ended it."),
    WAGGLE_FIELD(process_exit_event, signal, Unit::none, "The signal that ended it; 0 where it ended itself.",
                 trait_none, "signal"),
    WAGGLE_FLAG(process_exit_event, core_dumped, "Whether its memory was written to a core file.",
                trait_hidden),
    WAGGLE_FIELD(process_exit_event, ran_ns, Unit::nanoseconds,
                 "How long it lived, from its making to its end, suspend not counted."),
    WAGGLE_FIELD(process_exit_event, peak_rss_bytes, Unit::bytes,
                 "Most memory it held at once, as wait4 reports it: what it held before it started its "
                 "program counts too."),
    WAGGLE_FLAG(process_exit_event, executed,
                "Whether it started a program of its own; no says it stayed a copy of its parent."),
    WAGGLE_FIELD(process_exit_event, parent_pid, Unit::identifier,
                 "Its parent when it ended; another than the one that made it when that one ended before."),
    WAGGLE_FIELD(process_exit_event, parent_start_ns, Unit::nanoseconds,
                 "When that parent began, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(process_exit_event, parent_comm, Unit::none, "That parent's name, at most 15 characters.",
                 trait_hidden),
    WAGGLE_FLAG(process_exit_event, oom_killed,
                "Whether the kernel killed it because memory ran out, by the kernel's own record.",
                trait_hidden),
    WAGGLE_FIELD(process_exit_event, signal_from, Unit::none,
                 "Where the signal came from: fault (the process itself did what the processor or the kernel "
                 "refuses), kernel, itself, process (another one), unknown.",
                 trait_hidden, "signal_from"),
    WAGGLE_FIELD(process_exit_event, sender_pid, Unit::identifier,
                 "The other process that sent the signal; 0 where none did or it was not seen.",
                 trait_hidden),
    WAGGLE_FIELD(process_exit_event, sender_start_ns, Unit::nanoseconds,
                 "When the sender began, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(process_exit_event, sender_comm, Unit::none, "The sender's name, at most 15 characters.",
                 trait_hidden),
    WAGGLE_FIELD(process_exit_event, sender_parent_pid, Unit::identifier,
                 "Who had started the sender: kill itself lives for a moment only.", trait_hidden),
    WAGGLE_FIELD(process_exit_event, sender_parent_comm, Unit::none, "The name of that process.",
                 trait_hidden),
    WAGGLE_FIELD(process_exit_event, failed_pid, Unit::identifier,
                 "The process below it that failed, and whose failure it passed on as shells, timeout and "
                 "entry points do; 0 where the failure is its own.",
                 trait_hidden),
    WAGGLE_FIELD(process_exit_event, failed_start_ns, Unit::nanoseconds,
                 "When that process began, by the clock CLOCK_BOOTTIME.", trait_hidden),
};
constexpr Schema exec_schema = {"process_exec", "A program that was started: a successful execve.",
                                sizeof(process_exec_event), exec_fields, true};
constexpr Schema fork_schema = {"process_fork",
                                "A process that was made, as a copy of its parent; threads are none.",
                                sizeof(process_fork_event), fork_fields, true};
constexpr Schema exit_schema = {"process_exit", "A process that ended, with its last thread.",
                                sizeof(process_exit_event), exit_fields, true};
constexpr auto all_schemas = schemas_by_kind(
    {{PROCESS_EXEC, &exec_schema}, {PROCESS_FORK, &fork_schema}, {PROCESS_EXIT, &exit_schema}});

// "SIGSEGV", "SIGRTMIN+3"; empty for 0 and for what is no signal.
std::string signal_name(std::uint64_t number) {
    if (number == 0 || number >= NSIG) return {};
    const int signal = static_cast<int>(number);
    if (signal >= SIGRTMIN && signal <= SIGRTMAX)
        return signal == SIGRTMIN ? "SIGRTMIN" : fmt::format("SIGRTMIN+{}", signal - SIGRTMIN);
    const char* name = ::sigabbrev_np(signal);
    return name ? fmt::format("SIG{}", name) : std::string();
}

std::string signal_from_name(std::uint64_t number) {
    switch (static_cast<process_signal_from>(number)) {
        case SIGNAL_FROM_UNKNOWN:
            return "unknown";
        case SIGNAL_FROM_FAULT:
            return "fault";
        case SIGNAL_FROM_KERNEL:
            return "kernel";
        case SIGNAL_FROM_ITSELF:
            return "itself";
        case SIGNAL_FROM_PROCESS:
            return "process";
    }
    return {};
}

constexpr std::string_view top_query =
    R"(WITH ended AS MATERIALIZED (
    SELECT x.comm AS comm, count(*) AS ended, sum(x.exit_code != 0 OR x.signal != 0) AS failed,
           CAST(avg(x.ran_ns) AS INTEGER) AS ran_ns, max(x.peak_rss_bytes) AS peak_rss_bytes
    FROM process_exit x, window w WHERE x.executed AND x.time_ns >= w.from_ns GROUP BY x.comm),
started AS MATERIALIZED (
    SELECT e.comm AS comm, count(*) AS started FROM process_exec e, window w
    WHERE e.time_ns >= w.from_ns GROUP BY e.comm)
SELECT comm, started, ended, failed, ran_ns, peak_rss_bytes FROM started LEFT JOIN ended USING (comm)
ORDER BY started DESC, comm)";
constexpr std::string_view figures_query =
    R"(SELECT (SELECT count(*) FROM process_exec WHERE time_ns >= w.from_ns) / w.seconds AS started_per_second,
       (SELECT count(*) FROM process_exit WHERE time_ns >= w.from_ns) / w.seconds AS ended_per_second,
       (SELECT count(*) FROM process_exit WHERE time_ns >= w.from_ns AND (exit_code != 0 OR signal != 0))
           / w.seconds AS failed_per_second
FROM window w)";

Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
    static constexpr std::string_view exec[] = {"on_exec"};
    static constexpr std::string_view fork[] = {"on_fork"};
    static constexpr std::string_view exit[] = {"on_exit"};
    static constexpr std::string_view signal[] = {"on_signal"};
    static constexpr Moment moments[] = {
        {"exec", exec,
         "Programs that start are not seen, nor what processes shorter than a look at /proc run.", true},
        {"fork", fork, "Processes that never start a program of their own are seen only when they end.",
         false},
        {"exit", exit, "How processes end is not seen.", true},
        {"signal", signal, "Who sent the signal that ended a process is not seen.", false}};
    auto probes = open_probes(process_source, process_bpf__elf_bytes, options);
    if (!probes) return probes.error();
    const std::uint32_t arguments =
        options.mode == Mode::events ? PROCESS_ARGUMENTS_MAX : PROCESS_ARGUMENTS_FEW;
    const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
    for (const auto& set : {probes->object().set_constant("max_arguments", arguments),
                            probes->object().set_constant("page_bytes", page)})
        if (!set) return set.error();
    if (auto loaded = probes->load(moments); !loaded) return loaded.error();
    names.resolve_with("signal", signal_name);
    names.resolve_with("signal_from", signal_from_name);
    return std::unique_ptr<Running>(std::make_unique<ProbedRunning>(process_source, std::move(*probes)));
}

}  // namespace

constinit const Source process_source = {
    .name = "process",
    .question = "Which processes start and end, and how?",
    .schemas = all_schemas,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = start,
};

}  // namespace waggle::sensors
