// SPDX-License-Identifier: Apache-2.0
#include "sensors/process/process.h"

#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/errno_name.h"
#include "process.skel.h"
#include "sensing/probed_running.h"
#include "sensors/process/library_call.h"
#include "sensors/process/process.event.h"
#include "sensors/process/start_obstacle.h"

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
constexpr Field thread_fields[] = {
    WAGGLE_HEADER_FIELDS(process_thread_event),
    WAGGLE_FIELD(
        process_thread_event, made_tid, Unit::identifier,
        "The thread that was made, as the host numbers it; tid and comm are those of the one that made it."),
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
constexpr Field failure_fields[] = {
    WAGGLE_HEADER_FIELDS(process_exec_failure_event),
    WAGGLE_FIELD(process_exec_failure_event, path, Unit::none,
                 "The program: its whole path, as that process sees it, where it can be told; else as it was "
                 "named, at most 255 "
                 "bytes. Of an open file, its first argument."),
    WAGGLE_FIELD(process_exec_failure_event, error, Unit::none, "The error that the program that asked got.",
                 trait_none, "errno"),
    WAGGLE_FIELD(
        process_exec_failure_event, reason, Unit::none,
        "What was found to stand in the way just after; empty where nothing explains the error. no_file, "
        "no_directory, "
        "dangling_link, dangling_part, not_a_directory: what is missing; no_interpreter, line_end, "
        "no_loader: what is to "
        "run the file "
        "is missing; closed_directory, is_directory, no_plain_file, noexec, not_executable, not_for_user: "
        "may not be "
        "run; empty, no_first_line, no_interpreter_named, cut_short, other_machine, foreign_format: no "
        "program that "
        "this machine runs; busy: open for writing; too_long: arguments and environment; links: too many."),
    WAGGLE_FIELD(
        process_exec_failure_event, obstacle, Unit::none,
        "The file, directory, link's target or mount that stands in the way; for dangling_part the link "
        "itself; empty where none does."),
    WAGGLE_FIELD(
        process_exec_failure_event, found, Unit::none,
        "What the file is, where it is no program of this machine; for dangling_part where the link leads; "
        "else empty.",
        trait_hidden),
    WAGGLE_FIELD(process_exec_failure_event, wanted, Unit::none,
                 "This machine's kind of processor, where the file is for another.", trait_hidden),
    WAGGLE_FIELD(process_exec_failure_event, parent_pid, Unit::identifier,
                 "The parent of the process that asked."),
    WAGGLE_FIELD(process_exec_failure_event, parent_start_ns, Unit::nanoseconds,
                 "When that one began, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(process_exec_failure_event, parent_comm, Unit::none,
                 "That parent's name, at most 15 characters."),
    WAGGLE_FLAG(process_exec_failure_event, executed,
                "Whether the process had started a program of its own; no says it was a copy of its parent, "
                "which wanted the "
                "program.",
                trait_hidden),
    WAGGLE_FIELD(process_exec_failure_event, user, Unit::identifier,
                 "The user whose rights counted, by number.", trait_hidden),
    WAGGLE_FLAG(process_exec_failure_event, same_root,
                "Whether paths mean for it what they mean for waggle; no in most containers, and where that "
                "cannot be told.",
                trait_hidden),
    WAGGLE_FIELD(
        process_exec_failure_event, root_kind, Unit::none,
        "Where its paths begin. ours: as for waggle; directory: at a directory that waggle can name "
        "(chroot); mounts: in another mount namespace, as that of a container; other: elsewhere, and "
        "no more is known; empty where nothing is."),
    WAGGLE_FIELD(
        process_exec_failure_event, root_path, Unit::none,
        "Its root directory, where that is another than waggle's and has a name: for mounts, the name "
        "that it has there; else empty."),
};
constexpr Field signal_fields[] = {
    WAGGLE_HEADER_FIELDS(process_signal_event),
    WAGGLE_FIELD(process_signal_event, signal, Unit::none, "The signal.", trait_none, "signal"),
    WAGGLE_FIELD(process_signal_event, target_pid, Unit::identifier, "The process it was sent to."),
    WAGGLE_FIELD(process_signal_event, target_comm, Unit::none, "That one's name, at most 15 characters."),
    WAGGLE_FIELD(
        process_signal_event, outcome, Unit::none,
        "What became of it: delivered; ignored (by whom it was sent to); pending (one like it waits there "
        "already); refused (no room to queue it); too_late (whom it was sent to was ending already).",
        trait_none, "signal_outcome"),
    WAGGLE_FIELD(process_signal_event, parent_pid, Unit::identifier,
                 "The sender's parent: kill itself lives for a moment only."),
    WAGGLE_FIELD(process_signal_event, parent_comm, Unit::none,
                 "The name of that one, at most 15 characters."),
    WAGGLE_FIELD(process_signal_event, parent_start_ns, Unit::nanoseconds,
                 "When that one began, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(process_signal_event, target_start_ns, Unit::nanoseconds,
                 "When the process it was sent to began, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(process_signal_event, target_tid, Unit::identifier,
                 "The thread it was meant for; 0 where it was for the whole process.", trait_hidden),
    WAGGLE_FIELD(process_signal_event, target_parent_pid, Unit::identifier,
                 "The parent of the process it was sent to.", trait_hidden),
};
constexpr Schema exec_schema = {"process_exec", "A program that was started: a successful execve.",
                                sizeof(process_exec_event), exec_fields, true};
constexpr Schema fork_schema = {"process_fork",
                                "A process that was made, as a copy of its parent; threads are none.",
                                sizeof(process_fork_event), fork_fields, true};
constexpr Schema exit_schema = {"process_exit", "A process that ended, with its last thread.",
                                sizeof(process_exit_event), exit_fields, true};
constexpr Schema failure_schema = {
    "process_exec_failure",
    "A program that a process could not become: an execve that failed. Who searches a list of "
    "directories fails once for each in which it is not.",
    sizeof(process_exec_failure_event), failure_fields, true};
constexpr Schema signal_schema = {"process_signal",
                                  "A signal that one process sent to another: all where single rows are "
                                  "asked for, else HUP, INT, QUIT, ILL, TRAP, ABRT, BUS, FPE, "
                                  "KILL, SEGV, PIPE, TERM, XCPU, XFSZ, SYS, CONT, STOP and TSTP.",
                                  sizeof(process_signal_event), signal_fields, true};
constexpr Schema thread_schema = {
    .name = "process_thread",
    .meaning = "A further thread that a process made. What it will do is not seen.",
    .size = sizeof(process_thread_event),
    .fields = thread_fields,
    .has_subject = true,
    .memory_weight = 1,
    .only_named = true,
};
constexpr auto all_schemas = schemas_by_kind({{PROCESS_EXEC, &exec_schema},
                                              {PROCESS_FORK, &fork_schema},
                                              {PROCESS_EXIT, &exit_schema},
                                              {PROCESS_EXEC_FAILURE, &failure_schema},
                                              {PROCESS_SIGNAL, &signal_schema},
                                              {PROCESS_THREAD, &thread_schema}});

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

std::string signal_outcome_name(std::uint64_t number) {
    switch (static_cast<process_signal_outcome>(number)) {
        case SIGNAL_DELIVERED:
            return "delivered";
        case SIGNAL_IGNORED:
            return "ignored";
        case SIGNAL_PENDING:
            return "pending";
        case SIGNAL_REFUSED:
            return "refused";
        case SIGNAL_TOO_LATE:
            return "too_late";
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

// Completes the records of failed starts by what only user space can look up.
class ProcessRunning final : public ProbedRunning {
  public:
    using ProbedRunning::ProbedRunning;

    void drain(const RecordSink& sink) override {
        ProbedRunning::drain([&](std::span<const Bytes> records) {
            std::size_t sent = 0;
            for (std::size_t i = 0; i < records.size(); ++i) {
                if (load<waggle_event>(records[i]).kind != PROCESS_EXEC_FAILURE) continue;
                if (i > sent) sink(records.subspan(sent, i - sent));
                const Bytes whole = failures_.complete(records[i]);
                sink({&whole, 1});
                sent = i + 1;
            }
            if (sent < records.size()) sink(records.subspan(sent));
        });
    }

    // Where the kernel's own functions cannot be hooked, the C library's execve is; not its execveat too: each place costs every start
    // of a program a copied page.
    void watch_failures() {
        hooks_ = ProbedRunning::hooks();
        std::erase_if(hooks_, [](const HookUse& hook) { return hook.moment == "library"; });
        Object& object = probes().object();
        if (object.is_attached("on_execve_end")) return;
        const auto place = behind_call("execve", SYS_execve);
        if (!place || !object.attach("on_library_execve", *place)) return;
        const auto hook = std::ranges::find(hooks_, "failed exec", &HookUse::moment);
        hook->hook = to_string(*place);
        hook->lost =
            "Programs that fail to start are seen only where they are asked for by path through this C "
            "library.";
        hook->reason.clear();
        std::erase_if(hooks_, [](const HookUse& each) { return each.moment == "failed exec by descriptor"; });
    }
    std::vector<HookUse> hooks() const override { return hooks_; }

  private:
    FailureReader failures_;
    std::vector<HookUse> hooks_;
};

Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
    static constexpr std::string_view exec[] = {"on_exec"};
    static constexpr std::string_view fork[] = {"on_fork"};
    static constexpr std::string_view exit[] = {"on_exit"};
    static constexpr std::string_view signal[] = {"on_signal"};
    static constexpr std::string_view failure[] = {"on_execve_end"};
    static constexpr std::string_view failure_by_descriptor[] = {"on_execveat_end"};
    static constexpr std::string_view library[] = {"on_library_execve"};
    static constexpr Moment moments[] = {
        {"exec", exec,
         "Programs that start are not seen, nor what processes shorter than a look at /proc run.", true},
        {"fork", fork, "Processes that never start a program of their own are seen only when they end.",
         false},
        {"exit", exit, "How processes end is not seen.", true},
        {"signal", signal, "Who sends signals, and who sent the one that ended a process, is not seen.",
         false},
        {"failed exec", failure, "Programs that fail to start are not seen.", false},
        {"failed exec by descriptor", failure_by_descriptor,
         "Programs that fail to start and were given as an open file are not seen.", false},
        {"library", library, "", false, true}};
    auto probes = open_probes(process_source, process_bpf__elf_bytes, options);
    if (!probes) return probes.error();
    const std::uint32_t arguments =
        options.mode == Mode::events ? PROCESS_ARGUMENTS_MAX : PROCESS_ARGUMENTS_FEW;
    const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
    for (const auto& set : {probes->object().set_constant("max_arguments", arguments),
                            probes->object().set_constant("page_bytes", page)})
        if (!set) return set.error();
    if (options.mode == Mode::events)
        if (auto set = probes->object().set_constant("told_signals", ~std::uint64_t{0}); !set)
            return set.error();
    if (auto loaded = probes->load(moments); !loaded) return loaded.error();
    names.resolve_with("signal", signal_name);
    names.resolve_with("signal_from", signal_from_name);
    names.resolve_with("signal_outcome", signal_outcome_name);
    names.resolve_with("errno", errno_name);
    auto running = std::make_unique<ProcessRunning>(process_source, std::move(*probes));
    running->watch_failures();
    return std::unique_ptr<Running>(std::move(running));
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
