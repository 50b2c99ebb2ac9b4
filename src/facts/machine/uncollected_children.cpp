// SPDX-License-Identifier: Apache-2.0
// Processes whose children have ended and wait to be asked how (wait): until then each keeps its process number (state Z, zombie).
#include <map>

#include "base/clock.h"
#include "base/put.h"
#include "facts/looks_in_a_row.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct uncollected_children_fact {
    __u32 pid;
    __u32 parent_pid;
    __u64 start_ns;
    __s64 children;
    __s64 waiting;
    __u64 waiting_ns;
    char comm[WAGGLE_COMM_LEN];
    char child_comm[WAGGLE_COMM_LEN];
    char state[8];
    waggle_text exe;
    waggle_text cgroup;
    waggle_text unit;
    waggle_text container;
};

constexpr Field uncollected_children_fields[] = {
    WAGGLE_FIELD(uncollected_children_fact, pid, Unit::identifier, "The parent.", trait_key),
    WAGGLE_FIELD(uncollected_children_fact, start_ns, Unit::nanoseconds,
                 "When it began, by the clock CLOCK_BOOTTIME, to 1/100 s.", trait_key | trait_hidden),
    WAGGLE_FIELD(uncollected_children_fact, comm, Unit::none, "Its name, at most 15 characters."),
    WAGGLE_FIELD(uncollected_children_fact, exe, Unit::none, "Path of its executable.", trait_hidden),
    WAGGLE_FIELD(uncollected_children_fact, state, Unit::none,
                 "R runs, S sleeps, D waits for a device, T stopped, t held by a debugger."),
    WAGGLE_FIELD(uncollected_children_fact, children, Unit::count,
                 "Its children that have ended and that it has not collected."),
    WAGGLE_FIELD(uncollected_children_fact, waiting, Unit::count,
                 "Those of them that had ended at an earlier look already."),
    WAGGLE_FIELD(uncollected_children_fact, waiting_ns, Unit::nanoseconds,
                 "How long all of these have waited at least: from the look that saw the last of them first "
                 "to this one."),
    WAGGLE_FIELD(uncollected_children_fact, child_comm, Unit::none,
                 "The name that all these have; empty where they have several."),
    WAGGLE_FIELD(uncollected_children_fact, parent_pid, Unit::identifier, "The parent's own parent.",
                 trait_hidden),
    WAGGLE_FIELD(uncollected_children_fact, cgroup, Unit::none, "Path of its control group.", trait_hidden),
    WAGGLE_FIELD(uncollected_children_fact, unit, Unit::none,
                 "The systemd unit it belongs to; empty where to none."),
    WAGGLE_FIELD(uncollected_children_fact, container, Unit::none,
                 "The container it runs in, the first 12 characters of its id; empty where in none."),
};
constexpr Schema uncollected_children_schema = {
    "uncollected_children",
    "A process that has children which have ended and which it has not asked how (wait): zombies.",
    sizeof(uncollected_children_fact), uncollected_children_fields, false};

class UncollectedChildren final : public Fact {
  public:
    explicit UncollectedChildren(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return uncollected_children_schema; }
    bool looks_back() const override { return true; }

    Result<void> read(const RowSink& sink) override {
        const std::uint64_t now_ns = clock_.monotonic_ns();
        ended_.begin(now_ns);
        std::map<std::uint32_t, Children> parents;
        for (const std::uint32_t pid : proc_.pids()) {
            ProcessStat stat;
            // One whose first thread alone has ended goes on.
            if (!parse_stat(proc_.file(pid, "stat"), stat) || stat.state != 'Z' || stat.threads > 1) continue;
            const Since& since = ended_.saw({pid, stat.start_ns});
            Children& children = parents[stat.parent_pid];
            ++children.all;
            if (since.looks == 1) continue;
            if (children.waiting++ == 0) children.comm = stat.comm;
            if (children.comm != stat.comm) children.comm.clear();
            children.last_ns = std::max(children.last_ns, since.first_ns);
        }
        for (const auto& [pid, children] : parents) emit(pid, children, now_ns, sink);
        return {};
    }

  private:
    using Identity = std::pair<std::uint32_t, std::uint64_t>;
    struct Children {
        std::int64_t all = 0, waiting = 0;
        std::uint64_t last_ns = 0;
        std::string comm;
    };

    void emit(std::uint32_t pid, const Children& children, std::uint64_t now_ns, const RowSink& sink) {
        ProcessStat stat;
        if (!parse_stat(proc_.file(pid, "stat"), stat)) return;  // ended meanwhile
        record_.clear();
        uncollected_children_fact& fact = record_.fixed;
        fact.pid = pid;
        fact.parent_pid = stat.parent_pid;
        fact.start_ns = stat.start_ns;
        fact.children = children.all;
        fact.waiting = children.waiting;
        fact.waiting_ns = children.waiting ? now_ns - children.last_ns : 0;
        fact.state[0] = stat.state;
        put(fact.comm, stat.comm);
        put(fact.child_comm, children.comm);
        record_.text(&uncollected_children_fact::exe, proc_.link(pid, "exe"));
        const std::string cgroups(proc_.file(pid, "cgroup"));
        const context::CgroupIdentity group = context::identify_proc_cgroup(cgroups);
        record_.text(&uncollected_children_fact::cgroup, cgroup_path(cgroups));
        record_.text(&uncollected_children_fact::unit, group.unit);
        record_.text(&uncollected_children_fact::container, group.container);
        sink(Row(uncollected_children_schema, record_.finish()));
    }

    Procfs proc_;
    SystemClock clock_;
    RecordWriter<uncollected_children_fact> record_;
    LooksInARow<Identity> ended_;  // when each was seen first
};

}  // namespace

std::unique_ptr<Fact> make_uncollected_children(const Roots& roots) {
    return std::make_unique<UncollectedChildren>(roots);
}

}  // namespace waggle::facts
