// SPDX-License-Identifier: Apache-2.0
#include "facts/machine/task_limits.h"

#include "base/descriptor.h"
#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/cgroup_tree.h"
#include "host/path.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct task_limit_fact {
    waggle_text path;
    waggle_text folder;
    waggle_text unit;
    waggle_text limited_by;
    __s64 tasks;
    __s64 tasks_limit;
    __s64 refused;
    __u8 version;
    __u8 has_processes;
    __u8 reserved[6];
};

constexpr Field task_limits_fields[] = {
    WAGGLE_FIELD(task_limit_fact, path, Unit::none, "The control group's path.", trait_key),
    WAGGLE_FIELD(task_limit_fact, unit, Unit::none, "The systemd unit that it is; empty where none."),
    WAGGLE_FIELD(task_limit_fact, tasks, Unit::count,
                 "Tasks (processes and threads) in it and in the groups below it (pids.current).",
                 trait_nullable),
    WAGGLE_FIELD(task_limit_fact, tasks_limit, Unit::count,
                 "How many it may have (pids.max); null: no limit of its own.", trait_nullable),
    WAGGLE_FIELD(
        task_limit_fact, refused, Unit::count,
        "New tasks that were refused: for this group's own limit where `limited_by` is this group and "
        "the kernel has pids.events.local; else those that its processes asked for (pids.events).",
        trait_cumulative | trait_nullable),
    WAGGLE_FIELD(
        task_limit_fact, limited_by, Unit::none,
        "The group whose limit refused them: itself or one above; empty where several can have, or none "
        "was refused."),
    WAGGLE_FIELD(task_limit_fact, folder, Unit::none, "The folder with the limit's file.", trait_hidden),
    WAGGLE_FLAG(task_limit_fact, has_processes, "Processes are in the group itself, not only below it.",
                trait_hidden),
    WAGGLE_FIELD(task_limit_fact, version, Unit::none, "Of control groups: 1 or 2.",
                 trait_key | trait_hidden),
};
constexpr Schema task_limit_schema = {
    "task_limits", "How many tasks (processes and threads) a control group may have, has, and was refused.",
    sizeof(task_limit_fact), task_limits_fields, false};

// Lines "max 12".
std::int64_t refusals_of(std::string_view text) {
    return text.starts_with("max ") ? number_of(trim(text.substr(4))) : null_i64;
}

class Walk {
  public:
    explicit Walk(std::vector<TaskGroup>& out) : out_(out) {}

    void add(int fd, const std::string& path, __u8 version, bool local_counts_forks) {
        const std::string_view current = read_cgroup_file(fd, "pids.current", buffer_);
        if (current.empty()) return;  // the root, or a group without this controller
        TaskGroup group;
        group.path = path;
        group.version = version;
        group.tasks = number_of(trim(current));
        const std::string_view limit = trim(read_cgroup_file(fd, "pids.max", buffer_));
        group.limit = limit.empty() || limit == "max" ? null_i64 : number_of(limit);
        const std::string_view peak = trim(read_cgroup_file(fd, "pids.peak", buffer_));
        group.peak = peak.empty() ? group.tasks : std::max(group.tasks, number_of(peak));
        group.refused = refusals_of(read_cgroup_file(fd, "pids.events.local", buffer_));
        group.counts_own_limit = group.refused != null_i64 && !local_counts_forks;
        if (group.refused == null_i64)
            group.refused = refusals_of(read_cgroup_file(fd, "pids.events", buffer_));
        group.limited_by = group.refused > 0 ? refuser(group) : "";
        if (group.limit != null_i64) above_.push_back(group);
        if (group.limit == null_i64 && group.refused <= 0) return;
        group.has_processes = !read_cgroup_file(fd, "cgroup.procs", buffer_).empty();
        group.folder = path_of_descriptor(fd);
        out_.push_back(std::move(group));
    }

  private:
    // A limit has refused something only where there once were as many tasks as it allows.
    std::string refuser(const TaskGroup& group) {
        if (group.counts_own_limit) return group.path;
        std::vector<const TaskGroup*> limits;
        if (group.limit != null_i64) limits.push_back(&group);
        for (const TaskGroup& one : above_)
            if (one.version == group.version && lies_below(group.path, one.path)) limits.push_back(&one);
        if (limits.size() > 1)
            std::erase_if(limits, [](const TaskGroup* one) { return one->peak < one->limit; });
        return limits.size() == 1 ? limits.front()->path : "";
    }

    std::vector<TaskGroup>& out_;
    std::vector<TaskGroup> above_;  // those with a limit; a group comes before those in it
    char buffer_[256];
};

class TaskLimits final : public Fact {
  public:
    explicit TaskLimits(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return task_limit_schema; }

    // Groups without a limit that were refused nothing have no rows.
    Result<void> read(const RowSink& sink) override {
        RecordWriter<task_limit_fact> record;
        for (const TaskGroup& group : task_groups(roots_)) {
            record.clear();
            record.fixed.tasks = group.tasks;
            record.fixed.tasks_limit = group.limit;
            record.fixed.refused = group.refused;
            record.fixed.version = group.version;
            record.fixed.has_processes = group.has_processes ? 1 : 0;
            record.text(&task_limit_fact::path, group.path);
            record.text(&task_limit_fact::folder, group.folder);
            record.text(&task_limit_fact::unit, unit_of_group(group.path));
            record.text(&task_limit_fact::limited_by, group.limited_by);
            sink(Row(task_limit_schema, record.finish()));
        }
        return {};
    }

  private:
    Roots roots_;
};

}  // namespace

std::string unit_of_group(std::string_view path) {
    const std::string unit = context::identify_cgroup(path).unit;
    // A group below a unit's is not the unit, and its limit is not set with it.
    return path.ends_with("/" + unit) ? unit : "";
}

std::vector<TaskGroup> task_groups(const Roots& roots) {
    std::vector<TaskGroup> groups;
    // With this option, and before 6.11 ("cgroup/pids: Separate semantics of pids.events related to pids.max"), the
    // kernel counts at the group of the asker.
    const auto mounts = read_file(roots.proc + "/self/mountinfo");
    const bool local_counts_forks = mounts && mounts->find("pids_localevents") != std::string::npos;
    Walk walk(groups);
    each_cgroup(roots, [&](int fd, const std::string& path) { walk.add(fd, path, 2, local_counts_forks); });
    each_cgroup_1(roots, "pids", [&](int fd, const std::string& path) { walk.add(fd, path, 1, true); });
    return groups;
}

std::unique_ptr<Fact> make_task_limits(const Roots& roots) { return std::make_unique<TaskLimits>(roots); }

}  // namespace waggle::facts
