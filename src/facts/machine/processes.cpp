// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/put.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct process_fact {
    __u32 pid;
    __u32 parent_pid;
    __u64 start_ns;
    __u64 cpu_ns;
    __u64 rss_bytes;
    __u32 threads;
    __u8 kernel_thread;
    char state[3];
    char comm[WAGGLE_COMM_LEN];
    waggle_text exe;
    waggle_text arguments;
    waggle_text directory;
    waggle_text cgroup;
    waggle_text unit;
    waggle_text container;
    __u32 session_id;
    __u8 terminal;
    __u8 reserved[3];
};

constexpr Field processes_fields[] = {
    WAGGLE_FIELD(process_fact, pid, Unit::identifier, "The process, as the host numbers it.", trait_key),
    WAGGLE_FIELD(process_fact, start_ns, Unit::nanoseconds,
                 "When it began, by the clock CLOCK_BOOTTIME, to 1/100 s.", trait_key | trait_hidden),
    WAGGLE_FIELD(process_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(process_fact, exe, Unit::none,
                 "Path of the executable; empty for kernel threads and where it cannot be read."),
    WAGGLE_FIELD(process_fact, arguments, Unit::none,
                 "Its arguments, the name it was called by first, a space between two; at most 512 bytes.",
                 trait_hidden),
    WAGGLE_FIELD(process_fact, directory, Unit::none,
                 "The directory it works in; empty where it cannot be read.", trait_hidden),
    WAGGLE_FIELD(process_fact, parent_pid, Unit::identifier, "The process that started it."),
    WAGGLE_FIELD(
        process_fact, session_id, Unit::identifier,
        "Its session, by the pid of whoever began it; a shell that a person types into began its own.",
        trait_hidden),
    WAGGLE_FLAG(process_fact, terminal, "It has a terminal.", trait_hidden),
    WAGGLE_FIELD(process_fact, state, Unit::none,
                 "R runs, S sleeps, D waits for a device (cannot be killed), T stopped, Z ended but not "
                 "collected by its parent, I idle kernel thread."),
    WAGGLE_FIELD(process_fact, threads, Unit::count, "How many threads it has."),
    WAGGLE_FIELD(process_fact, rss_bytes, Unit::bytes, "Memory it has in RAM."),
    WAGGLE_FIELD(process_fact, cpu_ns, Unit::nanoseconds,
                 "Processor time it has used since it began, to 1/100 s.", trait_cumulative),
    WAGGLE_FLAG(process_fact, kernel_thread, "A thread of the kernel itself.", trait_hidden),
    WAGGLE_FIELD(process_fact, cgroup, Unit::none,
                 "Path of its control group (the kernel's unit of resource accounting)."),
    WAGGLE_FIELD(process_fact, unit, Unit::none, "The systemd unit it belongs to; empty where to none."),
    WAGGLE_FIELD(process_fact, container, Unit::none,
                 "The container it runs in, the first 12 characters of its id; empty where in none."),
};
constexpr Schema process_schema = {"processes", "A process that runs now.", sizeof(process_fact),
                                   processes_fields, false};

constexpr std::size_t most_arguments = 512;

// "sh\0-c\0x\0" as "sh -c x".
std::string spaced(std::string_view file) {
    while (file.ends_with('\0')) file.remove_suffix(1);
    std::string text(file.substr(0, most_arguments));
    std::ranges::replace(text, '\0', ' ');
    return text;
}

class Processes final : public Fact {
  public:
    explicit Processes(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return process_schema; }

    Result<void> read(const RowSink& sink) override {
        const auto pids = proc_.pids();
        if (pids.empty()) return Error{"cannot list the processes in " + proc_.root()};
        RecordWriter<process_fact> record;
        for (const std::uint32_t pid : pids) {
            ProcessStat stat;
            if (!parse_stat(proc_.file(pid, "stat"), stat)) continue;  // ended since it was listed
            record.clear();
            record.fixed.pid = pid;
            record.fixed.parent_pid = stat.parent_pid;
            record.fixed.start_ns = stat.start_ns;
            record.fixed.cpu_ns = stat.cpu_ns;
            record.fixed.rss_bytes = stat.rss_bytes;
            record.fixed.threads = stat.threads;
            record.fixed.session_id = stat.session_id;
            record.fixed.terminal = stat.terminal != 0 ? 1 : 0;
            record.fixed.kernel_thread = stat.kernel_thread ? 1 : 0;
            record.fixed.state[0] = stat.state;
            put(record.fixed.comm, stat.comm);
            if (!stat.kernel_thread) {
                record.text(&process_fact::exe, proc_.link(pid, "exe"));
                const std::string cgroups(proc_.file(pid, "cgroup"));
                const context::CgroupIdentity group = context::identify_proc_cgroup(cgroups);
                record.text(&process_fact::cgroup, cgroup_path(cgroups));
                record.text(&process_fact::unit, group.unit);
                record.text(&process_fact::container, group.container);
                record.text(&process_fact::arguments, spaced(proc_.file(pid, "cmdline")));
                record.text(&process_fact::directory, proc_.link(pid, "cwd"));
            }
            sink(Row(process_schema, record.finish()));
        }
        return {};
    }

  private:
    Procfs proc_;
};

}  // namespace

std::unique_ptr<Fact> make_processes(const Roots& roots) { return std::make_unique<Processes>(roots); }

}  // namespace waggle::facts
