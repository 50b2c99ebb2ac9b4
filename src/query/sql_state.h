// SPDX-License-Identifier: Apache-2.0
// What an Sql holds: SQLite's handle, the tables it may read and the statements it keeps; Sql's own.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "query/held_table.h"
#include "query/query_time.h"
#include "query/relation_module.h"
#include "query/sql.h"

namespace waggle::explain {

inline constexpr std::size_t most_result_bytes = 64u << 20;

struct Statement {
    sqlite3_stmt* handle = nullptr;
    Statement() = default;
    Statement(Statement&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    Statement& operator=(Statement&& other) noexcept {
        std::swap(handle, other.handle);
        return *this;
    }
    ~Statement() { sqlite3_finalize(handle); }
};

// A statement that was asked before, ready to be asked again: rules ask theirs every second, and preparing
// one costs as much as asking it of a quiet machine's tables.
struct KeptStatement {
    Statement statement;
    std::vector<std::string> tables;   // that it reads
    std::vector<std::uint64_t> sizes;  // how large they were when it was prepared
    std::uint64_t last_use = 0;
};

// Ends a statement's run whatever way it went, so that it holds no cursor into the tables.
struct Run {
    sqlite3_stmt* handle;
    ~Run() {
        sqlite3_reset(handle);
        sqlite3_clear_bindings(handle);
    }
};

struct Sql::State final : RelationTables, HeldTables {
    sqlite3* db = nullptr;
    std::map<std::string, std::unique_ptr<RelationTable>, std::less<>> tables;
    bool guarded = false;  // statements of strangers are run; ours before that make the tables
    std::set<std::string, std::less<>> read;  // tables the statement being prepared reads
    std::map<std::string, std::unique_ptr<HeldTable>, std::less<>> held;
    std::map<std::string, KeptStatement, std::less<>> kept;  // by their text
    std::set<std::string, std::less<>> to_keep;              // their texts
    std::uint64_t asked = 0;
    CostMeter meter;
    std::chrono::milliseconds time_limit{5000};
    QueryTime time;
    std::optional<std::size_t> error_offset;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() override {
        kept.clear();
        sqlite3_close(db);
    }

    const RelationTable* find(std::string_view name) const override {
        const auto found = tables.find(name);
        return found == tables.end() ? nullptr : found->second.get();
    }

    HeldTable* find_held(std::string_view name) override {
        const auto found = held.find(name);
        return found == held.end() ? nullptr : found->second.get();
    }
    int compute(HeldTable& table, std::string& reason) override;
    std::vector<std::uint64_t> sizes_of(std::span<const std::string> names);

    static int authorize(void* self, int action, const char* first, const char* second, const char*,
                         const char*);
    static int look_at_clock(void* self);

    Result<Statement> prepare(std::string_view sql);
    Result<sqlite3_stmt*> ready(std::string_view sql);
    void make_room();
    Uses uses_of(sqlite3_stmt* prepared) const;
    Result<void> create(std::unique_ptr<HeldTable> table);
    Error explain_error(std::string_view sql, int rc);
    std::string nearest_column(std::string_view sql, std::string_view word) const;
    std::string nearest_function(std::string_view word) const;
    Result<void> run(const std::string& sql);
};

// A name that can stand in any statement without quotes.
Result<void> check_name(std::string_view name);

}  // namespace waggle::explain
