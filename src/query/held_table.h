// SPDX-License-Identifier: Apache-2.0
// Tables whose rows SQL holds itself: a view's, computed when it is first read in a moment, and rows that
// were given.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/sql.h"

struct sqlite3;

namespace waggle::explain {

// Rows of values, 16 bytes a value and the texts behind each other.
class HeldRows {
  public:
    explicit HeldRows(std::size_t columns = 0) : columns_(columns) {}

    void append(const Cell& cell);  // row by row, column by column
    void clear();
    std::size_t size() const { return columns_ == 0 ? 0 : values_.size() / columns_; }
    std::size_t bytes() const { return values_.size() * sizeof(Held) + texts_.size(); }
    Cell at(std::size_t row, std::size_t column) const;

    // The rows whose values in these columns can equal `wanted` in SQL's sense: all that do, and some that do
    // not.
    const std::vector<std::uint32_t>& candidates(const std::vector<int>& columns,
                                                 std::span<const Cell> wanted);

  private:
    struct Held {
        Value::Kind kind;
        std::uint32_t size;  // of a text
        union {
            std::int64_t integer;
            double real;
            std::uint64_t text;  // offset in texts_
        };
    };
    using Index = std::unordered_map<std::string, std::vector<std::uint32_t>>;

    std::size_t columns_;
    std::vector<Held> values_;
    std::string texts_;
    std::map<std::vector<int>, Index> indexes_;  // by columns; made when first asked for
};

struct HeldTable {
    std::string name;
    std::vector<std::string> columns;
    std::vector<std::string> types;     // as SQLite declares them; "" for none
    std::vector<std::string> meanings;  // of given rows
    std::string select;                 // of a view; empty where rows are only given
    std::set<std::string> tables;       // of a view: the relations it reads, through other views too
    std::set<std::string> views;        // the views it reads, through other views too
    bool reads_system = false;          // one of its tables is read from the system when it is opened
    bool given = false;                 // the rows were given, and are not computed
    bool fresh = false;                 // the rows are of this moment
    HeldRows rows;

    std::string declaration() const;
};

class HeldTables {
  public:
    virtual ~HeldTables() = default;
    virtual HeldTable* find_held(std::string_view name) = 0;
    // Fills `table.rows`; SQLite's code, and the reason where it is not SQLITE_OK.
    virtual int compute(HeldTable& table, std::string& reason) = 0;
};

// Registers the module "held". `tables` outlives `db`.
int register_held_module(sqlite3* db, HeldTables* tables);

}  // namespace waggle::explain
