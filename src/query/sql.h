// SPDX-License-Identifier: Apache-2.0
// Sql: questions over relations, asked in SQLite's SQL over virtual tables that read the rows where they lie.
//
// Every relation is a table of its schema's name with the columns of model/columns.h; an integer above the
// largest i64 is a real number there, or its digits as text in a column that identifies. Built in besides
// SQLite's own functions:
//   hist_percentile(histogram, share)  aggregate: the value that the given share (0 to 1) of all values does not
//                                      exceed, in the histogram's unit, within 1/32 of it; of a histogram by
//                                      powers of two its slot's upper bound; NULL where nothing was counted
//   hist_merge(histogram)              aggregate: the histogram of all rows together
//   hist_count(histogram)              how many values a histogram counted
//   text_shape(text)                   the text without what changes from one time to the next: text_shape.h
// Read-only: no statement can write, attach, or load anything; text in double quotes is a name, never a text.
// Work is bounded: 5 s, 256 MiB of SQLite's memory in the process, 16 MiB a value. Not thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/columns.h"
#include "model/table.h"
#include "query/cost_meter.h"
#include "waggle/result.h"

namespace waggle::explain {

// A value that owns its text.
struct Cell {
    Value::Kind kind = Value::Kind::null;
    std::int64_t integer = 0;
    double real = 0;
    std::string text;  // also a blob's bytes; raw, not escaped

    bool is_null() const { return kind == Value::Kind::null; }
    double number() const;        // integer or real; text parsed; 0 for null
    std::string as_text() const;  // as SQL would cast it to text; "" for null
};

struct ResultColumn {
    std::string name;
    Unit unit = Unit::none;  // by the name's ending (_ns, _bytes, _percent, _per_second, pid …): unit_of_name
};

struct ResultSet {
    std::vector<ResultColumn> columns;
    std::vector<std::vector<Cell>> rows;
    bool cut = false;  // more rows than asked for were there

    std::optional<std::size_t> column(std::string_view name) const;
};

Unit unit_of_name(std::string_view column);

class Sql {
  public:
    static Result<Sql> open();
    Sql(Sql&&) noexcept;
    Sql& operator=(Sql&&) noexcept;
    ~Sql();

    // The relation and what `lookup` points to outlive this object. A second relation of the same name
    // replaces the first.
    Result<void> add(const Relation& relation, const Lookup& lookup);

    // What a statement needs and gives.
    struct Uses {
        std::vector<std::string> columns;     // of its result
        std::vector<std::string> parameters;  // without the colon
        std::vector<std::string> tables;      // the relations it reads, through views too
        std::vector<std::string> views;       // the views it reads, through other views too
        std::vector<std::string> named;       // tables and views that it names itself
    };

    struct TableColumn {
        std::string name;
        std::string meaning;
        std::string type;  // as SQLite declares it: " INTEGER"; "" for none
    };
    // Of a column of a relation or of given rows, as long as these stand; null where there is none of these names.
    std::optional<std::string_view> meaning_of(std::string_view table, std::string_view column) const;
    // A table of rows that are given as they are, for tests of rules; empty until set_rows().
    Result<void> add_rows(std::string_view name, std::span<const TableColumn> columns);
    // Gives the rows of such a table, or of a view, which is then not computed; forget_rows() takes all back.
    // What other views hold already stays as it is.
    Result<void> set_rows(std::string_view name, std::span<const std::vector<Cell>> rows);
    void forget_rows();

    // Views: named queries, read like tables. One is computed when it is first read and then kept until
    // forget_views(). Refused where a table or a view of the name is there. `uses` is what check() said of `select`.
    Result<void> add_view(std::string_view name, std::string_view select, const Uses& uses);
    void forget_views();                          // what they hold; a new moment begins
    void drop_views();                            // and what was kept
    bool has_table(std::string_view name) const;  // a relation, a view or given rows

    // A scalar function for SQL; called with the arguments, returns one value.
    using Function = std::function<Cell(std::span<const Cell>)>;
    Result<void> add_function(std::string_view name, int argument_count, Function function);

    // Named parameters (:pid) are bound from `parameters`; one that is missing is an error that names it.
    struct Parameter {
        std::string_view name;  // without the colon
        Cell value;
    };
    Result<ResultSet> query(std::string_view sql, std::span<const Parameter> parameters = {},
                            std::size_t most = 10000);

    // The statement with every parameter written out as a literal: what a person can paste into `waggle
    // query`.
    Result<std::string> expand(std::string_view sql, std::span<const Parameter> parameters);

    // Checks that a statement can run (tables, columns, syntax); the error gives the reason and the nearest
    // right word.
    Result<Uses> check(std::string_view sql);
    // Where in its statement the last failed query() or check() went wrong, in bytes, if that is known.
    std::optional<std::size_t> error_offset() const;

    // Statements that are asked again and again: once prepared they are kept ready whatever else is asked.
    void keep(std::string_view sql);

    // What went into views and into relations that are read when they are opened.
    CostMeter& meter();

    // How much of a processor one query may use before it is ended with an error; 5 s unless told. It is ended
    // too when six times as long has passed.
    void limit_time(std::chrono::milliseconds most);

  private:
    struct State;
    explicit Sql(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle::explain
