// SPDX-License-Identifier: Apache-2.0
// One instruction as the verifier prints it, and what a register holds, taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::kernel {

struct Instruction {
    enum class Kind {
        other,
        copy,        // r1 = r2, r1 = (s8)r2, r1 = be16 r2
        constant,    // r1 = 5, r1 = map[id:3]
        arithmetic,  // r1 += r2, r1 <<= 3
        load,        // r1 = *(u32 *)(r2 +8)
        store,       // *(u32 *)(r2 +8) = r1
        branch,      // if r1 > 0x3f goto pc+2
        call,        // call bpf_map_lookup_elem#1
        call_local,  // call pc+4
        exit,
    };
    Kind kind = Kind::other;
    std::string dest;    // "R1": the register written
    std::string source;  // "R2": the register read, where there is one
    std::string base;    // "R2" of a load or store
    std::int64_t offset = 0;
    std::string_view width;      // "u32"
    std::string_view operation;  // "+=" of arithmetic, ">" of a branch
    std::string_view operand;    // what stands right of it
    std::string_view function;   // "bpf_map_lookup_elem"

    // "fp-8" when it loads from or stores to the stack frame's own slot; empty otherwise.
    std::string slot() const;
};

Instruction decode(std::string_view text);

// "map_value_or_null(id=1,off=0,ks=4,vs=8)" taken apart.
struct Held {
    std::string_view kind;  // "map_value_or_null", "scalar", "ptr_task_struct", "fp"
    std::vector<std::pair<std::string_view, std::string_view>> parts;
    std::optional<std::int64_t> number;  // a known scalar, or the offset behind fp

    std::optional<std::string_view> part(std::string_view name) const;
    std::int64_t offset() const;  // of a pointer: its fixed part, 0 where the log shows none
    bool is_packet() const { return kind == "pkt" || kind == "pkt_meta"; }
    bool is_scalar() const { return kind == "scalar"; }
    bool can_be_null() const { return kind.find("or_null") != std::string_view::npos; }
    // The bounds of a scalar or of a pointer's variable part, where the log shows them.
    std::optional<std::int64_t> smallest() const;
    std::optional<std::int64_t> largest() const;
};

Held read_held(std::string_view value);

}  // namespace waggle::kernel
