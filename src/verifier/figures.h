// SPDX-License-Identifier: Apache-2.0
// Figures in the verifier's words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "verifier/words.h"

namespace waggle::kernel {

// How programs of a section say "go on": "XDP_PASS".
std::string_view verdict_of(std::string_view section);

// The number named `name`, or `otherwise` where there is none.
std::int64_t number_in(const Facts& facts, std::string_view name, std::int64_t otherwise = 0);

bool has(const Facts& facts, std::string_view name);  // there and not empty

std::int64_t width_of(std::string_view width);  // "u32": 4; 0: no width

// The register that a complaint names: "R3 offset is outside of the packet", "…, R3(id=0…".
std::string register_in(std::string_view line);

// "[0, 1]" and "(0x0; 0x1)" (a value and the bits that vary) as first and last.
std::optional<std::pair<std::int64_t, std::int64_t>> read_range(std::string_view text);

// Whether a function's name says that it gives an object back, or moves the packet.
bool gives_back(std::string_view function);
bool moves_packet(std::string_view function);
// Whether it puts the object of its second argument into a list or tree.
bool goes_into_collection(std::string_view function);

// Whether the helper runs its callback again and again, until that returns 1.
bool one_stops(std::string_view helper);

// "writes" or "reads": what the helper does with the memory given as this argument; "uses" where its name
// does not say.
std::string_view access_of(std::string_view helper, int argument);

// What the context of such programs calls the packet's begin and end; as most do: "data" and "data_end".
std::string_view packet_begin_field(std::string_view section);
std::string_view packet_end_field(std::string_view section);

// "stack_trace" of the number by which the kernel names a type of maps; empty for those that are newer than this list.
std::string_view map_type_name(std::int64_t number);

// Whether the first argument of the helper is the program's context.
bool takes_context(std::string_view helper);

// The helper that copies bytes of the packet for programs of the section; empty where there is none.
std::string_view loader_of(std::string_view section);

// Whether the context of such programs is memory as it stands, which can be copied like any other.
bool has_plain_context(std::string_view section);

// Whether the C library has a function of that name.
bool in_c_library(std::string_view function);

// The section of the same hook whose programs can sleep: "fentry.s/f"; empty where there is none.
std::string sleepable_section(std::string_view section);

}  // namespace waggle::kernel
