// SPDX-License-Identifier: Apache-2.0
// From record to row to table to columns, for each schema of each room; items are rows.
#include <benchmark/benchmark.h>

#include "bench.h"
#include "model/columns.h"
#include "model/table.h"
#include "records.h"

namespace waggle::bench {
namespace {

constexpr std::size_t record_count =
    1024;  // stays in the second-level cache, as what just crossed the ring does

// Sensor::read: the record checked and seen as a row.
void read(benchmark::State& state, const Kind& kind) {
    const Records records(kind.schema(), kind.index, record_count);
    for (auto _ : state)
        for (const Bytes record : records.all()) {
            Result<Row> row = kind.sensor->read(record);
            if (!row) return state.SkipWithError(row.error().message.c_str());
            benchmark::DoNotOptimize(*row);
        }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * record_count));
}

// The same, and the row copied into its table, which is full and gives up its oldest.
void read_and_append(benchmark::State& state, const Kind& kind) {
    const Records records(kind.schema(), kind.index, record_count);
    Table table(kind.schema(), 1u << 20);
    for (auto _ : state)
        for (const Bytes record : records.all()) {
            const Result<Row> row = kind.sensor->read(record);
            if (!row) return state.SkipWithError(row.error().message.c_str());
            table.append(*row);
        }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * record_count));
}

// Every column of every row, as SQL and every sink reads it.
void read_columns(benchmark::State& state, const Kind& kind) {
    const Records records(kind.schema(), kind.index, record_count);
    const std::vector<Column> columns = columns_of(kind.schema());
    Names names;
    const Lookup lookup{&names, nullptr};
    Value value;
    for (auto _ : state)
        for (const Bytes record : records.all()) {
            const Row row(kind.schema(), record);
            for (const Column& column : columns) {
                read_column(row, column, lookup, value);
                benchmark::DoNotOptimize(value);
            }
        }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * record_count));
    state.counters["columns"] = static_cast<double>(columns.size());
}

}  // namespace

void register_decode() {
    static const std::vector<Kind> kinds = all_kinds();
    for (const Kind& kind : kinds) {
        benchmark::RegisterBenchmark(("read/" + kind.name).c_str(), [&](auto& state) { read(state, kind); });
        benchmark::RegisterBenchmark(("append/" + kind.name).c_str(),
                                     [&](auto& state) { read_and_append(state, kind); });
        benchmark::RegisterBenchmark(("columns/" + kind.name).c_str(),
                                     [&](auto& state) { read_columns(state, kind); });
    }
}

}  // namespace waggle::bench
