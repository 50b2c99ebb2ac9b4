// SPDX-License-Identifier: Apache-2.0
#include "query/sql.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "query/sql_functions.h"
#include "query/sql_state.h"
#include "query/sql_text.h"

namespace waggle::explain {
namespace {

constexpr sqlite3_int64 most_sqlite_memory = 256ll << 20;  // of the whole process; sorting and grouping
constexpr int operations_between_looks = 2000;             // at the clock, some 50 us

// What each virtual machine operation may be spent on is SQLite's business; how much of everything is ours.
constexpr std::pair<int, int> limits[] = {
    {SQLITE_LIMIT_LENGTH, 16 << 20},    {SQLITE_LIMIT_SQL_LENGTH, 256 << 10},
    {SQLITE_LIMIT_COLUMN, 500},         {SQLITE_LIMIT_EXPR_DEPTH, 200},
    {SQLITE_LIMIT_COMPOUND_SELECT, 64}, {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 500},
    {SQLITE_LIMIT_ATTACHED, 0},         {SQLITE_LIMIT_WORKER_THREADS, 0},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 0},
};

// SQLite makes its own table-valued functions at their first use, which the guard would refuse.
constexpr const char* first_statements[] = {
    "PRAGMA temp_store=MEMORY",
    "SELECT 1 FROM pragma_table_info('x'), pragma_table_xinfo('x'), pragma_table_list, pragma_function_list, "
    "json_each('{}'), json_tree('{}')",
};

}  // namespace

Sql::Sql(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sql::Sql(Sql&&) noexcept = default;
Sql& Sql::operator=(Sql&&) noexcept = default;
Sql::~Sql() = default;

Result<Sql> Sql::open() {
    auto state = std::make_unique<State>();
    constexpr int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(":memory:", &state->db, flags, nullptr) != SQLITE_OK)
        return Error{fmt::format("SQL engine: {}", state->db ? sqlite3_errmsg(state->db) : "no memory")};
    sqlite3* db = state->db;
    sqlite3_hard_heap_limit64(most_sqlite_memory);
    for (const auto& [what, most] : limits) sqlite3_limit(db, what, most);
    // "reson" in double quotes is a column that is not there, never the text reson.
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    for (const char* statement : first_statements)
        if (auto ran = state->run(statement); !ran) return ran.error();
    if (register_relation_module(db, state.get()) != SQLITE_OK ||
        register_held_module(db, state.get()) != SQLITE_OK || register_histogram_functions(db) != SQLITE_OK ||
        register_text_functions(db) != SQLITE_OK)
        return Error{fmt::format("SQL engine: {}", sqlite3_errmsg(db))};
    sqlite3_set_authorizer(db, State::authorize, state.get());
    sqlite3_progress_handler(db, operations_between_looks, State::look_at_clock, state.get());
    return Sql(std::move(state));
}

CostMeter& Sql::meter() { return state_->meter; }
void Sql::limit_time(std::chrono::milliseconds most) { state_->time_limit = most; }
std::optional<std::size_t> Sql::error_offset() const { return state_->error_offset; }

Result<void> Sql::add(const Relation& relation, const Lookup& lookup) {
    const Schema& schema = relation.schema();
    const std::string name(schema.name);
    if (auto named = check_name(name); !named) return named;
    const std::string quoted = "\"" + name + "\"";
    state_->kept.clear();
    const bool known = state_->tables.contains(name);
    if (known)
        if (auto dropped = state_->run("DROP TABLE " + quoted); !dropped) return dropped;
    state_->tables[name] = std::make_unique<RelationTable>(
        RelationTable{&relation, dynamic_cast<const FindsRows*>(&relation), lookup, columns_of(schema),
                      &state_->meter, &state_->time});
    auto made = state_->run("CREATE VIRTUAL TABLE " + quoted + " USING relation");
    if (!made) {
        state_->tables.erase(name);
        return while_doing(fmt::format("table {}", name), made.error());
    }
    return {};
}

Result<void> Sql::add_rows(std::string_view name, std::span<const TableColumn> columns) {
    auto table = std::make_unique<HeldTable>();
    table->name = name;
    for (const TableColumn& column : columns) {
        table->columns.push_back(column.name);
        table->types.push_back(column.type);
        table->meanings.push_back(column.meaning);
    }
    table->given = true;
    return state_->create(std::move(table));
}

std::optional<std::string_view> Sql::meaning_of(std::string_view table, std::string_view column) const {
    if (const RelationTable* relation = state_->find(table)) {
        const auto found = std::ranges::find(relation->columns, column, &Column::name);
        if (found != relation->columns.end()) return found->meaning;
    } else if (const HeldTable* rows = state_->find_held(table); rows && !rows->meanings.empty()) {
        const auto found = std::ranges::find(rows->columns, column);
        if (found != rows->columns.end())
            return rows->meanings[static_cast<std::size_t>(found - rows->columns.begin())];
    }
    return {};
}

