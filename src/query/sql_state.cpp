// SPDX-License-Identifier: Apache-2.0
// Statements: prepared under guard, kept, and their errors explained.
#include "query/sql_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "base/nearest.h"
#include "base/text.h"
#include "query/sql_functions.h"
#include "query/sql_text.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_kept_statements = 64;  // besides those that keep() names

constexpr std::string_view only_select = "only SELECT can be asked: the tables are read only";

// Pragmas that only describe.
bool harmless_pragma(std::string_view name) {
    return name == "table_info" || name == "table_xinfo" || name == "table_list" || name == "function_list";
}

bool ends_statement(std::string_view rest) {
    for (const SqlToken& token : sql_tokens(rest))
        if (token.text != ";") return false;
    return true;
}

}  // namespace

Result<void> check_name(std::string_view name) {
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string_view::npos)
        return Error{fmt::format("table {}: a table's name is made of a-z, 0-9 and _", escape_control(name))};
    return {};
}

// To a factor of four: SQLite chose its way through the tables by their sizes, and chooses again when they
// differ.
std::vector<std::uint64_t> Sql::State::sizes_of(std::span<const std::string> names) {
    std::vector<std::uint64_t> sizes;
    for (const std::string& name : names) {
        const RelationTable* table = find(name);
        const HeldTable* rows = table ? nullptr : find_held(name);
        const std::uint64_t size = table ? table->relation->row_count() : rows ? rows->rows.size() : 0;
        sizes.push_back((std::bit_width(size) + 1) / 2);
    }
    return sizes;
}

int Sql::State::authorize(void* self, int action, const char* first, const char* second, const char*,
                          const char*) {
    auto& state = *static_cast<State*>(self);
    if (!state.guarded) return SQLITE_OK;
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE:
            return SQLITE_OK;
        case SQLITE_READ:
            if (first && (state.tables.contains(std::string_view(first)) ||
                          state.held.contains(std::string_view(first))))
                state.read.emplace(first);
            return SQLITE_OK;
        case SQLITE_FUNCTION:
            return second && std::string_view(second) == "load_extension" ? SQLITE_DENY : SQLITE_OK;
        case SQLITE_PRAGMA:
            return first && harmless_pragma(first) ? SQLITE_OK : SQLITE_DENY;
        default:  // not an enum: SQLite may know actions that this list does not
            return SQLITE_DENY;
    }
}

int Sql::State::look_at_clock(void* self) { return static_cast<State*>(self)->time.is_over(); }

Result<void> Sql::State::run(const std::string& sql) {
    guarded = false;
    const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
    guarded = true;
    if (rc != SQLITE_OK) return Error{fmt::format("SQL engine: {}", sqlite3_errmsg(db))};
    return {};
}

Result<Statement> Sql::State::prepare(std::string_view sql) {
    read.clear();
    error_offset.reset();
    const std::optional<SqlToken> begin = first_sql_token(sql);
    if (!begin || (begin->text == ";" && ends_statement(sql)))
        return Error{"the query is empty", ErrorKind::usage};
    const std::string first = to_lower(begin->text);
    if (first != "select" && first != "with" && first != "values" && first != "explain" && first != "pragma")
        return Error{std::string(only_select), ErrorKind::usage};
    Statement statement;
    const char* tail = nullptr;
    const int rc = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement.handle, &tail);
    if (rc != SQLITE_OK) {
        if (const int at = sqlite3_error_offset(db); at >= 0) error_offset = static_cast<std::size_t>(at);
        return explain_error(sql, rc);
    }
    const auto used = static_cast<std::size_t>(tail - sql.data());
    if (!statement.handle || !ends_statement(sql.substr(used))) {
        error_offset = used;
        return Error{"only one statement can be asked at a time", ErrorKind::usage};
    }
    if (sqlite3_stmt_readonly(statement.handle) == 0)
        return Error{std::string(only_select), ErrorKind::usage};
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement.handle); ++i) {
        const char* name = sqlite3_bind_parameter_name(statement.handle, i);
        if (!name || name[0] != ':')
            return Error{fmt::format("parameters are written :name, not {}", name ? name : "?"),
                         ErrorKind::usage};
    }
    return statement;
}

// The statement, prepared now or kept from before; stays kept.
Result<sqlite3_stmt*> Sql::State::ready(std::string_view sql) {
    if (const auto found = kept.find(sql); found != kept.end()) {
        if (found->second.sizes == sizes_of(found->second.tables)) {
            error_offset.reset();
            found->second.last_use = ++asked;
            return found->second.statement.handle;
        }
        kept.erase(found);
    }
    auto prepared = prepare(sql);
    if (!prepared) return prepared.error();
    make_room();
    KeptStatement& made = kept[std::string(sql)];
    made.statement = std::move(*prepared);
    made.tables.assign(read.begin(), read.end());
    made.sizes = sizes_of(made.tables);
    made.last_use = ++asked;
    return made.statement.handle;
}

// The statement that was not asked for longest leaves, but never one that a rule asks again and again, or one
// that runs: a view is computed while the statement that reads it waits.
void Sql::State::make_room() {
    if (kept.size() < most_kept_statements + to_keep.size()) return;
    auto oldest = kept.end();
    for (auto at = kept.begin(); at != kept.end(); ++at)
        if (!to_keep.contains(at->first) && !sqlite3_stmt_busy(at->second.statement.handle) &&
            (oldest == kept.end() || at->second.last_use < oldest->second.last_use))
            oldest = at;
    if (oldest != kept.end()) kept.erase(oldest);
}

int Sql::State::compute(HeldTable& table, std::string& reason) {
    const CostMeter::Span measured(meter, table.name);
    table.rows.clear();
    const Result<sqlite3_stmt*> ready = this->ready(table.select);
    if (!ready) {
        reason = ready.error().message;
        return SQLITE_ERROR;
    }
    sqlite3_stmt* statement = *ready;
    const Run run{statement};
    const int columns = sqlite3_column_count(statement);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; ++i) table.rows.append(cell_of_column(statement, i));
        if (table.rows.bytes() > most_result_bytes) {
            reason = "it gives more than 64 MiB; group or limit it";
            table.rows.clear();
            return SQLITE_ERROR;
        }
    }
    if (rc != SQLITE_DONE) {
        reason = sqlite3_errmsg(db);
        table.rows.clear();
        return rc;
    }
    table.fresh = true;
    return SQLITE_OK;
}

std::string Sql::State::nearest_column(std::string_view sql, std::string_view word) const {
    if (const std::size_t dot = word.rfind('.'); dot != std::string_view::npos) word.remove_prefix(dot + 1);
    std::vector<std::string_view> known;
    const std::vector<SqlToken> tokens = sql_tokens(sql);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].kind != SqlToken::Kind::word) continue;
        if (const RelationTable* table = find(to_lower(tokens[i].text)))
            for (const Column& column : table->columns) known.push_back(column.name);
        if (const auto view = held.find(to_lower(tokens[i].text)); view != held.end())
            known.insert(known.end(), view->second->columns.begin(), view->second->columns.end());
        if (i > 0 && to_lower(tokens[i - 1].text) == "as") known.push_back(tokens[i].text);
    }
    return did_you_mean(word, known);
}

std::string Sql::State::nearest_function(std::string_view word) const {
    Statement statement;
    if (sqlite3_prepare_v2(db, "SELECT DISTINCT name FROM pragma_function_list", -1, &statement.handle,
                           nullptr) != SQLITE_OK)
        return {};
    std::vector<std::string> names;
    while (sqlite3_step(statement.handle) == SQLITE_ROW)
        names.push_back(cell_of_column(statement.handle, 0).text);
    const std::vector<std::string_view> known(names.begin(), names.end());
    return did_you_mean(word, known);
}

// SQLite's reason, with the nearest right word or in waggle's terms.
Error Sql::State::explain_error(std::string_view sql, int rc) {
    const std::string message = sqlite3_errmsg(db);
    const auto word_after = [&](std::string_view prefix) -> std::string_view {
        if (!message.starts_with(prefix)) return {};
        return std::string_view(message).substr(prefix.size());
    };
    if (rc == SQLITE_INTERRUPT)
        return {fmt::format(
            "the query took longer than {} s of a processor and was ended; narrow it with WHERE or LIMIT",
            static_cast<double>(time_limit.count()) / 1000)};
    if (rc == SQLITE_NOMEM) return {"the query needs more memory than waggle gives it; group or limit it"};
    if (rc == SQLITE_TOOBIG)
        return {"a value of the query is larger than 16 MiB, or the query is longer than 256 KiB",
                ErrorKind::usage};
    if (message == "not authorized") return {std::string(only_select), ErrorKind::usage};
    std::string hint;
    if (const std::string_view column = word_after("no such column: "); !column.empty()) {
        hint = nearest_column(sql, column);
    } else if (std::string_view table = word_after("no such table: "); !table.empty()) {
        table = table.starts_with("main.") ? table.substr(5) : table;
        std::vector<std::string_view> known;
        for (const auto& [name, unused] : tables) known.push_back(name);
        for (const auto& [name, unused] : held) known.push_back(name);
        hint = did_you_mean(table, known);
        if (!error_offset)
            if (const std::size_t at = sql.find(table); at != std::string_view::npos) error_offset = at;
    } else if (const std::string_view function = word_after("no such function: "); !function.empty()) {
        hint = nearest_function(function);
    }
    // Errors of a statement that could be prepared are failures; the others are mistakes of who wrote it.
    return {escape_control(message) + hint, rc == SQLITE_ERROR ? ErrorKind::usage : ErrorKind::failed};
}

Result<void> Sql::State::create(std::unique_ptr<HeldTable> table) {
    const std::string name = table->name;
    if (auto named = check_name(name); !named) return named;
    if (tables.contains(name) || held.contains(name))
        return Error{fmt::format("{} is there already", name), ErrorKind::usage};
    table->rows = HeldRows(table->columns.size());
    held[name] = std::move(table);
    auto made = run("CREATE VIRTUAL TABLE \"" + name + "\" USING held");
    if (!made) held.erase(name);
    return made;
}

Sql::Uses Sql::State::uses_of(sqlite3_stmt* prepared) const {
    Uses uses;
    for (int i = 0; i < sqlite3_column_count(prepared); ++i)
        uses.columns.emplace_back(sqlite3_column_name(prepared, i));
    for (int i = 1; i <= sqlite3_bind_parameter_count(prepared); ++i)
        uses.parameters.emplace_back(sqlite3_bind_parameter_name(prepared, i) + 1);
    std::set<std::string> reads, through;
    uses.named.assign(read.begin(), read.end());
    for (const std::string& name : read) {
        const auto view = held.find(name);
        if (view == held.end() || view->second->select.empty()) {
            reads.insert(name);
            continue;
        }
        through.insert(name);
        through.insert(view->second->views.begin(), view->second->views.end());
        reads.insert(view->second->tables.begin(), view->second->tables.end());
    }
    uses.tables.assign(reads.begin(), reads.end());
    uses.views.assign(through.begin(), through.end());
    return uses;
}

}  // namespace waggle::explain
