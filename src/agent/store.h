// SPDX-License-Identifier: Apache-2.0
// Store: everything an answer rests on: tables of recent rows, facts, names, subjects, and the SQL over them.
// Filled by a live session or by a recording; the rules cannot tell which.
//
// Not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/fact_table.h"
#include "explain/sql.h"
#include "explain/window.h"
#include "model/columns.h"
#include "model/table.h"
#include "waggle/result.h"

namespace waggle::agent {

class FirewallFunctions;

class Store {
  public:
    // `memory_bytes` bounds all tables of rows together; each schema may use an equal share. `subjects`
    // outlives the store.
    static Result<std::unique_ptr<Store>> create(std::size_t memory_bytes, const Subjects& subjects);
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store();

    Names& names() { return names_; }
    const Lookup& lookup() const { return lookup_; }
    explain::Sql& sql() { return sql_; }

    // Makes the schema's table, or gives the one there is. The schema outlives the store.
    Result<Table*> add_table(const Schema& schema);
    Table* table(std::string_view name);
    std::span<Table* const> tables() const { return order_; }

    // A fact read live.
    Result<void> add_fact(std::unique_ptr<facts::Fact> fact);
    std::span<const std::unique_ptr<FactTable>> facts() const { return facts_; }
    // A fact from a recording: a table outside the memory bound, since a fact without some of its rows is
    // false.
    Result<Table*> add_recorded_fact(const Schema& schema);

    // Begins a moment: facts will be read anew, and the table `window` says what the rules look at.
    void begin_moment(const explain::Window& window, std::uint64_t oldest_ns);

  private:
    Store(std::size_t memory_bytes, const Subjects& subjects, explain::Sql sql);
    Result<Table*> insert(const Schema& schema, std::size_t budget);

    std::size_t memory_bytes_;
    Names names_;
    Lookup lookup_;
    std::map<std::string, std::unique_ptr<Table>, std::less<>> tables_;
    std::vector<Table*> order_;
    std::vector<std::unique_ptr<FactTable>> facts_;
    explain::WindowRelation window_;
    std::unique_ptr<FirewallFunctions> firewall_;
    explain::Sql sql_;  // last: it borrows all of the above
};

// How many schemas share a store's memory, at most.
inline constexpr std::size_t tables_sharing_memory = 16;

}  // namespace waggle::agent
