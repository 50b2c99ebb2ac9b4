// SPDX-License-Identifier: Apache-2.0
// What is checked of a foreign object before libbpf sees it: libbpf 1.1 follows offsets and type numbers
// without looking, and answers most that is wrong with "Invalid argument".
#pragma once

#include <string>
#include <string_view>

#include "waggle/bytes.h"
#include "waggle/result.h"

struct bpf_object;
struct bpf_program;

namespace waggle::kernel {

struct ObjectCheck {
    bool has_licence = false;
    bool legacy_maps = false;  // a section "maps" or "maps/…"
};

// Refuses what is no BPF object, is cut off, or describes types that do not exist or contain themselves.
Result<ObjectCheck> check_object(Bytes elf);

// A file of types to resolve offsets against: raw BTF, or ELF with a section .BTF. The error names the file.
Result<void> check_btf_file(const std::string& path);

// A .BTF section: every offset, type number and chain of types, so that whoever walks them ends.
Result<void> check_btf(Bytes btf);

// The program that libbpf's log says was not loaded; empty where it names none.
std::string failed_program(std::string_view log);

// "program x has 1,000,001 instructions; the kernel takes at most 1,000,000" where it has more than the
// kernel takes; else empty.
std::string too_many_instructions(const bpf_program* program);

// "map counts has keys of 8 bytes; …" of the map that libbpf's log says was not made; else empty.
std::string refused_map(bpf_object* object, std::string_view log, int error);

// "programs of different types call through the program array stages: …"; empty where they do not, or where it
// cannot be told.
std::string mixed_tail_calls(bpf_object* object);

// "the kernel's struct task_struct has no field gone", from libbpf's log of a failed load; else empty.
std::string missing_field(std::string_view log);

}  // namespace waggle::kernel
