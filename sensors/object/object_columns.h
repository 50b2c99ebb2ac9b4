// SPDX-License-Identifier: Apache-2.0
// Columns of a type of a foreign object: each field of the type by its kind, and the records' values in them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types/field_kinds.h"
#include "sensing/made_schema.h"
#include "waggle/types.h"

namespace waggle::sensors {

// The columns of one type in a table, which can have others besides them.
class TypeColumns {
  public:
    // Adds the type's fields to `schema`, each named `prefix`_FIELD ("key_pid"; FIELD alone without a prefix;
    // `prefix` alone for a type that is no struct). `types` empty: one column, a number where the size is
    // that of one, else the bytes.
    TypeColumns(MadeSchema& schema, const std::optional<Types>& types, TypeId type, std::size_t size,
                std::string_view prefix);

    // Writes the value's fields into the record that was begun.
    void put(Bytes value, MadeRecords& records) const;

  private:
    struct Column {
        TypeField field;
        kernel::FieldKind kind;
        std::size_t number;
    };
    std::optional<Types> types_;
    std::vector<Column> columns_;
    bool typed_;
};

std::string hex(Bytes bytes);
// A name as SQL takes it without quotes: "addr.port" is addr_port.
std::string sql_name(std::string_view name);

}  // namespace waggle::sensors
