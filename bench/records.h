// SPDX-License-Identifier: Apache-2.0
// Records like those of a busy server, for any schema: made from the schema alone, so that a new room is
// measured without a line here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/schema.h"
#include "model/source.h"
#include "waggle/bytes.h"

namespace waggle::bench {

// The records of one schema, one behind the other and 8-byte aligned as in a ring. The same at every run.
class Records {
  public:
    Records(const Schema& schema, std::uint16_t kind, std::size_t count);

    const Schema& schema() const { return *schema_; }
    const std::vector<Bytes>& all() const { return records_; }
    std::size_t total_bytes() const { return words_.size() * 8; }

  private:
    const Schema* schema_;
    std::vector<std::uint64_t> words_;
    std::vector<Bytes> records_;
};

// Every schema of every room, and the source that reads it.
struct Kind {
    std::string name;  // the schema's
    const Source* source;
    std::uint16_t index;
    const Schema& schema() const { return *source->schemas[index]; }
};
std::vector<Kind> all_kinds();

}  // namespace waggle::bench
