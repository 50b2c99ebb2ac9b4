// SPDX-License-Identifier: Apache-2.0
// Small tables for the tests of explain and sinks.
#pragma once

#include <cstring>
#include <string_view>

#include "model/record_writer.h"
#include "model/table.h"
#include "query/sql.h"

namespace waggle::explain::samples {

struct DropRecord {
    waggle_event header;
    __u64 count;
    __u64 big;
    __u64 cookie;
    __u64 wait[64];
    waggle_address source;
    __u32 reason;
    __u16 port;
    __u8 late;
    __u8 reserved;
    double share;
    waggle_text rule;
};

inline constexpr Field drop_fields[] = {
    WAGGLE_HEADER_FIELDS(DropRecord),
    WAGGLE_FIELD(DropRecord, count, Unit::count, "How many."),
    WAGGLE_FIELD(DropRecord, big, Unit::bytes, "A large number."),
    WAGGLE_FIELD(DropRecord, cookie, Unit::identifier, "A large name."),
    WAGGLE_FIELD(DropRecord, wait, Unit::nanoseconds, "How long it waited."),
    WAGGLE_FIELD(DropRecord, source, Unit::none, "Who sent it."),
    WAGGLE_FIELD(DropRecord, reason, Unit::none, "Why.", trait_none, "drop_reason"),
    WAGGLE_FIELD(DropRecord, port, Unit::identifier, "Where to."),
    WAGGLE_FLAG(DropRecord, late, "Whether it came late."),
    WAGGLE_FIELD(DropRecord, share, Unit::percent, "Its share."),
    WAGGLE_FIELD(DropRecord, rule, Unit::none, "The rule's text."),
};
inline constexpr Schema drop_schema = {"drops", "One cause of drops.", sizeof(DropRecord), drop_fields, true};

struct SysctlRecord {
    __s64 value;
    waggle_text name;
};
inline constexpr Field sysctl_fields[] = {
    WAGGLE_FIELD(SysctlRecord, value, Unit::none, "Its value."),
    WAGGLE_FIELD(SysctlRecord, name, Unit::none, "Its name."),
};
inline constexpr Schema sysctl_schema = {"sysctls", "One kernel setting.", sizeof(SysctlRecord),
                                         sysctl_fields, false};

struct Drop {
    std::uint32_t pid = 0;
    std::string_view comm = {};
    std::uint64_t count = 1;
    std::uint32_t reason = 0;
    std::uint16_t port = 0;
    std::string_view rule = {};
    std::uint64_t time_ns = 0;
};

inline RecordWriter<DropRecord> drop_record(const Drop& drop) {
    RecordWriter<DropRecord> record;
    record.fixed.header.pid = drop.pid;
    record.fixed.header.time_ns = drop.time_ns;
    drop.comm.copy(record.fixed.header.comm, 15);
    record.fixed.count = drop.count;
    record.fixed.reason = drop.reason;
    record.fixed.port = drop.port;
    record.text(&DropRecord::rule, drop.rule);
    return record;
}
inline void append(Table& table, const Drop& drop) {
    auto record = drop_record(drop);
    table.append(Row(drop_schema, record.finish()));
}
inline void append(Table& table, std::string_view sysctl, std::int64_t value) {
    RecordWriter<SysctlRecord> record;
    record.fixed.value = value;
    record.text(&SysctlRecord::name, sysctl);
    table.append(Row(sysctl_schema, record.finish()));
}

inline Cell cell(std::int64_t value) {
    Cell out;
    out.kind = Value::Kind::integer;
    out.integer = value;
    return out;
}
inline Cell cell(double value) {
    Cell out;
    out.kind = Value::Kind::real;
    out.real = value;
    return out;
}
inline Cell cell(std::string_view value, Value::Kind kind = Value::Kind::text) {
    Cell out;
    out.kind = kind;
    out.text = value;
    return out;
}

}  // namespace waggle::explain::samples
