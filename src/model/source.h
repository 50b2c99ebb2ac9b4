// SPDX-License-Identifier: Apache-2.0
// Source: everything that yields rows. A Source is what is known of it without starting it: its name, the
// question it answers, its options, its tables. A Running is the source at work, and exists only while it is:
// start() gives one that is loaded and attached, its destructor takes all of it out of the kernel again.
//
// A source owns no thread, socket, flag or output; the agent drives it from one thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/names.h"
#include "model/row.h"
#include "model/source_option.h"
#include "waggle/coverage.h"
#include "waggle/result.h"

namespace waggle {

// aggregate: the always-on mode, counted in the kernel and read as snapshots. events: also a record for each
// event.
enum class Mode : std::uint8_t { aggregate, events };

// Only records whose field has this value, decided in the kernel. The field has trait_filtered in the schemas
// of the source; the value has the field's C type.
struct FieldFilter {
    std::string field;  // "pid"
    std::variant<std::uint32_t, std::uint64_t, std::string> value;
};

struct StartOptions {
    Mode mode = Mode::aggregate;
    std::vector<FieldFilter> filters;         // all of them must hold
    OptionValues values;                      // of what the source itself declares
    std::vector<std::string> tables;          // those that are asked for by name, of any source
    std::uint32_t ring_bytes = 1u << 20;      // a power of two
    const std::atomic<bool>* stop = nullptr;  // given: true ends a start that takes long
};

// All rows of a table that says how things stand, as they are now.
using StateSink = std::function<void(const Schema& schema, std::span<const Bytes> records)>;

// Runs of kernel programs, and the time they took.
struct RunCost {
    std::uint64_t runs = 0;
    std::uint64_t ns = 0;
};

class Running {
  public:
    Running() = default;
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    virtual ~Running() = default;  // detaches and unloads all

    // The tables it fills: those of its Source, or, where they depend on what is watched, its own. They live
    // as long as it does.
    virtual std::span<const Schema* const> schemas() const = 0;
    // Needs no kernel.
    virtual Result<Row> read(Bytes record) const { return read_record(schemas(), record); }

    // Readable (epoll) when records wait; -1 where there is nothing to wait for.
    virtual int ready_fd() const = 0;
    // Hands over what the ring holds, in batches. The bytes live until the sink returns.
    virtual void drain(const RecordSink& sink) = 0;
    // Before the agent sleeps: asks the kernel side for a wake-up. False: records came meanwhile; drain
    // first.
    virtual bool prepare_to_wait() = 0;
    // Hands over what was counted since the last snapshot.
    virtual void snapshot(const RecordSink&) {}
    // Hands over the tables whose schema says is_state, each whole. One that is left out stands as it stood.
    virtual void state(const StateSink&) {}

    // The watching is over. False: it has more to tell; drain, and ask again.
    virtual bool finish() { return true; }
    // Nothing will come any more.
    virtual bool ended() const { return false; }
    // What every answer must say besides its coverage, a sentence each, without the full stop.
    virtual std::vector<std::string> problems() const { return {}; }

    // What its kernel programs took; 0 runs where that is not counted.
    virtual RunCost cost() const { return {}; }

    // A source whose moments are only partly to be had runs, and says so here.
    virtual std::vector<HookUse> hooks() const = 0;
    virtual std::vector<Loss> losses() const = 0;
};

// A kind of record, as its kernel side writes it into header.kind, and how it is read.
struct SchemaOfKind {
    std::uint16_t kind;
    const Schema* schema;
};

// Whether each kind from 0 on is there, once.
constexpr bool kinds_are_whole(std::span<const SchemaOfKind> kinds) {
    for (std::size_t wanted = 0; wanted < kinds.size(); ++wanted) {
        std::size_t times = 0;
        for (const SchemaOfKind& each : kinds) times += each.kind == wanted;
        if (times != 1) return false;
    }
    return true;
}

// The schemas of a source, each at the place that its kind says: a kind that is missing, there twice or too
// large does not compile. `schemas_by_kind({{PROCESS_EXEC, &exec_schema}, {PROCESS_FORK, &fork_schema}})`
template <std::size_t count>
consteval std::array<const Schema*, count> schemas_by_kind(const SchemaOfKind (&kinds)[count]) {
    if (!kinds_are_whole(kinds)) throw "the kinds of a source are 0, 1, 2 ... without a gap";
    std::array<const Schema*, count> schemas{};
    for (const SchemaOfKind& each : kinds) schemas[each.kind] = each.schema;
    return schemas;
}

struct Source {
    std::string_view name;      // "block_io"
    std::string_view question;  // that it answers, in words
    // header.kind indexes these; schemas_by_kind() makes them. Empty where the tables depend on what is watched: then
    // only its Running has them.
    std::span<const Schema* const> schemas = {};
    std::span<const SourceOption> options = {};
    // The option that asks for it. Where there is one, it runs only where that was given; where the option is no more than yes, also
    // where the source or a table of it is named.
    const SourceOption* asked_by = nullptr;
    // The topic that it runs for, where others pay while it runs: only where it is named, or where this topic or all are
    // asked about. Empty: always.
    std::string_view only_for = {};
    bool only_named = false;  // no rule asks its tables: it runs for no topic, only where it is named
    // SQL over its tables and `window`, for `waggle top`: the busiest, most first. And one row of named
    // figures for the live screen, rates per second. Empty where it has none.
    std::string_view top_query = {};
    std::string_view figures_query = {};

    // Loads and attaches; registers resolvers for its dictionaries in `names`, which outlives what is
    // running. On an error nothing stays in the kernel.
    Result<std::unique_ptr<Running>> (*start)(const StartOptions& options, Names& names);
    // For one that runs on request: what it would use here, without starting it.
    std::vector<HookUse> (*outlook)() = nullptr;

    // What the option that asks for it means here, a line each, without watching it; null where that is no question.
    Result<std::string> (*listing)(const OptionValues& values) = nullptr;

    // Needs no kernel: live data, replay, tests and the fuzzer share it.
    Result<Row> read(Bytes record) const { return read_record(schemas, record); }
};

// Of these schemas, each at the place of its kind, those whose table is among `tables`: a bit for each kind.
std::uint64_t kinds_named(std::span<const Schema* const> schemas, std::span<const std::string> tables);

// Whether one of these schemas says that the kernel can filter by this field.
bool can_filter(std::span<const Schema* const> schemas, std::string_view field);

}  // namespace waggle
