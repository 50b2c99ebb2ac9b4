// SPDX-License-Identifier: Apache-2.0
// The `self` sensor: what waggle itself lost, as rows like any others.
#pragma once

#include <string_view>

#include "model/record_writer.h"
#include "model/schema.h"

namespace waggle::agent {

struct self_record {
    __u64 time_ns;
    char sensor[32];
    char cause[64];
    __u64 count;
};

const Schema& self_schema();

// One loss as a record; the bytes live until the next call on `writer`.
Bytes self_row(RecordWriter<self_record>& writer, std::uint64_t time_ns, std::string_view sensor,
               std::string_view cause, std::uint64_t count);

}  // namespace waggle::agent