Result<void> Sql::set_rows(std::string_view name, std::span<const std::vector<Cell>> rows) {
    HeldTable* table = state_->find_held(name);
    if (!table) return Error{fmt::format("no view or given table {}", escape_control(name))};
    table->given = true;
    table->rows.clear();
    for (const std::vector<Cell>& row : rows) {
        if (row.size() != table->columns.size())
            return Error{fmt::format("a row of {} has {} values", name, table->columns.size())};
        for (const Cell& cell : row) table->rows.append(cell);
    }
    return {};
}

void Sql::forget_rows() {
    for (const auto& [name, table] : state_->held) {
        table->given = table->select.empty();
        table->fresh = false;
        table->rows.clear();
    }
}

Result<void> Sql::add_view(std::string_view name, std::string_view select, const Uses& uses) {
    if (!uses.parameters.empty())
        return Error{fmt::format("a view has no parameters, and uses :{}", uses.parameters.front()),
                     ErrorKind::usage};
    auto table = std::make_unique<HeldTable>();
    table->name = name;
    table->columns = uses.columns;
    table->types.resize(uses.columns.size());
    table->select = select;
    table->tables.insert(uses.tables.begin(), uses.tables.end());
    table->views.insert(uses.views.begin(), uses.views.end());
    for (const std::string& read : table->tables)
        if (const RelationTable* relation = state_->find(read))
            table->reads_system |= relation->relation->read_when_opened();
    if (auto made = state_->create(std::move(table)); !made) return made;
    keep(select);
    return {};
}

void Sql::forget_views() {
    for (const auto& [name, table] : state_->held) table->fresh = false;
}

void Sql::drop_views() {
    state_->kept.clear();
    state_->to_keep.clear();
    std::erase_if(state_->held, [&](const auto& entry) {
        return !entry.second->select.empty() && state_->run("DROP TABLE \"" + entry.first + "\"");
    });
}

bool Sql::has_table(std::string_view name) const {
    return state_->tables.contains(name) || state_->held.contains(name);
}

void Sql::keep(std::string_view sql) { state_->to_keep.emplace(sql); }

Result<void> Sql::add_function(std::string_view name, int argument_count, Function function) {
    if (register_function(state_->db, std::string(name), argument_count, std::move(function)) != SQLITE_OK)
        return Error{fmt::format("function {}: {}", name, sqlite3_errmsg(state_->db))};
    return {};
}

Result<ResultSet> Sql::query(std::string_view sql, std::span<const Parameter> parameters, std::size_t most) {
    const Result<sqlite3_stmt*> ready = state_->ready(sql);
    if (!ready) return ready.error();
    sqlite3_stmt* statement = *ready;
    const Run run{statement};
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
        const std::string_view name = sqlite3_bind_parameter_name(statement, i) + 1;
        const auto given = std::find_if(parameters.begin(), parameters.end(),
                                        [&](const Parameter& parameter) { return parameter.name == name; });
        if (given == parameters.end())
            return Error{fmt::format("the query needs a value for :{}", name), ErrorKind::usage};
        if (bind_cell(statement, i, given->value) != SQLITE_OK)
            return Error{fmt::format("the value for :{} is too large", name)};
    }

    ResultSet result;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        const char* name = sqlite3_column_name(statement, i);
        result.columns.push_back({name ? name : "", unit_of_name(name ? name : "")});
    }
    state_->time.begin(state_->time_limit);
    std::size_t bytes = 0;
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (result.rows.size() == most || bytes > most_result_bytes) {
            result.cut = true;
            break;
        }
        std::vector<Cell>& row = result.rows.emplace_back();
        row.reserve(result.columns.size());
        for (std::size_t i = 0; i < result.columns.size(); ++i) {
            row.push_back(cell_of_column(statement, static_cast<int>(i)));
            bytes += sizeof(Cell) + row.back().text.size();
        }
    }
    state_->time.end();
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) return state_->explain_error(sql, rc);
    return result;
}

Result<std::string> Sql::expand(std::string_view sql, std::span<const Parameter> parameters) {
    std::optional<Error> missing;
    std::string out = replace_parameters(sql, [&](std::string_view name) -> std::string {
        for (const Parameter& parameter : parameters)
            if (parameter.name == name) return sql_literal(parameter.value);
        if (!missing) missing = Error{fmt::format("the query needs a value for :{}", name), ErrorKind::usage};
        return {};
    });
    if (missing) return *missing;
    return std::string(trim(out));
}

Result<Sql::Uses> Sql::check(std::string_view sql) {
    auto prepared = state_->prepare(sql);
    if (!prepared) return prepared.error();
    return state_->uses_of(prepared->handle);
}

}  // namespace waggle::explain
