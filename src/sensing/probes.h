// SPDX-License-Identifier: Apache-2.0
// Probes: what every room needs of the kernel, in one piece: its object loaded, its ring read, its maps
// snapshot, its losses counted. A room's Running forwards to it.
//
// Expects the object to include bpf/ring.h (map `ring`, globals lost_ring_full, reader_sleeps, only_*,
// events_wanted). Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/source.h"
#include "sensing/snapshot.h"
#include "waggle/object.h"
#include "waggle/ring.h"

namespace waggle::kernel {

class Probes {
  public:
    // Of the options: the mode, the ring, and the filters. A filter of a field sets the object's constant
    // only_FIELD; of a text also filter_FIELD.
    static Result<Probes> open(std::string_view name, Bytes elf, const StartOptions& options);

    Object& object() { return object_; }
    const Object& object() const { return object_; }

    // A map of records with growing counters to hand out by snapshot(); call after load().
    Result<void> snapshot_map(std::string_view map, std::vector<Snapshot::Counter> counters,
                              Snapshot::Options options = {});
    // A .bss counter (__u64) that counts losses, with its cause in words; call after load().
    Result<void> count_loss(std::string_view variable, std::string cause);
    // Loads, attaches, opens the ring; "ring full" and "hook busy" (the kernel skips a program that is
    // already running on the same CPU) are counted from then on.
    Result<void> load(std::span<const Moment> moments);
    // The same with programs at places that are said, instead of ladders.
    Result<void> start(std::span<const Plan> plans);

    int ready_fd() const { return ring_->ready_fd(); }
    void drain(const RecordSink& sink) { ring_->drain(sink); }
    bool prepare_to_wait();
    // Whether all that the ring held at the first call has been drained.
    bool finish();
    void snapshot(const RecordSink& sink);
    std::vector<Loss> losses() const;
    const std::vector<HookUse>& hooks() const { return object_.hooks(); }

  private:
    explicit Probes(Object object) : object_(std::move(object)) {}
    Result<void> open_ring();
    struct LossCounter {
        std::string cause;
        volatile std::uint64_t* count;
    };

    Object object_;
    std::optional<Ring> ring_;
    std::optional<std::uint64_t> reserved_at_finish_;
    volatile std::uint32_t* reader_sleeps_ = nullptr;
    std::vector<Snapshot> snapshots_;
    std::vector<LossCounter> losses_;
};

}  // namespace waggle::kernel
