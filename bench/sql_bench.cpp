// SPDX-License-Identifier: Apache-2.0
// SQL over a table of 50,000 rows; items are rows scanned.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "bench.h"
#include "model/table.h"
#include "query/sql.h"
#include "records.h"

namespace waggle::bench {
namespace {

constexpr std::size_t row_count = 50'000;

// process_exit: numbers, names of numbers and a text, and no room whose rows another build may lack.
struct Asked {
    std::vector<Kind> kinds = all_kinds();
    const Kind& kind =
        *std::find_if(kinds.begin(), kinds.end(), [](const Kind& k) { return k.name == "process_exit"; });
    Records records{kind.schema(), kind.index, row_count};
    Table table{kind.schema(), 64u << 20};
    Names names;
    Lookup lookup{&names, nullptr};
    Result<explain::Sql> sql = explain::Sql::open();

    Asked() {
        for (const Bytes record : records.all()) table.append(Row(kind.schema(), record));
        if (!sql) return;
        if (auto added = sql->add(table, lookup); !added) sql = added.error();
    }
};

void ask(benchmark::State& state, std::string_view query) {
    Asked asked;
    if (!asked.sql) return state.SkipWithError(asked.sql.error().message.c_str());
    for (auto _ : state) {
        Result<explain::ResultSet> result = asked.sql->query(query);
        if (!result) return state.SkipWithError(result.error().message.c_str());
        benchmark::DoNotOptimize(result->rows.data());
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * row_count));
}

// What every query costs before it reads a row: parsing and planning.
void ask_nothing(benchmark::State& state) {
    Asked asked;
    if (!asked.sql) return state.SkipWithError(asked.sql.error().message.c_str());
    asked.table.clear();
    for (auto _ : state) {
        Result<explain::ResultSet> result =
            asked.sql->query("select comm, count(*) from process_exit group by comm");
        if (!result) return state.SkipWithError(result.error().message.c_str());
    }
}

}  // namespace

void register_sql() {
    const auto add = [](const char* name, const char* query) {
        benchmark::RegisterBenchmark(name, [query](auto& state) { ask(state, query); });
    };
    add("sql/count", "select count(*) from process_exit");
    add("sql/filter", "select count(*), sum(ran_ns) from process_exit where exit_code > 10");
    add("sql/group_by_number", "select pid, count(*), sum(ran_ns) from process_exit group by pid");
    add("sql/group_by_text", "select comm, count(*), sum(ran_ns) from process_exit group by comm");
    benchmark::RegisterBenchmark("sql/empty", ask_nothing);
}

}  // namespace waggle::bench
