// SPDX-License-Identifier: Apache-2.0
// The weights by which control groups share processors: those of a group and of all groups above it, since what a process
// gets is decided at each level. Source: cpu.weight (version 2), cpu.shares (version 1).
#include <sys/stat.h>

#include <vector>

#include "base/descriptor.h"
#include "base/put.h"
#include "base/text.h"
#include "facts/machine/task_limits.h"
#include "facts/makers.h"
#include "host/cgroup_tree.h"
#include "host/path.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct cpu_weight_fact {
    __u64 cpu_group_id;
    waggle_text path;
    waggle_text holder;
    waggle_text beside;
    waggle_text file;
    waggle_text unit;
    __s64 weight;
    __u8 idle;
    __u8 version;
    __u8 reserved[6];
};

constexpr Field cpu_weights_fields[] = {
    WAGGLE_FIELD(cpu_weight_fact, path, Unit::none, "The control group's path.", trait_key),
    WAGGLE_FIELD(cpu_weight_fact, cpu_group_id, Unit::identifier, "Its number, as events carry it.",
                 trait_hidden),
    WAGGLE_FIELD(cpu_weight_fact, holder, Unit::none,
                 "The group whose weight this is: itself or one that it lies in.", trait_key),
    WAGGLE_FIELD(cpu_weight_fact, beside, Unit::none,
                 "The group above `holder`: with the others in that one it shares the processors.",
                 trait_hidden),
    WAGGLE_FIELD(cpu_weight_fact, weight, Unit::none,
                 "The weight: of version 2 from 1 to 10000, usually 100; of version 1 usually 1024."),
    WAGGLE_FLAG(cpu_weight_fact, idle, "It runs only where nobody else wants to (cpu.idle).", trait_hidden),
    WAGGLE_FIELD(cpu_weight_fact, unit, Unit::none, "The systemd unit that `holder` is; empty where none."),
    WAGGLE_FIELD(cpu_weight_fact, file, Unit::none, "The weight's file.", trait_hidden),
    WAGGLE_FIELD(cpu_weight_fact, version, Unit::none, "Of control groups: 1 or 2.",
                 trait_key | trait_hidden),
};
constexpr Schema cpu_weight_schema = {"cpu_weights",
                                      "By which weight a control group, or one that it lies in, shares the "
                                      "processors with the groups beside it.",
                                      sizeof(cpu_weight_fact), cpu_weights_fields, false};

// One hierarchy, from the root down.
class WeightWalk {
  public:
    WeightWalk(__u8 version, const RowSink& sink) : version_(version), sink_(sink) {}

    void visit(int fd, const std::string& path) {
        while (!above_.empty() && !lies_below(path, above_.back().path)) above_.pop_back();
        const char* file = version_ == 2 ? "cpu.weight" : "cpu.shares";
        const std::string_view weight = path == "/" ? "" : read_cgroup_file(fd, file, buffer_);
        if (weight.empty()) return;  // the root, or a group without this controller
        Holder holder{path, path_of_descriptor(fd) + "/" + file, number_of(weight), false};
        holder.idle = read_cgroup_file(fd, "cpu.idle", buffer_).starts_with('1');
        above_.push_back(std::move(holder));
        struct stat status{};
        if (::fstat(fd, &status) != 0) return;
        for (const Holder& one : above_) emit(status.st_ino, path, one);
    }

  private:
    struct Holder {
        std::string path, file;
        std::int64_t weight;
        bool idle;
    };

    void emit(std::uint64_t id, const std::string& path, const Holder& holder) {
        record_.clear();
        record_.fixed.cpu_group_id = id;
        record_.fixed.weight = holder.weight;
        record_.fixed.idle = holder.idle;
        record_.fixed.version = version_;
        record_.text(&cpu_weight_fact::path, path);
        record_.text(&cpu_weight_fact::holder, holder.path);
        const std::size_t slash = holder.path.rfind('/');
        record_.text(&cpu_weight_fact::beside, slash == 0 ? "/" : holder.path.substr(0, slash));
        record_.text(&cpu_weight_fact::file, holder.file);
        record_.text(&cpu_weight_fact::unit, unit_of_group(holder.path));
        sink_(Row(cpu_weight_schema, record_.finish()));
    }

    __u8 version_;
    const RowSink& sink_;
    std::vector<Holder> above_;  // those with a weight on the way down to the last group
    char buffer_[64];
    RecordWriter<cpu_weight_fact> record_;
};

class CpuWeights final : public Fact {
  public:
    explicit CpuWeights(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return cpu_weight_schema; }

    Result<void> read(const RowSink& sink) override {
        WeightWalk second(2, sink), first(1, sink);
        each_cgroup(roots_, [&](int fd, const std::string& path) { second.visit(fd, path); });
        each_cgroup_1(roots_, "cpu", [&](int fd, const std::string& path) { first.visit(fd, path); });
        return {};
    }

  private:
    Roots roots_;
};

}  // namespace

std::unique_ptr<Fact> make_cpu_weights(const Roots& roots) { return std::make_unique<CpuWeights>(roots); }

}  // namespace waggle::facts
