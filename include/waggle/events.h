// SPDX-License-Identifier: Apache-2.0
// Events: records of a ring buffer or perf buffer, checked, kept in a bounded buffer and delivered in
// batches; and every record that is not delivered counted, by cause.
//
//     auto events = waggle::Events::open(*map, {.checks = {.shortest = sizeof(Event), .pid = {8, 4}}},
//                                        [&](auto records) { return send(records); });
//     for (;;) { wait(events->ready_fd(), events->wait_ns()); events->poll(); }
//
// A batch goes to the sink when it is large enough, when its oldest record has waited long enough, or under
// pressure: when the kernel's buffer or this one is so full that waiting would lose. The sink says how many
// of the records, from the front, it took; the rest is offered again. While this buffer is full nothing more
// is taken from the kernel: that is a stall, and counted; what the kernel then has no room for, it counts
// itself (perf buffers always; for ring buffers the program does, see count_loss()). With flush_after_ns = 0
// records go to the sink in place, without a copy. One thread. The records' bytes live until the sink
// returns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/map.h"
#include "waggle/result.h"

namespace waggle {

// What every record must satisfy; what is left as it is is not asked.
struct RecordChecks {
    // A little-endian number in the record: 1, 2, 4 or 8 bytes; size 0 means it has none.
    struct Place {
        std::uint32_t offset = 0;
        std::uint32_t size = 0;
    };
    // A type of record: its number and its length in bytes.
    struct KnownType {
        std::uint64_t number = 0;
        std::uint32_t shortest = 0;
        std::uint32_t longest = UINT32_MAX;
    };
    std::uint32_t shortest = 0;          // bytes
    std::uint32_t longest = UINT32_MAX;  // bytes
    Place pid;                           // not 0
    Place
        time;  // CLOCK_MONOTONIC in ns (bpf_ktime_get_ns): not 0, not in the future, not older than oldest_ns
    std::uint64_t oldest_ns = 3'600'000'000'000;  // how far in the past a record's time can lie
    Place type;                    // one of `types`, and then the record has that type's length
    std::vector<KnownType> types;  // asked where `type` is given
    // Whatever else: empty lets the record pass, a text refuses it and is the cause it counts under.
    std::function<std::string_view(Bytes record)> custom;
};

// Why a record is refused ("wrong length", "process number 0", "time in the future", "time too old", "unknown
// type", or what `custom` said); empty where it is not. `now_ns` is CLOCK_MONOTONIC.
std::string_view refusal_of(const RecordChecks& checks, Bytes record, std::uint64_t now_ns);

// How much is kept, and when it is flushed.
struct EventsOptions {
    // Holds what waits for the sink: this many bytes and one record.
    std::size_t buffer_bytes = 4u << 20;
    std::size_t flush_records = 256;             // a batch of so many goes at once
    std::size_t flush_bytes = 64u << 10;         // a batch of so many bytes goes at once
    std::uint64_t flush_after_ns = 100'000'000;  // no record waits longer; 0: in place, without a copy
    std::uint32_t pressure_percent = 50;         // of the kernel's buffer or of this one
    std::uint32_t perf_pages = 64;               // perf buffers: memory a CPU
    RecordChecks checks;                         // of every record
};

// Gives how many of the records, from the first, it took.
using EventSink = std::function<std::size_t(std::span<const Bytes> records)>;

// seen = delivered + waiting + the refused and untaken of losses().
struct EventCounts {
    std::uint64_t seen = 0;                 // came from the kernel
    std::uint64_t delivered = 0;            // taken by the sink
    std::uint64_t waiting = 0;              // in this buffer
    std::uint64_t flushes_by_size = 0;      // batches that were large enough
    std::uint64_t flushes_by_time = 0;      // whose oldest record had waited enough
    std::uint64_t flushes_by_pressure = 0;  // while a buffer was filling up
    std::uint64_t stalls = 0;  // times that records were left in the kernel because this buffer was full
};

// The way from one ring or perf buffer to a sink. See the head of this file.
class Events {
  public:
    // A ring_buffer or perf_event_array; another kind is an error (unsupported). Keeps its own hold of the
    // map.
    static Result<Events> open(const MapView& map, EventsOptions options, EventSink sink);
    Events(Events&&) noexcept;
    Events& operator=(Events&&) noexcept;
    ~Events();

    // Readable, for epoll and poll, when the kernel has records.
    int ready_fd() const;
    // How long to wait at most before poll() is due again: until the oldest record has waited enough.
    std::uint64_t wait_ns() const;
    // Takes what the kernel has, at most as much as there is room for, and flushes what is due. Gives how
    // many records came, the refused among them; 0: the kernel had none, or this buffer is full.
    std::uint64_t poll();
    // Offers everything now. False: the sink did not take all.
    bool flush();
    // The last flush: what the sink does not take is lost, and counted ("not taken").
    void finish();

    // What came and went so far.
    const EventCounts& counts() const;
    // A counter of the program (a global or a map value, owned by the caller and outliving this) that counts
    // what it found no room for.
    void count_loss(const volatile std::uint64_t* counter, std::string cause);
    // By cause; only causes that occurred. Counts only grow.
    std::vector<Loss> losses() const;
    // Whether the kernel's losses are known: always for perf buffers, for ring buffers after count_loss().
    bool losses_known() const;

  private:
    struct State;
    explicit Events(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle
