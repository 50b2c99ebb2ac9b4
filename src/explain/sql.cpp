// SPDX-License-Identifier: Apache-2.0
#include "explain/sql.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <set>

#include "base/text.h"
#include "explain/relation_module.h"
#include "explain/sql_functions.h"
#include "explain/sql_text.h"

namespace waggle::explain {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t most_result_bytes = 64u << 20;
constexpr sqlite3_int64 most_sqlite_memory = 256ll << 20;  // of the whole process; sorting and grouping
constexpr int operations_between_looks = 2000;             // at the clock, some 50 us

constexpr std::string_view only_select = "only SELECT can be asked: the tables are read only";

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
    std::vector<const RelationTable*> tables;  // that it reads
    std::vector<std::uint64_t> sizes;          // how large they were when it was prepared
};
constexpr std::size_t most_kept_statements = 64;

// To a factor of four: SQLite chose its way through the tables by their sizes, and chooses anew when they
// differ.
std::vector<std::uint64_t> sizes_of(std::span<const RelationTable* const> tables) {
    std::vector<std::uint64_t> sizes;
    for (const RelationTable* table : tables)
        sizes.push_back((std::bit_width(table->relation->row_count()) + 1) / 2);
    return sizes;
}

// Ends a statement's run whatever way it went, so that it holds no cursor into the tables.
struct Run {
    sqlite3_stmt* handle;
    ~Run() {
        sqlite3_reset(handle);
        sqlite3_clear_bindings(handle);
    }
};

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

struct Sql::State final : RelationTables {
    sqlite3* db = nullptr;
    std::map<std::string, std::unique_ptr<RelationTable>, std::less<>> tables;
    bool guarded = false;  // statements of strangers are run; ours before that make the tables
    std::set<std::string, std::less<>> read;                 // tables the statement being prepared reads
    std::map<std::string, KeptStatement, std::less<>> kept;  // by their text
    std::chrono::milliseconds time_limit{5000};
    steady_clock::time_point deadline = steady_clock::time_point::max();
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

    static int authorize(void* self, int action, const char* first, const char* second, const char*,
                         const char*) {
        auto& state = *static_cast<State*>(self);
        if (!state.guarded) return SQLITE_OK;
        switch (action) {
            case SQLITE_SELECT:
            case SQLITE_RECURSIVE:
                return SQLITE_OK;
            case SQLITE_READ:
                if (first && state.tables.contains(std::string_view(first))) state.read.emplace(first);
                return SQLITE_OK;
            case SQLITE_FUNCTION:
                return second && std::string_view(second) == "load_extension" ? SQLITE_DENY : SQLITE_OK;
            case SQLITE_PRAGMA:
                return first && harmless_pragma(first) ? SQLITE_OK : SQLITE_DENY;
            default:  // not an enum: SQLite may know actions that this list does not
                return SQLITE_DENY;
        }
    }

    static int look_at_clock(void* self) {
        return steady_clock::now() >= static_cast<State*>(self)->deadline;
    }

    Result<Statement> prepare(std::string_view sql);
    Result<sqlite3_stmt*> ready(std::string_view sql);
    Error explain_error(std::string_view sql, int rc);
    std::string nearest_column(std::string_view sql, std::string_view word) const;
    std::string nearest_function(std::string_view word) const;
    Result<void> run(const std::string& sql);
};

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
    if (ends_statement(sql)) return Error{"the query is empty", ErrorKind::usage};
    const std::string first = to_lower(sql_tokens(sql).front().text);
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
            return found->second.statement.handle;
        }
        kept.erase(found);
    }
    auto prepared = prepare(sql);
    if (!prepared) return prepared.error();
    if (kept.size() == most_kept_statements) kept.clear();
    KeptStatement& made = kept[std::string(sql)];
    made.statement = std::move(*prepared);
    for (const std::string& name : read) made.tables.push_back(find(name));
    made.sizes = sizes_of(made.tables);
    return made.statement.handle;
}

std::string Sql::State::nearest_column(std::string_view sql, std::string_view word) const {
    if (const std::size_t dot = word.rfind('.'); dot != std::string_view::npos) word.remove_prefix(dot + 1);
    std::vector<std::string_view> known;
    const std::vector<SqlToken> tokens = sql_tokens(sql);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].kind != SqlToken::Kind::word) continue;
        if (const RelationTable* table = find(to_lower(tokens[i].text)))
            for (const Column& column : table->columns) known.push_back(column.name);
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
        return {fmt::format("the query took longer than {} s and was ended; narrow it with WHERE or LIMIT",
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
        hint = did_you_mean(table, known);
        if (!error_offset)
            if (const std::size_t at = sql.find(table); at != std::string_view::npos) error_offset = at;
    } else if (const std::string_view function = word_after("no such function: "); !function.empty()) {
        hint = nearest_function(function);
    }
    // Errors of a statement that could be prepared are failures; the others are mistakes of who wrote it.
    return {escape_control(message) + hint, rc == SQLITE_ERROR ? ErrorKind::usage : ErrorKind::failed};
}

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
        register_histogram_functions(db) != SQLITE_OK)
        return Error{fmt::format("SQL engine: {}", sqlite3_errmsg(db))};
    sqlite3_set_authorizer(db, State::authorize, state.get());
    sqlite3_progress_handler(db, operations_between_looks, State::look_at_clock, state.get());
    return Sql(std::move(state));
}

void Sql::limit_time(std::chrono::milliseconds most) { state_->time_limit = most; }
std::optional<std::size_t> Sql::error_offset() const { return state_->error_offset; }

Result<void> Sql::add(const Relation& relation, const Lookup& lookup) {
    const Schema& schema = relation.schema();
    const std::string name(schema.name);
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
        return Error{fmt::format("table {}: a table's name is made of a-z, 0-9 and _", escape_control(name))};
    const std::string quoted = "\"" + name + "\"";
    state_->kept.clear();
    const bool known = state_->tables.contains(name);
    if (known)
        if (auto dropped = state_->run("DROP TABLE " + quoted); !dropped) return dropped;
    state_->tables[name] =
        std::make_unique<RelationTable>(RelationTable{&relation, lookup, columns_of(schema)});
    auto made = state_->run("CREATE VIRTUAL TABLE " + quoted + " USING relation");
    if (!made) {
        state_->tables.erase(name);
        return while_doing(fmt::format("table {}", name), made.error());
    }
    return {};
}

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
    state_->deadline = steady_clock::now() + state_->time_limit;
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
    state_->deadline = steady_clock::time_point::max();
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
    Uses uses;
    for (int i = 0; i < sqlite3_column_count(prepared->handle); ++i)
        uses.columns.emplace_back(sqlite3_column_name(prepared->handle, i));
    for (int i = 1; i <= sqlite3_bind_parameter_count(prepared->handle); ++i)
        uses.parameters.emplace_back(sqlite3_bind_parameter_name(prepared->handle, i) + 1);
    uses.tables.assign(state_->read.begin(), state_->read.end());
    return uses;
}

}  // namespace waggle::explain
