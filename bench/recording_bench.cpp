// SPDX-License-Identifier: Apache-2.0
// Recordings written and read; items are rows.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"
#include "bench.h"
#include "recording/recording.h"
#include "records.h"

namespace waggle::bench {
namespace {

constexpr std::size_t batch = 256;  // as the ring hands them over
constexpr std::size_t batches = 100;

class Counter final : public agent::RecordingVisitor {
  public:
    void on_schema(const Schema&, bool) override {}
    void on_row(const Row& row) override {
        benchmark::DoNotOptimize(row.bytes().data());
        ++rows;
    }
    void on_name(std::string_view, std::uint64_t, std::string_view) override {}
    void on_subject(const agent::SubjectKey&, Subject) override {}
    void on_memory(std::size_t) override {}
    void on_fact_again(const Schema&) override {}
    void on_moment(agent::RecordedMoment) override {}

    std::size_t rows = 0;
};

std::string path() { return "/tmp/waggle-bench-" + std::to_string(::getpid()) + ".waggle"; }

Result<std::uint64_t> write(const Kind& kind, const std::vector<Row>& rows) {
    Names names;
    auto writer = agent::RecordingWriter::create(path(), 64u << 20);
    if (!writer) return writer.error();
    for (std::size_t i = 0; i < batches; ++i) writer->rows(kind.schema(), false, rows, {&names, nullptr});
    if (auto closed = writer->close(); !closed) return closed.error();
    return writer->bytes_written();
}

std::vector<Row> rows_of(const Kind& kind, const Records& records) {
    std::vector<Row> rows;
    for (const Bytes record : records.all()) rows.emplace_back(kind.schema(), record);
    return rows;
}

void write_recording(benchmark::State& state, const Kind& kind) {
    const Records records(kind.schema(), kind.index, batch);
    const std::vector<Row> rows = rows_of(kind, records);
    std::uint64_t bytes = 0;
    for (auto _ : state) {
        const Result<std::uint64_t> written = write(kind, rows);
        if (!written) return state.SkipWithError(written.error().message.c_str());
        bytes += *written;
    }
    std::remove(path().c_str());
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * batch * batches));
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

void read_recording(benchmark::State& state, const Kind& kind) {
    const Records records(kind.schema(), kind.index, batch);
    if (const auto written = write(kind, rows_of(kind, records)); !written)
        return state.SkipWithError(written.error().message.c_str());
    const Result<std::string> file = read_file(path());
    std::remove(path().c_str());
    if (!file) return state.SkipWithError(file.error().message.c_str());
    std::vector<std::uint64_t> words((file->size() + 7) / 8);
    std::memcpy(words.data(), file->data(), file->size());
    for (auto _ : state) {
        auto reader = agent::RecordingReader::open(std::as_bytes(std::span(words)).first(file->size()));
        if (!reader) return state.SkipWithError(reader.error().message.c_str());
        Counter counter;
        const std::string problem = reader->read(counter);
        if (counter.rows != batch * batches)
            return state.SkipWithError(("rows are missing: " + problem).c_str());
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * batch * batches));
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * file->size()));
}

}  // namespace

void register_recording() {
    static const std::vector<Kind> kinds = all_kinds();
    for (const Kind& kind : kinds) {
        if (kind.name != "process_exec") continue;  // the longest record of those that come often
        benchmark::RegisterBenchmark("recording/write", [&](auto& state) { write_recording(state, kind); });
        benchmark::RegisterBenchmark("recording/read", [&](auto& state) { read_recording(state, kind); });
    }
}

}  // namespace waggle::bench
