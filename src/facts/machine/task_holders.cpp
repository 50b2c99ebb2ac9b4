// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "base/put.h"
#include "facts/machine/task_limits.h"
#include "facts/makers.h"
#include "host/cgroup_tree.h"
#include "host/path.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct task_holder_fact {
    waggle_text path;
    char comm[WAGGLE_COMM_LEN];
    __s64 processes;
    __s64 tasks;
    __s64 pid;
    __u8 version;
    __u8 reserved[7];
};

constexpr Field task_holders_fields[] = {
    WAGGLE_FIELD(task_holder_fact, path, Unit::none, "The control group whose limit refused tasks.",
                 trait_key),
    WAGGLE_FIELD(task_holder_fact, comm, Unit::none, "The program's name, at most 15 characters.", trait_key),
    WAGGLE_FIELD(task_holder_fact, tasks, Unit::count,
                 "Its processes and their threads, in the group and below it."),
    WAGGLE_FIELD(task_holder_fact, processes, Unit::count, "How many processes."),
    WAGGLE_FIELD(task_holder_fact, pid, Unit::identifier, "The process, where it is one; else null.",
                 trait_nullable),
    WAGGLE_FIELD(task_holder_fact, version, Unit::none, "Of control groups: 1 or 2.",
                 trait_key | trait_hidden),
};
constexpr Schema task_holder_schema = {
    "task_holders",
    "Who has the tasks (processes and threads) of a control group whose limit has refused some.",
    sizeof(task_holder_fact), task_holders_fields, false};

constexpr std::size_t most_processes = 32768;  // in all groups; what is beyond is left out, and said so

class TaskHolders final : public Fact {
  public:
    explicit TaskHolders(const Roots& roots) : roots_(roots), proc_(roots.proc) {}
    const Schema& schema() const override { return task_holder_schema; }

    Result<void> read(const RowSink& sink) override {
        std::map<std::uint8_t, std::map<std::string, Programs>> refusers;  // by version and path
        for (const TaskGroup& group : task_groups(roots_))
            if (!group.limited_by.empty()) refusers[group.version][group.limited_by];
        std::size_t looked = 0;
        for (auto& [version, groups] : refusers) {
            const auto visit = [&](int fd, const std::string& path) {
                for (auto& [refuser, programs] : groups)
                    if (path == refuser || lies_below(path, refuser)) count(fd, programs, looked);
            };
            version == 2 ? each_cgroup(roots_, visit) : each_cgroup_1(roots_, "pids", visit);
            for (const auto& [path, programs] : groups) emit(version, path, programs, sink);
        }
        if (looked > most_processes)
            return Error{"task_holders: only the first " + std::to_string(most_processes) +
                         " processes of full control groups were looked at"};
        return {};
    }

  private:
    struct Program {
        std::int64_t processes = 0, tasks = 0, pid = 0;
    };
    using Programs = std::map<std::string, Program>;

    void count(int fd, Programs& programs, std::size_t& looked) {
        for (const std::uint32_t pid : cgroup_processes(fd)) {
            if (++looked > most_processes) return;
            ProcessStat stat;
            if (!parse_stat(proc_.file(pid, "stat"), stat)) continue;
            Program& program = programs[std::string(stat.comm)];
            ++program.processes;
            program.tasks += stat.threads;
            program.pid = pid;
        }
    }
    static void emit(std::uint8_t version, const std::string& path, const Programs& programs,
                     const RowSink& sink) {
        RecordWriter<task_holder_fact> record;
        for (const auto& [comm, program] : programs) {
            record.clear();
            put(record.fixed.comm, comm);
            record.fixed.processes = program.processes;
            record.fixed.tasks = program.tasks;
            record.fixed.pid = program.processes == 1 ? program.pid : null_i64;
            record.fixed.version = version;
            record.text(&task_holder_fact::path, path);
            sink(Row(task_holder_schema, record.finish()));
        }
    }

    Roots roots_;
    Procfs proc_;
};

}  // namespace

std::unique_ptr<Fact> make_task_holders(const Roots& roots) { return std::make_unique<TaskHolders>(roots); }

}  // namespace waggle::facts
