// SPDX-License-Identifier: Apache-2.0
#include "sensing/probes.h"

#include "bpf/event.h"

#include <array>
#include <atomic>
#include <cstring>

namespace waggle::kernel {

namespace {

Result<void> set_filter(Object& object, const FieldFilter& filter) {
    const std::string only = "only_" + filter.field;
    if (const auto* number = std::get_if<std::uint32_t>(&filter.value))
        return object.set_constant(only, *number);
    if (const auto* number = std::get_if<std::uint64_t>(&filter.value))
        return object.set_constant(only, *number);
    const std::string& text = std::get<std::string>(filter.value);
    std::array<char, WAGGLE_COMM_LEN> cut{};
    std::memcpy(cut.data(), text.data(), std::min(text.size(), cut.size() - 1));
    if (auto set = object.set_constant(only, cut); !set) return set;
    return object.set_constant("filter_" + filter.field, std::uint8_t{1});
}

}  // namespace

Result<Probes> Probes::open(std::string_view name, Bytes elf, const StartOptions& options) {
    Result<Object> opened = Object::open(name, elf);
    if (!opened) return opened.error();
    Probes probes(std::move(*opened));
    Object& object = probes.object_;
    const bool events = options.mode == Mode::events;
    for (const Result<void>& set : {object.set_constant("events_wanted", static_cast<std::uint8_t>(events)),
                                    object.set_max_entries("ring", options.ring_bytes)})
        if (!set) return set.error();
    for (const FieldFilter& filter : options.filters)
        if (auto set = set_filter(object, filter); !set) return set.error();
    return probes;
}

Result<void> Probes::load(std::span<const Moment> moments) {
    if (auto loaded = object_.load(moments); !loaded) return loaded;
    return open_ring();
}

Result<void> Probes::start(std::span<const Plan> plans) {
    if (auto started = object_.start(plans); !started) return started;
    return open_ring();
}

Result<void> Probes::open_ring() {
    const Result<int> ring_fd = object_.map_fd("ring");
    if (!ring_fd) return ring_fd.error();
    Result<Ring> ring = Ring::open(*ring_fd);
    if (!ring) return ring.error();
    ring_.emplace(std::move(*ring));
    auto sleeps = object_.global<std::uint32_t>("reader_sleeps");
    if (!sleeps) return sleeps.error();
    reader_sleeps_ = *sleeps;
    return count_loss("lost_ring_full", "ring full");
}

Result<void> Probes::snapshot_map(std::string_view map, std::vector<Snapshot::Counter> counters,
                                  Snapshot::Options options) {
    const Result<int> fd = object_.map_fd(map);
    if (!fd) return fd.error();
    Result<Snapshot> snapshot = Snapshot::open(*fd, std::move(counters), std::move(options));
    if (!snapshot) return snapshot.error();
    snapshots_.push_back(std::move(*snapshot));
    return {};
}

Result<void> Probes::count_loss(std::string_view variable, std::string cause) {
    auto counter = object_.global<std::uint64_t>(variable);
    if (!counter) return counter.error();
    losses_.push_back({std::move(cause), *counter});
    return {};
}

bool Probes::prepare_to_wait() {
    *reader_sleeps_ = 1;
    // The flag must be seen before the ring is looked at, or a record that slips in between would wake
    // nobody.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (ring_->empty()) return true;
    *reader_sleeps_ = 0;
    return false;
}

bool Probes::finish() {
    if (!reserved_at_finish_) reserved_at_finish_ = ring_->reserved_bytes();
    return ring_->drained_bytes() >= *reserved_at_finish_;
}

void Probes::snapshot(const RecordSink& sink) {
    for (Snapshot& map : snapshots_) map.read(sink);
}

std::vector<Loss> Probes::losses() const {
    std::vector<Loss> out;
    for (const LossCounter& counter : losses_) out.push_back({counter.cause, *counter.count});
    out.push_back({"hook busy", object_.missed_runs()});
    return out;
}

}  // namespace waggle::kernel
