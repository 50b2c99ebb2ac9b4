// SPDX-License-Identifier: Apache-2.0
// Schema: the one place where the fields of a record are named. The terminal table, JSON keys, SQL columns,
// OTLP attributes and the reference documentation are all derived from it.
//
// A schema is declared once per event struct, as static data, and lives as long as the program.
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/units.h"

namespace waggle {

enum class Type : std::uint8_t {
    u8,
    u16,
    u32,
    u64,
    i32,
    i64,
    real,          // double
    flag,          // __u8, 0 or 1
    text,          // char[N], ends at the first NUL
    text_ref,      // waggle_text: text behind the fixed part
    address,       // waggle_address
    histogram,     // __u64[N]: slot i counts values v with floor(log2(v)) == i; slot 0 also counts 0
    distribution,  // waggle_histogram: log-linear slots behind the fixed part (model/histogram.h)
};

std::string_view type_name(Type type);  // as the reference documentation prints it

// What a field is besides a value.
enum FieldTrait : std::uint8_t {
    trait_none = 0,
    trait_key = 1,         // part of what identifies the row among the rows of one snapshot
    trait_cumulative = 2,  // only grows: a snapshot gives what was added, a fact gains <name>_delta
    trait_hidden = 4,      // not in the terminal's default columns
    trait_nullable = 8,    // Type::i64: null_i64 stands for "not known"
    trait_absent = 16,     // not in these records, which an older build made: always null
    trait_filtered = 32,   // the kernel side can be told to let only records of one value pass
};

inline constexpr std::int64_t null_i64 = INT64_MIN;

struct Field {
    std::string_view name;  // snake_case, unit in the name: device_ns
    Type type;
    Unit unit;
    std::uint32_t offset;  // from the record's first byte
    std::uint32_t size;
    std::string_view meaning;  // one sentence
    std::uint8_t traits = trait_none;
    std::string_view dictionary = {};  // numbers with names: the dictionary of model/names.h that says them

    constexpr bool is_distribution() const { return type == Type::histogram || type == Type::distribution; }
};

struct Schema {
    std::string_view name;     // SQL table: "block_io"
    std::string_view meaning;  // one sentence: what one row is
    std::uint32_t size;        // of the fixed part
    std::span<const Field> fields;
    bool has_subject;  // starts with waggle_event: gains the subject's columns (model/columns.h)
    std::uint32_t memory_weight = 4;  // its part of the memory that all tables share, against the others'
    bool is_state = false;            // says how things stand: the rows of a moment replace those before
    // Its rows are made only where this table is asked for by name: what each costs is paid by who wants them.
    bool only_named = false;

    const Field* find(std::string_view field) const;
};

template <class Member>
constexpr Type type_of_member() {
    using Plain = std::remove_cv_t<Member>;
    using Element = std::remove_extent_t<Plain>;
    if constexpr (std::is_array_v<Plain> && std::is_same_v<Element, char>)
        return Type::text;
    else if constexpr (std::is_array_v<Plain> && std::is_same_v<Element, __u64>)
        return Type::histogram;
    else if constexpr (std::is_same_v<Plain, waggle_text>)
        return Type::text_ref;
    else if constexpr (std::is_same_v<Plain, waggle_histogram>)
        return Type::distribution;
    else if constexpr (std::is_same_v<Plain, waggle_address>)
        return Type::address;
    else if constexpr (std::is_same_v<Plain, double>)
        return Type::real;
    else if constexpr (std::is_same_v<Plain, __u8>)
        return Type::u8;
    else if constexpr (std::is_same_v<Plain, __u16>)
        return Type::u16;
    else if constexpr (std::is_same_v<Plain, __u32>)
        return Type::u32;
    else if constexpr (std::is_same_v<Plain, __u64>)
        return Type::u64;
    else if constexpr (std::is_same_v<Plain, __s32>)
        return Type::i32;
    else {
        static_assert(std::is_same_v<Plain, __s64>, "a field must be one of the types of waggle::Type");
        return Type::i64;
    }
}

// WAGGLE_FIELD(block_io_event, device_ns, Unit::nanoseconds, "Time …"[, traits[, dictionary]])
#define WAGGLE_FIELD(Struct, member, unit, ...)                                               \
    ::waggle::make_field(#member, ::waggle::type_of_member<decltype(Struct::member)>(), unit, \
                         offsetof(Struct, member), sizeof(Struct::member), __VA_ARGS__)
// A yes/no field: a __u8 that holds 0 or 1.
#define WAGGLE_FLAG(Struct, member, ...)                                                                   \
    ::waggle::make_field(#member, ::waggle::Type::flag, ::waggle::Unit::none, offsetof(Struct, member), 1, \
                         __VA_ARGS__)
// The header's fields, for structs whose first member is `struct waggle_event header`; of a source whose
// kernel side filters by them as bpf/ring.h does, and of one that cannot.
#define WAGGLE_HEADER_FIELDS(Struct) \
    WAGGLE_HEADER_FIELDS_AT(offsetof(Struct, header), ::waggle::trait_filtered)
#define WAGGLE_UNFILTERED_HEADER_FIELDS(Struct) \
    WAGGLE_HEADER_FIELDS_AT(offsetof(Struct, header), ::waggle::trait_none)
#define WAGGLE_HEADER_FIELDS_AT(at, filtered)                                                               \
    ::waggle::make_field("time_ns", ::waggle::Type::u64, ::waggle::Unit::nanoseconds,                       \
                         (at) + offsetof(waggle_event, time_ns), 8,                                         \
                         "When it happened, by the clock CLOCK_MONOTONIC."),                                \
        ::waggle::make_field("pid", ::waggle::Type::u32, ::waggle::Unit::identifier,                        \
                             (at) + offsetof(waggle_event, pid), 4,                                         \
                             "The process, as the host numbers it; 0 where none is meant.", filtered),      \
        ::waggle::make_field("tid", ::waggle::Type::u32, ::waggle::Unit::identifier,                        \
                             (at) + offsetof(waggle_event, tid), 4, "The thread, as the host numbers it.",  \
                             ::waggle::trait_hidden),                                                       \
        ::waggle::make_field("comm", ::waggle::Type::text, ::waggle::Unit::none,                            \
                             (at) + offsetof(waggle_event, comm), WAGGLE_COMM_LEN,                          \
                             "The thread's name, at most 15 characters.", filtered),                        \
        ::waggle::make_field("start_ns", ::waggle::Type::u64, ::waggle::Unit::nanoseconds,                  \
                             (at) + offsetof(waggle_event, start_ns), 8,                                    \
                             "When the process began, by the clock CLOCK_BOOTTIME; with pid it names one "  \
                             "process for good.",                                                           \
                             ::waggle::trait_hidden),                                                       \
        ::waggle::make_field("cgroup_id", ::waggle::Type::u64, ::waggle::Unit::identifier,                  \
                             (at) + offsetof(waggle_event, cgroup_id), 8,                                   \
                             "The control group (the kernel's unit of resource accounting) by its number.", \
                             ::waggle::trait_hidden | (filtered))

constexpr Field make_field(std::string_view name, Type type, Unit unit, std::size_t offset, std::size_t size,
                           std::string_view meaning, unsigned traits = trait_none,
                           std::string_view dictionary = {}) {
    return {name,
            type,
            unit,
            static_cast<std::uint32_t>(offset),
            static_cast<std::uint32_t>(size),
            meaning,
            static_cast<std::uint8_t>(traits),
            dictionary};
}

}  // namespace waggle
