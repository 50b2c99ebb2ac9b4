// SPDX-License-Identifier: Apache-2.0
// Columns: a schema as its readers see it: its fields, then the subject's columns. Every sink and the SQL
// engine read rows through here and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/names.h"
#include "model/row.h"
#include "model/subject.h"

namespace waggle {

// What is needed besides the bytes to say what a row says. Both may be null: numbers then stay numbers.
struct Lookup {
    const Names* names = nullptr;
    const Subjects* subjects = nullptr;
};

struct Value {
    enum class Kind : std::uint8_t { null, integer, real, text, blob };
    Kind kind = Kind::null;
    std::int64_t integer = 0;
    double real = 0;
    std::string_view text;  // also blob's bytes; borrowed from the row or the names, or from `own`
    std::string own;

    static Value null() { return {}; }
    static Value of(std::int64_t v) { return {Kind::integer, v, 0, {}, {}}; }
    static Value of(double v) { return {Kind::real, 0, v, {}, {}}; }
};

struct Column {
    std::string_view name;
    std::string_view meaning;
    Type type;
    Unit unit;
    const Field* field = nullptr;            // a field of the schema, or
    const SubjectColumn* subject = nullptr;  // a column of its subject
    bool hidden = false;                     // not in the terminal's default columns
};

// In the order that JSON, SQL and the documentation use. The schema outlives the columns.
std::vector<Column> columns_of(const Schema& schema);

// Raw value: numbers with a dictionary become their name (or stay numbers where it has none); text is as the
// kernel gave it, not yet escaped. `value.own` may hold the text: keep the Value as long as its view.
void read_column(const Row& row, const Column& column, const Lookup& lookup, Value& value);

// As a person reads it: units, grouping, control characters escaped. Null gives "".
std::string format_column(const Row& row, const Column& column, const Lookup& lookup);

// "192.0.2.7", "2001:db8::1", "" for family 0.
std::string format_address(const waggle_address& address);
// Of an address as that writes it: each network namespace has it for itself alone (127.0.0.0/8, ::1).
bool is_loopback(std::string_view address);

}  // namespace waggle
