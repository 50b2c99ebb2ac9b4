// SPDX-License-Identifier: Apache-2.0
#include "query/relation_module.h"

#include <fmt/core.h>
#include <sqlite3.h>

namespace waggle::explain {
namespace {

struct VirtualTable : sqlite3_vtab {
    const RelationTable* table;
};

struct VirtualCursor : sqlite3_vtab_cursor {
    const RelationTable* table;
    std::unique_ptr<Cursor> rows;
    Row row;
    Value value;
    sqlite3_int64 rowid = 0;
    bool at_end = true;
    const Field* only = nullptr;  // rows whose value of it is another are passed over
    sqlite3_int64 only_value = 0;
};

int connect(sqlite3* db, void* aux, int argc, const char* const* argv, sqlite3_vtab** out, char** error) {
    const RelationTable* table = argc >= 3 ? static_cast<const RelationTables*>(aux)->find(argv[2]) : nullptr;
    if (!table) {
        *error = sqlite3_mprintf("no relation of that name");
        return SQLITE_ERROR;
    }
    if (const int rc = sqlite3_declare_vtab(db, table->declaration().c_str()); rc != SQLITE_OK) {
        *error = sqlite3_mprintf("%s", sqlite3_errmsg(db));
        return rc;
    }
    auto* vtab = new VirtualTable{};
    vtab->table = table;
    *out = vtab;
    return SQLITE_OK;
}

int disconnect(sqlite3_vtab* vtab) {
    delete static_cast<VirtualTable*>(vtab);
    return SQLITE_OK;
}

// A field whose values are themselves in SQL, never a name for them.
bool is_plain_integer(const Column& column) {
    return column.field && !(column.field->traits & trait_absent) && column.field->dictionary.empty() &&
           sql_type(column) == " INTEGER";
}

// SQLite knows of rows, not of what opening costs, and would begin a join with a relation that is empty until
// it is read. Said to be expensive by itself and cheap for a given value, it comes after what it is joined
// to: then nothing is read where nothing is to be joined.
void prefer_last(const RelationTable& table, sqlite3_index_info* plan, double rows) {
    plan->estimatedCost = rows + reading_cost;
    int chosen = -1;
    for (int i = 0; i < plan->nConstraint; ++i) {
        const auto& constraint = plan->aConstraint[i];
        if (!constraint.usable || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ || constraint.iColumn < 0)
            continue;
        // Rows are found by an integer; any other value only brings the relation behind what gives it.
        const bool found_by = is_plain_integer(table.columns[static_cast<std::size_t>(constraint.iColumn)]);
        if (chosen < 0 || found_by) chosen = i;
        if (found_by) break;
    }
    if (chosen < 0) return;
    plan->aConstraintUsage[chosen].argvIndex = 1;  // and SQLite compares once more
    plan->idxNum = plan->aConstraint[chosen].iColumn + 1;
    plan->estimatedCost = rows + 10;
}

int best_index(sqlite3_vtab* vtab, sqlite3_index_info* plan) {
    const RelationTable& table = *static_cast<VirtualTable*>(vtab)->table;
    const double rows = static_cast<double>(table.relation->row_count());
    plan->estimatedRows = static_cast<sqlite3_int64>(rows) + 1;
    plan->estimatedCost = rows + 10;
    if (table.relation->read_when_opened()) prefer_last(table, plan, rows);
    plan->orderByConsumed =
        !table.finds && plan->nOrderBy == 1 && plan->aOrderBy[0].iColumn == -1 && plan->aOrderBy[0].desc == 0;
    return SQLITE_OK;
}

int open_cursor(sqlite3_vtab* vtab, sqlite3_vtab_cursor** out) {
    auto* cursor = new VirtualCursor{};
    cursor->table = static_cast<VirtualTable*>(vtab)->table;
    *out = cursor;
    return SQLITE_OK;
}

int close_cursor(sqlite3_vtab_cursor* cursor) {
    delete static_cast<VirtualCursor*>(cursor);
    return SQLITE_OK;
}

int next(sqlite3_vtab_cursor* base) {
    auto* cursor = static_cast<VirtualCursor*>(base);
    do {
        cursor->at_end = !cursor->rows->next(cursor->row);
        ++cursor->rowid;
    } while (!cursor->at_end && cursor->only && cursor->row.i64(*cursor->only) != cursor->only_value);
    return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* base, int wanted_column, const char*, int argc, sqlite3_value** argv) {
    auto* cursor = static_cast<VirtualCursor*>(base);
    cursor->only = nullptr;
    if (wanted_column > 0 && argc == 1) {
        const Column& column = cursor->table->columns[static_cast<std::size_t>(wanted_column - 1)];
        if (is_plain_integer(column) && sqlite3_value_type(argv[0]) == SQLITE_INTEGER) {
            cursor->only = column.field;
            cursor->only_value = sqlite3_value_int64(argv[0]);
        }
    }
    const RelationTable& table = *cursor->table;
    const Relation& relation = *table.relation;
    const auto open = [&] {
        return cursor->only && table.finds ? table.finds->open_where(*cursor->only, cursor->only_value)
                                           : relation.open();
    };
    if (relation.read_when_opened()) {
        const CostMeter::Span measured(*table.meter, relation.schema().name, CLOCK_PROCESS_CPUTIME_ID);
        cursor->rows = table.time->leave_out(open);
    } else {
        cursor->rows = open();
    }
    cursor->rowid = 0;
    return next(base);
}

int eof(sqlite3_vtab_cursor* base) { return static_cast<VirtualCursor*>(base)->at_end; }

int read(sqlite3_vtab_cursor* base, sqlite3_context* context, int index) {
    auto* cursor = static_cast<VirtualCursor*>(base);
    const Column& column = cursor->table->columns[static_cast<std::size_t>(index)];
    read_column(cursor->row, column, cursor->table->lookup, cursor->value);
    give_value(context, cursor->value, column);
    return SQLITE_OK;
}

// Where rows are found by a value, SQLite looks once for each side of an OR and knows by this number what it has had: it has to be the
// row's own, wherever it stands among those that were found.
int rowid(sqlite3_vtab_cursor* base, sqlite3_int64* out) {
    const auto* cursor = static_cast<VirtualCursor*>(base);
    *out = cursor->table->finds
               ? static_cast<sqlite3_int64>(reinterpret_cast<std::uintptr_t>(cursor->row.bytes().data()))
               : cursor->rowid;
    return SQLITE_OK;
}

const sqlite3_module relation_module = [] {
    sqlite3_module module{};
    module.xCreate = connect;
    module.xConnect = connect;
    module.xBestIndex = best_index;
    module.xDisconnect = disconnect;
    module.xDestroy = disconnect;
    module.xOpen = open_cursor;
    module.xClose = close_cursor;
    module.xFilter = filter;
    module.xNext = next;
    module.xEof = eof;
    module.xColumn = read;
    module.xRowid = rowid;
    return module;
}();

}  // namespace

std::string_view sql_type(const Column& column) {
    // Numbers with names are sometimes text and sometimes not: no type, so that neither is converted.
    if (column.field && !column.field->dictionary.empty()) return "";
    switch (column.type) {
        case Type::u8:
        case Type::u16:
        case Type::u32:
        case Type::u64:
        case Type::i32:
        case Type::i64:
        case Type::flag:
            return " INTEGER";
        case Type::real:
            return " REAL";
        case Type::text:
        case Type::text_ref:
        case Type::address:
            return " TEXT";
        case Type::histogram:
        case Type::distribution:
            return " BLOB";
    }
    return "";
}

void Declaration::add(std::string_view column, std::string_view type) {
    text_ += text_.ends_with('(') ? "\"" : ",\"";
    for (const char c : column) text_.append(c == '"' ? 2 : 1, c);
    text_ += '"';
    text_ += type;
}

std::string RelationTable::declaration() const {
    Declaration out;
    for (const Column& column : columns) out.add(column.name, sql_type(column));
    return out.text();
}

int register_relation_module(sqlite3* db, const RelationTables* tables) {
    return sqlite3_create_module(db, "relation", &relation_module, const_cast<RelationTables*>(tables));
}

void give_value(sqlite3_context* context, const Value& value, const Column& column) {
    switch (value.kind) {
        case Value::Kind::null:
            return sqlite3_result_null(context);
        case Value::Kind::integer:
            if (value.integer < 0 && column.type == Type::u64) {
                const auto number = static_cast<std::uint64_t>(value.integer);
                if (column.unit != Unit::identifier)
                    return sqlite3_result_double(context, static_cast<double>(number));
                const std::string digits = fmt::format("{}", number);
                return sqlite3_result_text64(context, digits.data(), digits.size(), SQLITE_TRANSIENT,
                                             SQLITE_UTF8);
            }
            return sqlite3_result_int64(context, value.integer);
        case Value::Kind::real:
            return sqlite3_result_double(context, value.real);
        case Value::Kind::text:
            return sqlite3_result_text64(context, value.text.data(), value.text.size(), SQLITE_TRANSIENT,
                                         SQLITE_UTF8);
        case Value::Kind::blob:
            return sqlite3_result_blob64(context, value.text.data(), value.text.size(), SQLITE_TRANSIENT);
    }
}

}  // namespace waggle::explain
