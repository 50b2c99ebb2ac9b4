// SPDX-License-Identifier: Apache-2.0
#include "query/held_table.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/text.h"
#include "query/relation_module.h"
#include "query/sql_functions.h"

namespace waggle::explain {
namespace {

constexpr std::size_t kept_bytes = 16 << 10;

// What a value is found by. SQL may convert a text that looks like a number before it compares, so those two
// are found alike; SQLite compares the candidates once more.
void add_key(std::string& key, const Cell& cell) {
    double number = 0;
    bool numeric = cell.kind == Value::Kind::integer || cell.kind == Value::Kind::real;
    if (numeric) {
        number = cell.number();
    } else if (cell.kind == Value::Kind::text) {
        const std::string text(trim(cell.text));
        char* end = nullptr;
        number = std::strtod(text.c_str(), &end);
        numeric = !text.empty() && end == text.c_str() + text.size();
    }
    key += numeric ? fmt::format("{}", number + 0.0) : cell.text;
    key += '\0';
}

}  // namespace

void HeldRows::append(const Cell& cell) {
    Held held{};
    held.kind = cell.kind;
    switch (cell.kind) {
        case Value::Kind::null:
            break;
        case Value::Kind::integer:
            held.integer = cell.integer;
            break;
        case Value::Kind::real:
            held.real = cell.real;
            break;
        case Value::Kind::text:
        case Value::Kind::blob:
            held.size = static_cast<std::uint32_t>(cell.text.size());
            held.text = texts_.size();
            texts_ += cell.text;
            break;
    }
    values_.push_back(held);
}

void HeldRows::clear() {
    // What one moment with many rows took is given back, what each takes is not.
    if (values_.capacity() * sizeof(Held) > kept_bytes) std::vector<Held>().swap(values_);
    if (texts_.capacity() > kept_bytes) std::string().swap(texts_);
    values_.clear();
    texts_.clear();
    indexes_.clear();
}

Cell HeldRows::at(std::size_t row, std::size_t column) const {
    const Held& held = values_[row * columns_ + column];
    Cell cell;
    cell.kind = held.kind;
    switch (held.kind) {
        case Value::Kind::null:
            break;
        case Value::Kind::integer:
            cell.integer = held.integer;
            break;
        case Value::Kind::real:
            cell.real = held.real;
            break;
        case Value::Kind::text:
        case Value::Kind::blob:
            cell.text = texts_.substr(held.text, held.size);
            break;
    }
    return cell;
}

const std::vector<std::uint32_t>& HeldRows::candidates(const std::vector<int>& columns,
                                                       std::span<const Cell> wanted) {
    const auto [found, fresh] = indexes_.try_emplace(columns);
    std::string key;
    if (fresh)
        for (std::size_t row = 0; row < size(); ++row) {
            key.clear();
            for (const int column : columns) add_key(key, at(row, static_cast<std::size_t>(column)));
            found->second[key].push_back(static_cast<std::uint32_t>(row));
        }
    key.clear();
    for (const Cell& cell : wanted) add_key(key, cell);
    static const std::vector<std::uint32_t> none;
    const auto rows = found->second.find(key);
    return rows == found->second.end() ? none : rows->second;
}

std::string HeldTable::declaration() const {
    Declaration out;
    for (std::size_t i = 0; i < columns.size(); ++i) out.add(columns[i], types[i]);
    return out.text();
}

namespace {

struct HeldVirtualTable : sqlite3_vtab {
    HeldTables* tables;
    HeldTable* table;
};

struct HeldCursor : sqlite3_vtab_cursor {
    const std::vector<std::uint32_t>* only;  // the rows to look at, or null for all
    std::size_t at;
    std::size_t count;

    std::size_t row() const { return only ? (*only)[at] : at; }
};

int held_connect(sqlite3* db, void* aux, int argc, const char* const* argv, sqlite3_vtab** out,
                 char** error) {
    auto* tables = static_cast<HeldTables*>(aux);
    HeldTable* table = argc >= 3 ? tables->find_held(argv[2]) : nullptr;
    if (!table) {
        *error = sqlite3_mprintf("no view of that name");
        return SQLITE_ERROR;
    }
    if (const int rc = sqlite3_declare_vtab(db, table->declaration().c_str()); rc != SQLITE_OK) {
        *error = sqlite3_mprintf("%s", sqlite3_errmsg(db));
        return rc;
    }
    auto* vtab = new HeldVirtualTable{};
    vtab->tables = tables;
    vtab->table = table;
    *out = vtab;
    return SQLITE_OK;
}

int held_disconnect(sqlite3_vtab* vtab) {
    delete static_cast<HeldVirtualTable*>(vtab);
    return SQLITE_OK;
}

// Equalities are answered by an index that is made when it is first needed.
int held_best_index(sqlite3_vtab* base, sqlite3_index_info* plan) {
    const HeldTable& table = *static_cast<HeldVirtualTable*>(base)->table;
    const double rows = static_cast<double>(table.fresh || table.rows.size() > 0 ? table.rows.size() : 1000);
    std::string columns;
    int used = 0;
    for (int i = 0; i < plan->nConstraint; ++i) {
        const auto& constraint = plan->aConstraint[i];
        if (!constraint.usable || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ || constraint.iColumn < 0 ||
            sqlite3_stricmp(sqlite3_vtab_collation(plan, i), "BINARY") != 0)
            continue;
        plan->aConstraintUsage[i].argvIndex = ++used;  // and SQLite compares once more
        columns += fmt::format("{} ", constraint.iColumn);
    }
    plan->estimatedRows = static_cast<sqlite3_int64>(rows) + 1;
    plan->estimatedCost = rows + 10;
    if (used > 0) {
        plan->idxStr = sqlite3_mprintf("%s", columns.c_str());
        if (!plan->idxStr) return SQLITE_NOMEM;
        plan->needToFreeIdxStr = 1;
        plan->idxNum = used;
        plan->estimatedRows = static_cast<sqlite3_int64>(rows / (used > 1 ? 50 : 10)) + 1;
        plan->estimatedCost = static_cast<double>(plan->estimatedRows) + 5;
    } else if (table.reads_system && !table.given) {
        plan->estimatedCost += reading_cost;
    }
    return SQLITE_OK;
}

int held_open_cursor(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
    *out = new HeldCursor{};
    return SQLITE_OK;
}

int held_close_cursor(sqlite3_vtab_cursor* cursor) {
    delete static_cast<HeldCursor*>(cursor);
    return SQLITE_OK;
}

int held_filter(sqlite3_vtab_cursor* base, int, const char* wanted_columns, int argc, sqlite3_value** argv) {
    auto* cursor = static_cast<HeldCursor*>(base);
    auto& vtab = *static_cast<HeldVirtualTable*>(base->pVtab);
    HeldTable& table = *vtab.table;
    if (!table.fresh && !table.given) {
        std::string reason;
        if (const int rc = vtab.tables->compute(table, reason); rc != SQLITE_OK) {
            sqlite3_free(vtab.zErrMsg);
            vtab.zErrMsg = sqlite3_mprintf("view %s: %s", table.name.c_str(), reason.c_str());
            return rc;
        }
    }
    cursor->only = nullptr;
    cursor->at = 0;
    cursor->count = table.rows.size();
    if (argc == 0) return SQLITE_OK;
    std::vector<int> columns;
    std::vector<Cell> wanted;
    const char* at = wanted_columns;
    const char* end = at + std::string_view(at).size();
    for (int i = 0; i < argc; ++i) {
        int column = 0;
        at = std::from_chars(at, end, column).ptr + 1;
        columns.push_back(column);
        wanted.push_back(cell_of(argv[i]));
    }
    cursor->only = &table.rows.candidates(columns, wanted);
    cursor->count = cursor->only->size();
    return SQLITE_OK;
}

int held_next(sqlite3_vtab_cursor* cursor) {
    ++static_cast<HeldCursor*>(cursor)->at;
    return SQLITE_OK;
}

int held_eof(sqlite3_vtab_cursor* base) {
    const auto* cursor = static_cast<HeldCursor*>(base);
    return cursor->at >= cursor->count;
}

int held_read(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
    const HeldTable& table = *static_cast<HeldVirtualTable*>(base->pVtab)->table;
    give_cell(context,
              table.rows.at(static_cast<HeldCursor*>(base)->row(), static_cast<std::size_t>(column)));
    return SQLITE_OK;
}

int held_rowid(sqlite3_vtab_cursor* base, sqlite3_int64* out) {
    *out = static_cast<sqlite3_int64>(static_cast<HeldCursor*>(base)->row()) + 1;
    return SQLITE_OK;
}

const sqlite3_module held_module = [] {
    sqlite3_module module{};
    module.xCreate = held_connect;
    module.xConnect = held_connect;
    module.xBestIndex = held_best_index;
    module.xDisconnect = held_disconnect;
    module.xDestroy = held_disconnect;
    module.xOpen = held_open_cursor;
    module.xClose = held_close_cursor;
    module.xFilter = held_filter;
    module.xNext = held_next;
    module.xEof = held_eof;
    module.xColumn = held_read;
    module.xRowid = held_rowid;
    return module;
}();

}  // namespace

int register_held_module(sqlite3* db, HeldTables* tables) {
    return sqlite3_create_module(db, "held", &held_module, tables);
}

}  // namespace waggle::explain
