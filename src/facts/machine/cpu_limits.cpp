// SPDX-License-Identifier: Apache-2.0
// How much processor time control groups may use, and how often they were held back. Source: cpu.max and cpu.stat of
// version 2; cpu.cfs_quota_us, cpu.cfs_period_us and cpu.stat of version 1.
#include "base/descriptor.h"
#include "base/put.h"
#include "base/text.h"
#include "facts/machine/flat_keyed.h"
#include "facts/machine/task_limits.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/cgroup_tree.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct cpu_limit_fact {
    waggle_text path;
    waggle_text folder;
    waggle_text unit;
    waggle_text container;
    __s64 quota_ns;
    __s64 period_ns;
    __s64 periods;
    __s64 throttled_periods;
    __s64 throttled_ns;
    __u8 version;
    __u8 reserved[7];
};

constexpr Field cpu_limits_fields[] = {
    WAGGLE_FIELD(cpu_limit_fact, path, Unit::none, "The control group's path.", trait_key),
    WAGGLE_FIELD(cpu_limit_fact, unit, Unit::none, "The systemd unit that it is; empty where none."),
    WAGGLE_FIELD(cpu_limit_fact, container, Unit::none,
                 "The container it is or lies in, the first 12 characters of its id; empty where in none."),
    WAGGLE_FIELD(cpu_limit_fact, quota_ns, Unit::nanoseconds,
                 "Processor time that its processes, and those of the groups below it, may use together in "
                 "each period."),
    WAGGLE_FIELD(cpu_limit_fact, period_ns, Unit::nanoseconds, "How long a period is."),
    WAGGLE_FIELD(cpu_limit_fact, periods, Unit::count,
                 "Periods that went by while some of them wanted to run (nr_periods).",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(cpu_limit_fact, throttled_periods, Unit::count,
                 "Of these, in how many the quota was used up and they were held back (nr_throttled).",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(cpu_limit_fact, throttled_ns, Unit::nanoseconds,
                 "How long they were held back, summed over the processors (throttled_usec, throttled_time).",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(cpu_limit_fact, folder, Unit::none, "The folder with the limit's file.", trait_hidden),
    WAGGLE_FIELD(cpu_limit_fact, version, Unit::none, "Of control groups: 1 or 2.", trait_key | trait_hidden),
};
constexpr Schema cpu_limit_schema = {"cpu_limits",
                                     "How much processor time the processes of a control group may use in "
                                     "each period (its quota), and how often they were "
                                     "held back for it.",
                                     sizeof(cpu_limit_fact), cpu_limits_fields, false};

class CpuLimits final : public Fact {
  public:
    explicit CpuLimits(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return cpu_limit_schema; }

    // Groups without a quota have no rows.
    Result<void> read(const RowSink& sink) override {
        each_cgroup(roots_, [&](int fd, const std::string& path) {
            const auto words = split(trim(file_at(fd, "cpu.max")), ' ');
            if (words.size() != 2 || words[0] == "max") return;
            record_.clear();
            record_.fixed.quota_ns = number_of(words[0]) * 1000;
            record_.fixed.period_ns = number_of(words[1]) * 1000;
            const std::string_view stat = file_at(fd, "cpu.stat");
            record_.fixed.throttled_ns = ns_of_us(value_of_key(stat, "throttled_usec"));
            emit(fd, path, 2, stat, sink);
        });
        each_cgroup_1(roots_, "cpu", [&](int fd, const std::string& path) {
            const std::int64_t quota = number_of(trim(file_at(fd, "cpu.cfs_quota_us")));
            const std::int64_t period = quota > 0 ? number_of(trim(file_at(fd, "cpu.cfs_period_us"))) : 0;
            if (period <= 0) return;
            record_.clear();
            record_.fixed.quota_ns = quota * 1000;
            record_.fixed.period_ns = period * 1000;
            const std::string_view stat = file_at(fd, "cpu.stat");
            record_.fixed.throttled_ns = value_of_key(stat, "throttled_time");
            emit(fd, path, 1, stat, sink);
        });
        return {};
    }

  private:
    void emit(int fd, const std::string& path, __u8 version, std::string_view stat, const RowSink& sink) {
        record_.fixed.version = version;
        record_.fixed.periods = value_of_key(stat, "nr_periods");
        record_.fixed.throttled_periods = value_of_key(stat, "nr_throttled");
        record_.text(&cpu_limit_fact::path, path);
        record_.text(&cpu_limit_fact::folder, path_of_descriptor(fd));
        record_.text(&cpu_limit_fact::unit, unit_of_group(path));
        record_.text(&cpu_limit_fact::container, context::identify_cgroup(path).container);
        sink(Row(cpu_limit_schema, record_.finish()));
    }

    // Until the next file is read.
    std::string_view file_at(int fd, const char* name) { return read_cgroup_file(fd, name, buffer_); }

    Roots roots_;
    char buffer_[4096];
    RecordWriter<cpu_limit_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_cpu_limits(const Roots& roots) { return std::make_unique<CpuLimits>(roots); }

}  // namespace waggle::facts
