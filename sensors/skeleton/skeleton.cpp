// SPDX-License-Identifier: Apache-2.0
#include "sensors/skeleton/skeleton.h"

#include "base/clock.h"
#include "model/record_writer.h"
#include "sensing/probed_running.h"
#include "sensors/skeleton/skeleton.event.h"
#include "skeleton.skel.h"

namespace waggle::sensors {
namespace {

constexpr Field fields[] = {
    WAGGLE_HEADER_FIELDS(skeleton_event),
    WAGGLE_FIELD(skeleton_event, new_comm, Unit::none, "The name the thread takes."),
};
constexpr Schema schema = {"skeleton", "A thread that changes its name.", sizeof(skeleton_event), fields,
                           true};
// How things stand: a table whose rows replace those before, as a fact's do.
constexpr Field total_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(skeleton_total),
    WAGGLE_FIELD(skeleton_total, renamed, Unit::count, "How many renames there were since the start."),
};
constexpr Schema total_schema = {.name = "skeleton_total",
                                 .meaning = "All renames since the start.",
                                 .size = sizeof(skeleton_total),
                                 .fields = total_fields,
                                 .has_subject = true,
                                 .memory_weight = 1,
                                 .is_state = true};
constexpr auto all_schemas =
    schemas_by_kind({{skeleton_kind_rename, &schema}, {skeleton_kind_total, &total_schema}});

// What it can be told: a flag of every command that watches, --skeleton-least N.
constexpr SourceOption least_option = {"skeleton-least", OptionType::count, "N",
                                       "Only new names of at least N characters.", "1"};
constexpr SourceOption options_here[] = {least_option};

class Skeleton final : public ProbedRunning {
  public:
    Skeleton(kernel::Probes probes, const volatile std::uint64_t* renamed)
        : ProbedRunning(skeleton_source, std::move(probes)), renamed_(renamed) {}

    void state(const StateSink& sink) override {
        RecordWriter<skeleton_total> total;
        total.fixed.header.kind = skeleton_kind_total;
        total.fixed.header.time_ns = SystemClock().monotonic_ns();
        total.fixed.renamed = *renamed_;
        const Bytes record = total.finish();
        sink(total_schema, {&record, 1});
    }

  private:
    const volatile std::uint64_t* renamed_;  // the kernel side's own counter
};

Result<std::unique_ptr<Running>> start(const StartOptions& options, Names&) {
    static constexpr std::string_view rename[] = {"on_rename"};
    static constexpr Moment moments[] = {{"rename", rename, "Renamed threads are not seen.", true}};
    auto probes = open_probes(skeleton_source, skeleton_bpf__elf_bytes, options);
    if (!probes) return probes.error();
    const auto least = static_cast<std::uint32_t>(options.values.number(least_option));
    if (auto set = probes->object().set_constant("least_length", least); !set) return set.error();
    if (auto loaded = probes->load(moments); !loaded) return loaded.error();
    const auto renamed = probes->object().global<std::uint64_t>("renamed");
    if (!renamed) return renamed.error();
    return std::unique_ptr<Running>(std::make_unique<Skeleton>(std::move(*probes), *renamed));
}

}  // namespace

constinit const Source skeleton_source = {
    .name = "skeleton",
    .question = "Which threads change their name?",
    .schemas = all_schemas,
    .options = options_here,
    .start = start,
};

}  // namespace waggle::sensors
