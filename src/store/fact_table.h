// SPDX-License-Identifier: Apache-2.0
// FactTable: one fact as a relation, read from the system at most once per moment and only when a query opens
// it.
//
// Cumulative fields gain a column <name>_delta: what was added since an earlier reading, null while there is
// no earlier reading. `delta_seconds` says how long that was. Not thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "facts/fact.h"
#include "model/table.h"

namespace waggle::agent {

class FactTable final : public Relation {
  public:
    // `clock` tells when a reading is made, which on a busy machine is seconds after its moment began; it outlives the
    // table. Without one it is made when its moment begins.
    explicit FactTable(std::unique_ptr<facts::Fact> fact, const Clock* clock = nullptr);

    // Begins a new moment: the next open() reads the system. Deltas are taken against the oldest reading that
    // is not older than `oldest_ns`; older readings are forgotten.
    void begin_moment(std::uint64_t now_ns, std::uint64_t oldest_ns);
    // Reads now, unless this moment has been read already.
    void read() const;

    bool looks_back() const { return fact_->looks_back(); }
    bool was_read() const { return read_; }
    bool has_counters() const { return !counters_.empty(); }
    const std::string& problem() const {
        return problem_;
    }  // why the last reading is not whole; empty if it is
    const Table& rows() const { return *table_; }

    const Schema& schema() const override { return schema_; }
    std::unique_ptr<Cursor> open() const override;
    std::uint64_t row_count() const override;
    bool read_when_opened() const override { return true; }

  private:
    struct Reading {
        std::uint64_t time_ns;
        std::unordered_map<std::string, std::vector<std::int64_t>> counters;  // by the row's key fields
    };
    void add(const Row& row, Reading& reading) const;
    std::string key_of(const Row& row) const;

    std::unique_ptr<facts::Fact> fact_;
    const Clock* clock_;
    std::vector<std::string> names_;  // owns the names and meanings of the delta columns
    std::vector<std::string> meanings_;
    std::vector<Field> fields_;
    Schema schema_;                   // the fact's schema, widened by the delta columns
    std::vector<const Field*> keys_;  // of the fact's own schema
    std::vector<const Field*> counters_;
    std::uint64_t now_ns_ = 0;
    // Reading is what a const relation does when it is first opened.
    mutable std::deque<Reading> readings_;
    mutable std::unique_ptr<Table> table_;
    mutable bool read_ = false;
    mutable std::string problem_;
};

}  // namespace waggle::agent
