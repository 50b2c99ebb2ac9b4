// SPDX-License-Identifier: Apache-2.0
#include "query/sql_functions.h"

#include <sqlite3.h>

#include "model/columns.h"
#include "query/histogram.h"
#include "query/text_shape.h"

namespace waggle::explain {
namespace {

// The merged histogram of one group of rows. SQLite owns the memory; the pointer is made at the first row.
struct Group {
    Histogram* histogram;
    double share;
};

Group* group_of(sqlite3_context* context) {
    auto* group = static_cast<Group*>(sqlite3_aggregate_context(context, sizeof(Group)));
    if (!group) {
        sqlite3_result_error_nomem(context);
        return nullptr;
    }
    if (!group->histogram) group->histogram = new Histogram;
    return group;
}

bool add_histogram(sqlite3_context* context, Group& group, sqlite3_value* value) {
    if (sqlite3_value_type(value) == SQLITE_NULL) return true;
    const Cell cell = cell_of(value);
    if (cell.kind != Value::Kind::blob || !group.histogram->add(cell.text)) {
        sqlite3_result_error(context, "this is not a histogram: histograms are columns of type histogram",
                             -1);
        return false;
    }
    return true;
}

void percentile_step(sqlite3_context* context, int, sqlite3_value** arguments) {
    Group* group = group_of(context);
    if (!group) return;
    group->share = sqlite3_value_double(arguments[1]);
    if (sqlite3_value_numeric_type(arguments[1]) == SQLITE_NULL || !(group->share >= 0) || group->share > 1) {
        sqlite3_result_error(context,
                             "hist_percentile: the share lies between 0 and 1; 0.99 asks for the value that "
                             "99 % stay below",
                             -1);
        return;
    }
    add_histogram(context, *group, arguments[0]);
}

void merge_step(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (Group* group = group_of(context)) add_histogram(context, *group, arguments[0]);
}

// Takes the histogram out of SQLite's memory, which is freed without a destructor.
Histogram finished(sqlite3_context* context) {
    auto* group = static_cast<Group*>(sqlite3_aggregate_context(context, 0));
    if (!group || !group->histogram) return {};
    const std::unique_ptr<Histogram> owner(group->histogram);
    group->histogram = nullptr;
    return std::move(*owner);
}

void percentile_final(sqlite3_context* context) {
    auto* group = static_cast<Group*>(sqlite3_aggregate_context(context, 0));
    const double share = group ? group->share : 0;
    const std::optional<std::int64_t> bound = finished(context).percentile(share);
    if (bound)
        sqlite3_result_int64(context, *bound);
    else
        sqlite3_result_null(context);
}

void merge_final(sqlite3_context* context) {
    const std::string blob = finished(context).blob();
    if (blob.empty()) return sqlite3_result_null(context);
    sqlite3_result_blob64(context, blob.data(), blob.size(), SQLITE_TRANSIENT);
}

void count(sqlite3_context* context, int, sqlite3_value** arguments) {
    Histogram histogram;
    Group group{&histogram, 0};
    if (!add_histogram(context, group, arguments[0])) return;
    const std::uint64_t total = histogram.total();
    sqlite3_result_int64(context, static_cast<std::int64_t>(std::min<std::uint64_t>(total, INT64_MAX)));
}

void shape(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
    const std::string shape = text_shape(cell_of(arguments[0]).as_text());
    sqlite3_result_text64(context, shape.data(), shape.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void loopback(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
    sqlite3_result_int(context, is_loopback(cell_of(arguments[0]).as_text()) ? 1 : 0);
}

void in_brackets(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
    std::string address = cell_of(arguments[0]).as_text();
    if (address.find(':') != std::string::npos) address = "[" + address + "]";
    sqlite3_result_text64(context, address.data(), address.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void call(sqlite3_context* context, int argc, sqlite3_value** argv) {
    const auto& function = *static_cast<const Sql::Function*>(sqlite3_user_data(context));
    std::vector<Cell> arguments;
    arguments.reserve(static_cast<std::size_t>(argc));
    for (int i = 0; i < argc; ++i) arguments.push_back(cell_of(argv[i]));
    give_cell(context, function(arguments));
}

Cell bytes_cell(Value::Kind kind, const void* bytes, int size) {
    Cell cell;
    cell.kind = kind;
    if (bytes) cell.text.assign(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
    return cell;
}

}  // namespace

Cell cell_of(sqlite3_value* value) {
    Cell cell;
    switch (sqlite3_value_type(value)) {
        case SQLITE_INTEGER:
            cell.kind = Value::Kind::integer;
            cell.integer = sqlite3_value_int64(value);
            return cell;
        case SQLITE_FLOAT:
            cell.kind = Value::Kind::real;
            cell.real = sqlite3_value_double(value);
            return cell;
        case SQLITE_TEXT: {
            const void* text = sqlite3_value_text(value);  // before the size: it may convert
            return bytes_cell(Value::Kind::text, text, sqlite3_value_bytes(value));
        }
        case SQLITE_BLOB: {
            const void* blob = sqlite3_value_blob(value);
            return bytes_cell(Value::Kind::blob, blob, sqlite3_value_bytes(value));
        }
    }
    return cell;
}

Cell cell_of_column(sqlite3_stmt* statement, int column) {
    return cell_of(sqlite3_column_value(statement, column));
}

void give_cell(sqlite3_context* context, const Cell& cell) {
    switch (cell.kind) {
        case Value::Kind::null:
            return sqlite3_result_null(context);
        case Value::Kind::integer:
            return sqlite3_result_int64(context, cell.integer);
        case Value::Kind::real:
            return sqlite3_result_double(context, cell.real);
        case Value::Kind::text:
            return sqlite3_result_text64(context, cell.text.data(), cell.text.size(), SQLITE_TRANSIENT,
                                         SQLITE_UTF8);
        case Value::Kind::blob:
            return sqlite3_result_blob64(context, cell.text.data(), cell.text.size(), SQLITE_TRANSIENT);
    }
}

int bind_cell(sqlite3_stmt* statement, int index, const Cell& cell) {
    switch (cell.kind) {
        case Value::Kind::null:
            return sqlite3_bind_null(statement, index);
        case Value::Kind::integer:
            return sqlite3_bind_int64(statement, index, cell.integer);
        case Value::Kind::real:
            return sqlite3_bind_double(statement, index, cell.real);
        case Value::Kind::text:
            return sqlite3_bind_text64(statement, index, cell.text.data(), cell.text.size(), SQLITE_TRANSIENT,
                                       SQLITE_UTF8);
        case Value::Kind::blob:
            return sqlite3_bind_blob64(statement, index, cell.text.data(), cell.text.size(),
                                       SQLITE_TRANSIENT);
    }
    return SQLITE_MISUSE;
}

int register_histogram_functions(sqlite3* db) {
    constexpr int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    if (const int rc = sqlite3_create_function_v2(db, "hist_percentile", 2, flags, nullptr, nullptr,
                                                  percentile_step, percentile_final, nullptr))
        return rc;
    if (const int rc = sqlite3_create_function_v2(db, "hist_merge", 1, flags, nullptr, nullptr, merge_step,
                                                  merge_final, nullptr))
        return rc;
    return sqlite3_create_function_v2(db, "hist_count", 1, flags, nullptr, count, nullptr, nullptr, nullptr);
}

int register_text_functions(sqlite3* db) {
    constexpr int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    if (const int rc = sqlite3_create_function_v2(db, "is_loopback", 1, flags, nullptr, loopback, nullptr,
                                                  nullptr, nullptr))
        return rc;
    if (const int rc = sqlite3_create_function_v2(db, "in_brackets", 1, flags, nullptr, in_brackets, nullptr,
                                                  nullptr, nullptr))
        return rc;
    return sqlite3_create_function_v2(db, "text_shape", 1, flags, nullptr, shape, nullptr, nullptr, nullptr);
}

int register_function(sqlite3* db, const std::string& name, int argument_count, Sql::Function function) {
    // SQLite frees the function also when registering it fails.
    return sqlite3_create_function_v2(db, name.c_str(), argument_count, SQLITE_UTF8 | SQLITE_INNOCUOUS,
                                      new Sql::Function(std::move(function)), call, nullptr, nullptr,
                                      [](void* owned) { delete static_cast<Sql::Function*>(owned); });
}

}  // namespace waggle::explain
