// SPDX-License-Identifier: Apache-2.0
#include "sensors/skeleton/skeleton.h"

#include <optional>

#include "kernel/probes.h"
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

class Skeleton final : public Sensor {
  public:
    std::string_view name() const override { return "skeleton"; }
    std::string_view question() const override { return "Which threads change their name?"; }
    std::span<const Schema* const> schemas() const override { return all_schemas; }

    Result<void> start(const StartOptions& options, Names&) override {
        static constexpr std::string_view rename[] = {"on_rename"};
        static constexpr kernel::Moment moments[] = {
            {"rename", rename, "Renamed threads are not seen.", true}};
        std::size_t size = 0;
        const void* elf = skeleton_bpf__elf_bytes(&size);
        auto opened = kernel::Probes::open("skeleton", {static_cast<const std::byte*>(elf), size},
                                           {options.only_pid, options.only_cgroup_id, options.only_comm,
                                            options.mode == Mode::events, options.ring_bytes});
        if (!opened) return opened.error();
        if (auto loaded = opened->load(moments); !loaded) return loaded;
        probes_.emplace(std::move(*opened));
        return {};
    }
    void stop() override { probes_.reset(); }

    int ready_fd() const override { return probes_->ready_fd(); }
    void drain(const RecordSink& sink) override { probes_->drain(sink); }
    bool prepare_to_wait() override { return probes_->prepare_to_wait(); }
    void snapshot(const RecordSink& sink) override { probes_->snapshot(sink); }
    std::vector<HookUse> hooks() const override { return probes_->hooks(); }
    std::vector<Loss> losses() const override { return probes_->losses(); }

  private:
    std::optional<kernel::Probes> probes_;
};

}  // namespace

std::unique_ptr<Sensor> make_skeleton() { return std::make_unique<Skeleton>(); }

}  // namespace waggle::sensors
