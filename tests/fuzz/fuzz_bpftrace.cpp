// SPDX-License-Identifier: Apache-2.0
// Any bytes as a line of bpftrace: no record, or records of which every column can be said.
#include <cstdint>
#include <cstdlib>

#include "model/columns.h"
#include "sensors/bpftrace/bpftrace.h"
#include "sensors/bpftrace/bpftrace_lines.h"

using namespace waggle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    sensors::read_bpftrace_line({reinterpret_cast<const char*>(data), size}, 1,
                                [](std::span<const Bytes> records) {
                                    for (const Bytes record : records) {
                                        const Result<Row> row = sensors::bpftrace_source.read(record);
                                        if (!row) std::abort();
                                        for (const Column& column : columns_of(row->schema()))
                                            format_column(*row, column, {});
                                    }
                                });
    return 0;
}
