// SPDX-License-Identifier: Apache-2.0
#include "facts/makers.h"
#include "facts/procfs.h"
#include "facts/put.h"
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
    waggle_text cgroup;
};

constexpr Field fields[] = {
    WAGGLE_FIELD(process_fact, pid, Unit::identifier, "The process, as the host numbers it.", trait_key),
    WAGGLE_FIELD(process_fact, start_ns, Unit::nanoseconds,
                 "When it began, by the clock CLOCK_BOOTTIME, to 1/100 s.", trait_key | trait_hidden),
    WAGGLE_FIELD(process_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(process_fact, exe, Unit::none,
                 "Path of the executable; empty for kernel threads and where it cannot be read."),
    WAGGLE_FIELD(process_fact, parent_pid, Unit::identifier, "The process that started it."),
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
};
constexpr Schema process_schema = {"processes", "A process that runs now.", sizeof(process_fact), fields,
                                   false};

// The v2 line "0::/path", else the deepest v1 one ("4:memory:/docker/…").
std::string_view cgroup_path(std::string_view file) {
    std::string_view best;
    while (!file.empty()) {
        std::string_view line = file.substr(0, file.find('\n'));
        file.remove_prefix(std::min(file.size(), line.size() + 1));
        const std::size_t controllers = line.find(':');
        const std::size_t path = line.find(':', controllers + 1);
        if (controllers == std::string_view::npos || path == std::string_view::npos) continue;
        if (line.substr(path + 1).size() > best.size()) best = line.substr(path + 1);
    }
    return best;
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
            record.fixed.kernel_thread = stat.kernel_thread ? 1 : 0;
            record.fixed.state[0] = stat.state;
            put(record.fixed.comm, stat.comm);
            if (!stat.kernel_thread) {
                record.text(&process_fact::exe, proc_.link(pid, "exe"));
                record.text(&process_fact::cgroup, cgroup_path(proc_.file(pid, "cgroup")));
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
