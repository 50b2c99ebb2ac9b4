// SPDX-License-Identifier: Apache-2.0
// Store: everything an answer rests on: tables of recent rows, facts, names, subjects, and the SQL over them.
// Filled by a live session or by a recording; the rules cannot tell which.
//
// Two threads at most, once it is set up: the reader appends to tables (table(), Table::append) and keeps
// names; the asker does the rest. The asker sees the rows there were when its moment began, so it holds up
// nobody and its queries agree with each other.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/columns.h"
#include "model/table.h"
#include "query/sql.h"
#include "query/window.h"
#include "store/fact_table.h"
#include "store/recorded_rows.h"
#include "waggle/result.h"

namespace waggle::agent {

class SocketFunctions;

// A relation that is worked out from the store's others when it is first asked in a moment.
class Derived : public Relation {
  public:
    virtual void forget() = 0;  // another moment begins
    bool read_when_opened() const override { return true; }
};

class Store {
  public:
    // `memory_bytes` bounds all tables of rows together; each may use the share its schema's weight gives it
    // among them. `subjects` outlives the store.
    static Result<std::unique_ptr<Store>> create(std::size_t memory_bytes, const Subjects& subjects);
    // Below this, tables of these schemas do not find room together.
    static std::size_t least_memory(std::span<const Schema* const> schemas);
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store();

    Names& names() { return names_; }
    const Lookup& lookup() const { return lookup_; }
    explain::Sql& sql() { return sql_; }

    // Tables of these will come: their shares are kept free from now on, so that a table's share does not
    // depend on the order in which they are made. The first thing a store is told.
    Result<void> expect(std::span<const Schema* const> schemas);
    // Makes the schema's table, or gives the one there is; the others' shares shrink. Refused where a share
    // would be less than a table needs. Before the reader starts. The schema outlives the store.
    Result<Table*> add_table(const Schema& schema);
    Table* table(std::string_view name);
    std::span<Table* const> tables() const { return order_; }

    // A fact read live.
    Result<void> add_fact(std::unique_ptr<facts::Fact> fact, const Clock* clock = nullptr);  // as FactTable
    std::span<const std::unique_ptr<FactTable>> facts() const { return facts_; }
    // Reads those that `is_due` names and this moment has not read yet, in one tour through the network namespaces.
    void read_facts(const std::function<bool(const FactTable&)>& is_due);
    // A fact from a recording: a table outside the memory bound, since a fact without some of its rows is
    // false.
    Result<Table*> add_recorded_fact(const Schema& schema);

    // The rows of a recording where they lie: outside the memory bound, since they take none.
    Result<RecordedRows*> add_recorded_rows(const Schema& schema);

    Result<void> add_derived(std::unique_ptr<Derived> derived);
    // A table as SQL sees it, a fact, or a relation that is worked out; null where there is none.
    const Relation* relation(std::string_view name) const;
    const explain::WindowRelation& window() const { return window_; }

    // Begins a moment: the tables' rows are those there are now, facts will be read again, and the table
    // `window` says what the rules look at.
    void begin_moment(const explain::Window& window, std::uint64_t oldest_ns);

  private:
    Store(std::size_t memory_bytes, const Subjects& subjects, explain::Sql sql);
    Result<void> share_memory(const Schema& newcomer);
    std::size_t share_of(const Schema& schema) const;
    Result<Table*> insert(const Schema& schema, std::size_t budget);

    std::size_t memory_bytes_;
    std::uint32_t all_weights_ = 0;  // of the tables that share the memory, and of those that will
    std::size_t sharing_ = 0;        // how many these are
    std::uint32_t least_weight_ = UINT32_MAX;
    std::set<std::string, std::less<>> expected_;
    Names names_;
    Lookup lookup_;
    std::map<std::string, std::unique_ptr<Table>, std::less<>> tables_;
    std::vector<Table*> order_;
    std::vector<std::unique_ptr<TableView>> views_;  // what SQL sees of the tables
    facts::NamespaceTour tour_;
    std::vector<std::unique_ptr<FactTable>> facts_;
    std::vector<std::unique_ptr<RecordedRows>> recorded_;
    explain::WindowRelation window_;
    std::unique_ptr<SocketFunctions> functions_;
    std::vector<std::unique_ptr<Derived>> derived_;
    explain::Sql sql_;  // last: it borrows all of the above
};

}  // namespace waggle::agent
