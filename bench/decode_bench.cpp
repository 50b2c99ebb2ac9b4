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

// Each does one pass over all records and says whether it could.

// Source::read: the record checked and seen as a row.
class Read {
  public:
    explicit Read(const Kind& kind) : kind_(kind) {}
    bool pass(const Records& records) {
        for (const Bytes record : records.all()) {
            Result<Row> row = kind_.source->read(record);
            if (!row) return false;
            benchmark::DoNotOptimize(*row);
        }
        return true;
    }

  private:
    const Kind& kind_;
};

// The same, and the row copied into its table, which is full and gives up its oldest.
class Append {
  public:
    explicit Append(const Kind& kind) : kind_(kind), table_(kind.schema(), 1u << 20) {}
    bool pass(const Records& records) {
        for (const Bytes record : records.all()) {
            const Result<Row> row = kind_.source->read(record);
            if (!row) return false;
            table_.append(*row);
        }
        return true;
    }

  private:
    const Kind& kind_;
    Table table_;
};

// Every column of every row, as SQL and every sink reads it.
class ReadColumns {
  public:
    explicit ReadColumns(const Kind& kind) : schema_(kind.schema()), columns_(columns_of(schema_)) {}
    bool pass(const Records& records) {
        for (const Bytes record : records.all()) {
            const Row row(schema_, record);
            for (const Column& column : columns_) {
                read_column(row, column, lookup_, value_);
                benchmark::DoNotOptimize(value_);
            }
        }
        return true;
    }

  private:
    const Schema& schema_;
    std::vector<Column> columns_;
    Names names_;
    Lookup lookup_{&names_, nullptr};
    Value value_;
};

template <class Work>
void measure(benchmark::State& state, const Kind& kind) {
    const Records records(kind.schema(), kind.index, record_count);
    Work work(kind);
    for (auto _ : state)
        if (!work.pass(records)) return state.SkipWithError("a record was refused");
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * record_count));
}

template <class Work>
bool repeat_passes(const Kind& kind, std::size_t items) {
    const Records records(kind.schema(), kind.index, 1000);
    Work work(kind);
    for (std::size_t done = 0; done < items; done += 1000)
        if (!work.pass(records)) return false;
    return true;
}

}  // namespace

void register_decode() {
    static const std::vector<Kind> kinds = all_kinds();
    const auto add = [](const std::string& name, void (*run)(benchmark::State&, const Kind&),
                        const Kind& kind) {
        benchmark::RegisterBenchmark(name.c_str(),
                                     [run, &kind](benchmark::State& state) { run(state, kind); });
    };
    for (const Kind& kind : kinds) {
        add("read/" + kind.name, measure<Read>, kind);
        add("append/" + kind.name, measure<Append>, kind);
        add("columns/" + kind.name, measure<ReadColumns>, kind);
    }
}

bool repeat(std::string_view name, std::size_t items) {
    if (name == "ring_to_table") return repeat_ring(items);
    for (const Kind& kind : all_kinds()) {
        if (name == "read/" + kind.name) return repeat_passes<Read>(kind, items);
        if (name == "append/" + kind.name) return repeat_passes<Append>(kind, items);
        if (name == "columns/" + kind.name) return repeat_passes<ReadColumns>(kind, items);
    }
    return false;
}

}  // namespace waggle::bench
