// SPDX-License-Identifier: Apache-2.0
// Which processes a control group keeps to some of the processors, and the files that say so. Source: cpuset.cpus with
// cpuset.cpus.effective (version 2) or cpuset.effective_cpus (version 1).
#include <algorithm>
#include <map>
#include <span>

#include "base/descriptor.h"
#include "base/put.h"
#include "base/shell.h"
#include "base/text.h"
#include "facts/machine/task_limits.h"
#include "facts/makers.h"
#include "host/cgroup_tree.h"
#include "host/path.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct cpuset_member_fact {
    waggle_text path;
    waggle_text cpus;
    waggle_text limited_by;
    waggle_text unit;
    waggle_text files;
    __u32 pid;
    __u8 version;
    __u8 reserved[3];
};

constexpr Field cpuset_members_fields[] = {
    WAGGLE_FIELD(
        cpuset_member_fact, pid, Unit::identifier,
        "The process, as the host numbers it; 0: the row of the root itself, which is there where all groups "
        "can be seen.",
        trait_key),
    WAGGLE_FIELD(cpuset_member_fact, path, Unit::none, "Its control group's path."),
    WAGGLE_FIELD(cpuset_member_fact, cpus, Unit::none,
                 "The processors that its group lets it run on, as the kernel writes them (\"0-3\")."),
    WAGGLE_FIELD(
        cpuset_member_fact, limited_by, Unit::none,
        "The group whose cpuset.cpus leaves processors out: itself or one above; empty where none does "
        "(others have them for themselves)."),
    WAGGLE_FIELD(cpuset_member_fact, unit, Unit::none,
                 "The systemd unit that `limited_by` is; empty where none, or where several groups leave "
                 "processors out."),
    WAGGLE_FIELD(cpuset_member_fact, files, Unit::none,
                 "All files that leave processors out, from the root down, quoted for a shell.",
                 trait_hidden),
    WAGGLE_FIELD(cpuset_member_fact, version, Unit::none, "Of control groups: 1 or 2.",
                 trait_key | trait_hidden),
};
constexpr Schema cpuset_member_schema = {
    "cpuset_members", "A process that its control group keeps to some of the processors (cpuset).",
    sizeof(cpuset_member_fact), cpuset_members_fields, false};

constexpr std::size_t most_processes = 32768;  // what is beyond is left out, and said so

// One hierarchy, from the root down.
class CpusetWalk {
  public:
    CpusetWalk(std::vector<int> online, __u8 version, const RowSink& sink, std::size_t& told)
        : online_(std::move(online)), version_(version), sink_(sink), told_(told) {}

    void visit(int fd, const std::string& path) {
        Group group = above(path);
        const std::string effective(trim(read_cgroup_file(
            fd, version_ == 2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus", buffer_)));
        if (!effective.empty()) {  // else the controller ends above: the group above rules
            group.cpus = effective;
            const std::string own(trim(read_cgroup_file(fd, "cpuset.cpus", buffer_)));
            if (!own.empty() && leaves_out(own)) {
                if (group.limiting.empty()) group.limited_by = path;
                group.limiting.push_back(path_of_descriptor(fd) + "/cpuset.cpus");
            }
        }
        groups_[path] = group;
        if (path == "/" && !group.cpus.empty() && is_root_of_all(fd)) emit(0, path, group);
        if (group.cpus.empty() || !leaves_out(group.cpus)) return;
        for (const std::uint32_t pid : cgroup_processes(fd)) emit(pid, path, group);
    }

  private:
    struct Group {
        std::string cpus;
        std::string limited_by;
        std::vector<std::string> limiting;  // files, from the root down
    };

    // Not that of a container, which sees the groups below its own alone.
    bool is_root_of_all(int fd) {
        return version_ == 2 ? read_cgroup_file(fd, "cgroup.events", buffer_).empty()
                             : !read_cgroup_file(fd, "cgroup.sane_behavior", buffer_).empty();
    }
    Group above(const std::string& path) const {
        const std::size_t slash = path.rfind('/');
        const auto found = groups_.find(slash == 0 ? "/" : path.substr(0, slash));
        return found == groups_.end() ? Group{} : found->second;
    }
    bool leaves_out(const std::string& list) const {
        const std::vector<int> numbers = numbers_of_list(list);
        return !std::ranges::all_of(
            online_, [&](int cpu) { return std::ranges::find(numbers, cpu) != numbers.end(); });
    }
    void emit(std::uint32_t pid, const std::string& path, const Group& group) {
        if (++told_ > most_processes) return;
        record_.clear();
        record_.fixed.pid = pid;
        record_.fixed.version = version_;
        record_.text(&cpuset_member_fact::path, path);
        record_.text(&cpuset_member_fact::cpus, group.cpus);
        record_.text(&cpuset_member_fact::limited_by, group.limited_by);
        if (group.limiting.size() == 1)
            record_.text(&cpuset_member_fact::unit, unit_of_group(group.limited_by));
        record_.text(&cpuset_member_fact::files, shell_line(group.limiting));
        sink_(Row(cpuset_member_schema, record_.finish()));
    }

    std::vector<int> online_;
    __u8 version_;
    const RowSink& sink_;
    std::size_t& told_;
    std::map<std::string, Group> groups_;
    char buffer_[4096];
    RecordWriter<cpuset_member_fact> record_;
};

class CpusetMembers final : public Fact {
  public:
    explicit CpusetMembers(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return cpuset_member_schema; }

    // Processes that may run everywhere have no rows. A hierarchy without cpusets has none at all.
    Result<void> read(const RowSink& sink) override {
        const auto list = read_file(roots_.sys + "/devices/system/cpu/online", 4096);
        if (!list) return list.error();
        const std::vector<int> online = numbers_of_list(*list);
        std::size_t told = 0;
        CpusetWalk second(online, 2, sink, told), first(online, 1, sink, told);
        each_cgroup(roots_, [&](int fd, const std::string& path) { second.visit(fd, path); });
        each_cgroup_1(roots_, "cpuset", [&](int fd, const std::string& path) { first.visit(fd, path); });
        if (told > most_processes)
            return Error{"cpuset_members: only the first " + std::to_string(most_processes) +
                         " processes were looked at"};
        return {};
    }

  private:
    Roots roots_;
};

}  // namespace

std::unique_ptr<Fact> make_cpuset_members(const Roots& roots) {
    return std::make_unique<CpusetMembers>(roots);
}

}  // namespace waggle::facts
