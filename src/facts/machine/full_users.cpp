// SPDX-License-Identifier: Apache-2.0
// Users who have as many tasks as one of their programs may see. The kernel counts the tasks of a real user id in a user
// namespace, and refuses a process of that user the next one where the count has reached the process's own RLIMIT_NPROC
// (kernel/fork.c, copy_process); not where it is root or has CAP_SYS_RESOURCE or CAP_SYS_ADMIN.
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/put.h"
#include "base/text.h"
#include "facts/looks_in_a_row.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct full_users_fact {
    __u32 uid;
    __u32 looks;
    __u64 full_ns;
    __s64 user_tasks;
    __s64 tasks_limit;
    __s64 tasks_hard_limit;
    __s64 processes;
    __s64 tasks;
    __s64 pid;
    char comm[WAGGLE_COMM_LEN];
    waggle_text user;
    waggle_text unit;
};

constexpr Field full_users_fields[] = {
    WAGGLE_FIELD(full_users_fact, uid, Unit::identifier, "The user's number.", trait_key),
    WAGGLE_FIELD(full_users_fact, user, Unit::none,
                 "The user's name by /etc/passwd; empty where it has none."),
    WAGGLE_FIELD(full_users_fact, comm, Unit::none,
                 "The program that can start nothing more, by its name, at most 15 characters.", trait_key),
    WAGGLE_FIELD(full_users_fact, user_tasks, Unit::count,
                 "Tasks (processes and threads) of the user, of all programs."),
    WAGGLE_FIELD(full_users_fact, tasks_limit, Unit::count,
                 "How many the user may have for this program to start one more (RLIMIT_NPROC).", trait_key),
    WAGGLE_FIELD(full_users_fact, tasks_hard_limit, Unit::count,
                 "How far the program can raise that limit without a privilege; null where without limit.",
                 trait_nullable | trait_hidden),
    WAGGLE_FIELD(full_users_fact, tasks, Unit::count, "Of the user's tasks, those of this program."),
    WAGGLE_FIELD(full_users_fact, processes, Unit::count, "How many processes of that name have this limit."),
    WAGGLE_FIELD(full_users_fact, pid, Unit::identifier, "The process, where it is one; else null.",
                 trait_nullable),
    WAGGLE_FIELD(full_users_fact, looks, Unit::count,
                 "At how many looks in a row it was so, this one with them."),
    WAGGLE_FIELD(full_users_fact, full_ns, Unit::nanoseconds, "From the first of these looks to this one."),
    WAGGLE_FIELD(full_users_fact, unit, Unit::none,
                 "The systemd unit that all of them belong to; empty where to none, or to several."),
};
constexpr Schema full_users_schema = {"full_users",
                                      "A program whose user has as many tasks (processes and threads) as the "
                                      "program's limit allows: its next fork or "
                                      "thread fails with EAGAIN.",
                                      sizeof(full_users_fact), full_users_fields, false};

class FullUsers final : public Fact {
  public:
    explicit FullUsers(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return full_users_schema; }
    bool looks_back() const override { return true; }

    Result<void> read(const RowSink& sink) override {
        const std::uint64_t now_ns = clock_.monotonic_ns();
        full_.begin(now_ns);
        for (const auto& [uid, user] : users()) {
            for (const auto& [key, program] : full_programs(uid, user))
                emit(key, program, user.tasks, full_.saw(key), now_ns, sink);
        }
        return {};
    }

  private:
    struct Process {
        std::uint32_t pid;
        std::int64_t tasks;
        bool exempt;
    };
    struct User {
        std::int64_t tasks = 0;
        std::vector<Process> processes;
    };
    struct Key {
        std::uint32_t uid;
        std::string comm;
        std::int64_t limit;
        auto operator<=>(const Key&) const = default;
    };
    struct Program {
        std::int64_t processes = 0, tasks = 0;
        std::uint32_t pid = 0;
        std::optional<std::int64_t> hard;
        std::set<std::string> units;
    };

    // Those of this user namespace. The kernel counts tasks of a namespace below it for the user who made that too; these are
    // left out, so a user can be at the limit without a row.
    std::map<std::uint32_t, User> users() {
        const std::string own(proc_.link("self/ns/user"));
        std::map<std::uint32_t, User> users;
        for (const std::uint32_t pid : proc_.pids()) {
            const std::string_view status = proc_.file(pid, "status");
            const auto uid = number_behind<std::uint32_t>(status, "\nUid:");
            if (uid == 0) continue;  // or it has ended
            const auto tasks = number_behind(status, "\nThreads:");
            constexpr std::uint64_t privileges = 1ull << CAP_SYS_RESOURCE | 1ull << CAP_SYS_ADMIN;
            const bool exempt = (number_behind<std::uint64_t>(status, "\nCapEff:", 16) & privileges) != 0;
            if (proc_.link(pid, "ns/user") != own) continue;
            users[uid].tasks += tasks;
            users[uid].processes.push_back({pid, tasks, exempt});
        }
        return users;
    }

    std::map<Key, Program> full_programs(std::uint32_t uid, const User& user) {
        std::map<Key, Program> programs;
        for (const Process& process : user.processes) {
            if (process.exempt) continue;
            const ResourceLimit limit = proc_.limit(process.pid, RLIMIT_NPROC, "Max processes");
            if (!limit.soft || user.tasks < *limit.soft) continue;
            std::string comm(trim(proc_.file(process.pid, "comm")));
            if (comm.empty()) continue;  // ended since it was listed
            Program& program = programs[{uid, std::move(comm), *limit.soft}];
            ++program.processes;
            program.tasks += process.tasks;
            program.pid = process.pid;
            program.hard = limit.hard;
            program.units.insert(context::identify_proc_cgroup(proc_.file(process.pid, "cgroup")).unit);
        }
        return programs;
    }

    std::string name_of(std::uint32_t uid) {
        const std::string key = fmt::format(":{}:", uid);
        for (std::string_view text = proc_.file("/etc/passwd"); !text.empty();) {
            const std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
            const std::size_t name_ends = line.find(':');
            // name:password:uid:
            if (name_ends == std::string_view::npos) continue;
            const std::size_t password_ends = line.find(':', name_ends + 1);
            if (password_ends != std::string_view::npos && line.substr(password_ends).starts_with(key))
                return std::string(line.substr(0, name_ends));
        }
        return {};
    }

    void emit(const Key& key, const Program& program, std::int64_t user_tasks, const Since& since,
              std::uint64_t now_ns, const RowSink& sink) {
        record_.clear();
        full_users_fact& fact = record_.fixed;
        fact.uid = key.uid;
        put(fact.comm, key.comm);
        fact.user_tasks = user_tasks;
        fact.tasks_limit = key.limit;
        fact.tasks_hard_limit = program.hard.value_or(null_i64);
        fact.tasks = program.tasks;
        fact.processes = program.processes;
        fact.pid = program.processes == 1 ? program.pid : null_i64;
        fact.looks = since.looks;
        fact.full_ns = now_ns - since.first_ns;
        record_.text(&full_users_fact::user, name_of(key.uid));
        record_.text(&full_users_fact::unit, program.units.size() == 1 ? *program.units.begin() : "");
        sink(Row(full_users_schema, record_.finish()));
    }

    Procfs proc_;
    SystemClock clock_;
    RecordWriter<full_users_fact> record_;
    LooksInARow<Key> full_;
};

}  // namespace

std::unique_ptr<Fact> make_full_users(const Roots& roots) { return std::make_unique<FullUsers>(roots); }

}  // namespace waggle::facts
