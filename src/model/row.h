// SPDX-License-Identifier: Apache-2.0
// Row: one record seen through its schema. It borrows the bytes and copies nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/schema.h"
#include "waggle/bytes.h"
#include "waggle/result.h"

namespace waggle {

class Row {
  public:
    Row() = default;
    // `bytes` holds at least schema.size bytes and outlives the row.
    Row(const Schema& schema, Bytes bytes) : schema_(&schema), bytes_(bytes) {}

    const Schema& schema() const { return *schema_; }
    Bytes bytes() const { return bytes_; }

    // Any integer or flag field, widened; i32 keeps its sign when read as i64. 0 for other types.
    std::uint64_t u64(const Field& field) const;
    std::int64_t i64(const Field& field) const { return static_cast<std::int64_t>(u64(field)); }
    double real(const Field& field) const;
    // text and text_ref; empty for other types, and for a text_ref that points outside the record.
    std::string_view text(const Field& field) const;
    // histogram and distribution, as model/histogram.h says; empty for other types, and for slots that lie
    // outside the record.
    std::string_view histogram(const Field& field) const;
    waggle_address address(const Field& field) const { return load<waggle_address>(bytes_, field.offset); }

    // By name, for tests and for readers that meet a schema for the first time; 0 or empty if there is no
    // such field.
    std::uint64_t u64(std::string_view field) const;
    std::string_view text(std::string_view field) const;

    // Only for schemas with has_subject.
    waggle_event header() const { return load<waggle_event>(bytes_); }

    // The whole record as its struct; the caller knows the schema. The bytes are 8-byte aligned wherever
    // waggle hands out rows.
    template <class T>
    const T& as() const {
        return *reinterpret_cast<const T*>(bytes_.data());
    }

  private:
    std::string_view behind(const Field& field) const;

    const Schema* schema_ = nullptr;
    Bytes bytes_;
};

// Checks one record against a sensor's schemas: header whole, kind known, size right, every text and
// distribution inside.
// The row is cut to header.size, so a record in a larger slot is fine.
Result<Row> read_record(std::span<const Schema* const> schemas, Bytes record);

}  // namespace waggle
