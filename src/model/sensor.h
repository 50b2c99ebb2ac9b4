// SPDX-License-Identifier: Apache-2.0
// Sensor: a room. It turns kernel moments into records, and records into rows. It owns no thread, socket,
// flag or output; the agent drives it from one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/names.h"
#include "model/row.h"
#include "waggle/coverage.h"
#include "waggle/result.h"

namespace waggle {

// aggregate: the always-on mode, counted in the kernel and read as snapshots. events: also a record for each
// event.
enum class Mode : std::uint8_t { aggregate, events };

struct StartOptions {
    Mode mode = Mode::aggregate;
    std::uint32_t only_pid = 0;               // 0 = all; only events of this process cross the ring
    std::uint64_t only_cgroup_id = 0;         // 0 = all
    std::string only_comm;                    // empty = all; at most 15 characters
    std::uint32_t ring_bytes = 1u << 20;      // a power of two
    std::string script;                       // for a sensor that runs one: its file
    const std::atomic<bool>* stop = nullptr;  // given: true ends a start that takes long
};

class Sensor {
  public:
    virtual ~Sensor() = default;

    virtual std::string_view name() const = 0;                   // "block_io"
    virtual std::string_view question() const = 0;               // the question it answers, in words
    virtual std::span<const Schema* const> schemas() const = 0;  // header.kind indexes these

    // Runs only where it was asked for by name or given a script.
    virtual bool on_request() const { return false; }

    // Loads and attaches; registers resolvers for its dictionaries in `names`, which outlives the sensor. On
    // an error nothing stays in the kernel. A sensor whose moments are only partly to be had starts and says
    // so in hooks().
    virtual Result<void> start(const StartOptions& options, Names& names) = 0;
    virtual void stop() = 0;  // detaches and unloads all; harmless when not started

    // Readable (epoll) when records wait; -1 where there is nothing to wait for.
    virtual int ready_fd() const = 0;
    // Hands over what the ring holds, in batches. The bytes live until the sink returns.
    virtual void drain(const RecordSink& sink) = 0;
    // Before the agent sleeps: asks the kernel side for a wake-up. False: records came meanwhile; drain
    // first.
    virtual bool prepare_to_wait() = 0;
    // Hands over what was counted since the last snapshot.
    virtual void snapshot(const RecordSink& sink) = 0;

    // The watching is over. False: it has more to tell; drain, and ask again.
    virtual bool finish() { return true; }
    // Nothing will come any more.
    virtual bool ended() const { return false; }
    // What every answer must say besides its coverage, a sentence each, without the full stop.
    virtual std::vector<std::string> problems() const { return {}; }

    virtual std::vector<HookUse> hooks() const = 0;
    virtual std::vector<Loss> losses() const = 0;

    // SQL over this sensor's tables and `window`, for `waggle top`: the busiest, most first. And one row of
    // named figures for the live screen, rates per second. Empty where the sensor has none.
    virtual std::string_view top_query() const { return {}; }
    virtual std::string_view figures_query() const { return {}; }

    // Needs no kernel: live data, replay, tests and the fuzzer share it.
    virtual Result<Row> read(Bytes record) const { return read_record(schemas(), record); }
};

}  // namespace waggle
