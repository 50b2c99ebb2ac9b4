// SPDX-License-Identifier: Apache-2.0
// FactTable: one fact as a relation, read from the system at most once per moment and only when a query opens
// it, or together with others that are due.
//
// Cumulative fields gain a column <name>_delta: what was added since an earlier reading, null while there is
// no earlier reading. `delta_seconds` says how long that was. Not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "facts/fact.h"
#include "model/found_rows.h"
#include "model/table.h"

namespace waggle::agent {

class FactTable final : public Relation, public FindsRows {
  public:
    // `tour` is that of all facts; without one each reading goes on its own. `clock` tells when a reading is made, which on a
    // busy machine is seconds after its moment began; without one it is made when its moment begins. Both outlive the table.
    explicit FactTable(std::unique_ptr<facts::Fact> fact, facts::NamespaceTour* tour = nullptr,
                       const Clock* clock = nullptr);

    // Begins a new moment: the next open() reads the system. Deltas are taken against the oldest reading that
    // is not older than `oldest_ns`; older readings are forgotten.
    void begin_moment(std::uint64_t now_ns, std::uint64_t oldest_ns);
    // Reads now, unless this moment has been read already.
    void read() const;
    // The same of several, in one tour through the network namespaces.
    static void read_together(std::span<const FactTable* const> tables, facts::NamespaceTour& tour);

    bool looks_back() const { return fact_->looks_back(); }
    bool was_read() const { return read_; }
    bool has_counters() const { return !counters_.empty(); }
    const std::string& problem() const {
        return problem_;
    }  // why the last reading is not whole; empty if it is
    const Table& rows() const { return *table_; }

    const Schema& schema() const override { return schema_; }
    std::unique_ptr<Cursor> open() const override;
    std::unique_ptr<Cursor> open_where(const Field& field, std::int64_t value) const override;
    std::uint64_t row_count() const override;
    bool read_when_opened() const override { return true; }

  private:
    // The counters of one reading, by the row's key fields. A hundred thousand of them stand for what 500 network
    // namespaces count, so they lie behind each other, and a row is looked for where the one before it was found:
    // the system gives its rows in the same order each time.
    class Reading {
      public:
        explicit Reading(std::uint64_t when_ns) : time_ns(when_ns) {}
        void add_key(std::string_view key);
        void add_value(std::int64_t value) { values_.push_back(value); }
        // The row of that key, by its place; nothing where there is none. `near` is where it is looked for first.
        std::optional<std::size_t> find(std::string_view key, std::size_t near) const;
        std::int64_t value(std::size_t row, std::size_t counter, std::size_t counters) const {
            return values_[row * counters + counter];
        }

        std::uint64_t time_ns;

      private:
        std::string_view key(std::size_t row) const {
            const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
            return std::string_view(keys_).substr(begin, ends_[row] - begin);
        }

        std::string keys_;
        std::vector<std::size_t> ends_;
        std::vector<std::int64_t> values_;
        mutable std::unordered_map<std::string_view, std::size_t> places_;  // made when the order fails
    };
    // A reading that goes on.
    struct Going {
        Reading reading;
        std::size_t near = 0;
        std::string key;
        std::vector<std::uint64_t> record;
    };
    using Index = std::unordered_map<std::int64_t, std::vector<Row>>;

    void begin_reading() const;
    void end_reading(const Result<void>& done) const;
    void add(const Row& row) const;
    void put_key(const Row& row, std::string& key) const;

    std::unique_ptr<facts::Fact> fact_;
    facts::NamespaceTour* tour_;
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
    mutable std::optional<Going> going_;
    mutable std::map<const Field*, Index> indexes_;  // of the rows there are; made when first asked for
    mutable std::unique_ptr<Table> table_;
    mutable bool read_ = false;
    mutable std::string problem_;
};

}  // namespace waggle::agent
