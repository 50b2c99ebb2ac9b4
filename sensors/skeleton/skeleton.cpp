// SPDX-License-Identifier: Apache-2.0
#include "sensors/skeleton/skeleton.h"

#include "sensors/probed_sensor.h"
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
constexpr const Schema* all_schemas[] = {&schema};

class Skeleton final : public ProbedSensor {
  public:
    std::string_view name() const override { return "skeleton"; }
    std::string_view question() const override { return "Which threads change their name?"; }
    std::span<const Schema* const> schemas() const override { return all_schemas; }

    Result<void> start(const StartOptions& options, Names&) override {
        static constexpr std::string_view rename[] = {"on_rename"};
        static constexpr Moment moments[] = {{"rename", rename, "Renamed threads are not seen.", true}};
        auto opened = open(skeleton_bpf__elf_bytes, options);
        if (!opened) return opened.error();
        if (auto loaded = opened->load(moments); !loaded) return loaded;
        run(std::move(*opened));
        return {};
    }
};

}  // namespace

std::unique_ptr<Sensor> make_skeleton() { return std::make_unique<Skeleton>(); }

}  // namespace waggle::sensors
