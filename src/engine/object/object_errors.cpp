// SPDX-License-Identifier: Apache-2.0
// Why an object is refused, in a person's words: from its own bytes before libbpf sees it, and from what
// libbpf and the verifier say.
#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "base/units.h"
#include "binary/elf_file.h"
#include "binary/object_check.h"
#include "engine/object/object_state.h"
#include "engine/object/verifier_load.h"
#include "engine/support/hook_kinds.h"
#include "engine/support/libbpf_log.h"
#include "waggle/verifier.h"

namespace waggle {
namespace kernel {

// libbpf names the failing program in a line "prog 'NAME': failed to load: …".
std::string failed_program(std::string_view log) {
    for (std::string_view line : split(log, '\n')) {
        const std::size_t at = line.find("prog '");
        if (at == std::string_view::npos || line.find("failed to load") == std::string_view::npos) continue;
        const std::string_view rest = line.substr(at + 6);
        return std::string(rest.substr(0, rest.find('\'')));
    }
    return {};
}

// libbpf's line: "failed to resolve CO-RE relocation <byte_off> [7] struct task_struct.gone (0:1 @ offset
// 4)".
std::string missing_field(std::string_view log) {
    constexpr std::string_view mark = "failed to resolve CO-RE relocation <";
    const std::size_t at = log.find(mark);
    if (at == std::string_view::npos) return {};
    std::string_view line = log.substr(at + mark.size());
    line = line.substr(0, line.find('\n'));
    const std::size_t kind_end = line.find('>');
    const std::size_t id_end = line.find("] ");
    if (kind_end == std::string_view::npos || id_end == std::string_view::npos) return {};
    const std::string_view kind = line.substr(0, kind_end);
    std::string_view what = line.substr(id_end + 2);
    what = what.substr(0, what.find(" ("));
    // A type's own spec ends at its name, an enumerator's stands behind "::".
    std::string name = escape_control(what);
    // "___" and what follows is the source's own mark for a variant of the type.
    if (const std::size_t flavour = name.find("___"); flavour != std::string::npos)
        name.erase(flavour, std::min(name.find_first_of(".:", flavour), name.size()) - flavour);
    if (const std::size_t value = name.find("::"); value != std::string::npos)
        return fmt::format("the kernel's {} has no value {}", name.substr(0, value),
                           name.substr(value + 2, name.find(' ', value) - value - 2));
    if (const std::size_t dot = name.find('.'); dot != std::string::npos)
        return fmt::format("the kernel's {} has no field {}", name.substr(0, dot), name.substr(dot + 1));
    return fmt::format("the kernel has no {} ({})", name, kind);
}

// Before it looks at a single instruction the kernel counts them, and says only "Argument list too long".
std::string too_many_instructions(const bpf_program* program) {
    constexpr std::size_t most = 1'000'000;
    const std::size_t count = bpf_program__insn_cnt(program);
    if (count <= most) return {};
    return fmt::format("program {} has {} instructions; the kernel takes at most {}",
                       escape_control(bpf_program__name(program)),
                       format_count(static_cast<std::int64_t>(count)), format_count(most));
}

namespace {

std::string_view map_type_name(const bpf_map* map) {
    const char* name = libbpf_bpf_map_type_str(bpf_map__type(map));
    return name ? name : "of unknown type";
}

// Why the kernel refuses to make the map, where its declaration shows it; else empty.
std::string fault_of_map(const bpf_map* map, int error) {
    const bpf_map_type type = bpf_map__type(map);
    const std::uint32_t key = bpf_map__key_size(map), value = bpf_map__value_size(map);
    const std::uint32_t entries = bpf_map__max_entries(map);
    const std::string_view name = map_type_name(map);
    const bool per_cpu = name.starts_with("percpu_") || name == "lru_percpu_hash";
    const bool indexed = name.ends_with("array") || name == "devmap" || name == "cpumap" ||
                         name == "xskmap" || name == "array_of_maps";
    constexpr std::uint32_t per_cpu_bytes = 32 * 1024, index_bytes = 4;
    if (entries == 0 && !name.ends_with("_storage") && type != BPF_MAP_TYPE_STRUCT_OPS)
        return "has 0 entries; give it a size (max_entries)";
    const bool local = name.ends_with("_storage") && name.find("cgroup_") == std::string_view::npos;
    const std::uint32_t flags = bpf_map__map_flags(map);
    if (local) {
        if (entries != 0)
            return fmt::format(
                "has {} entries; a map of type {} grows with its owners, and takes no max_entries", entries,
                name);
        if ((flags & BPF_F_NO_PREALLOC) == 0)
            return fmt::format("is of type {} and lacks __uint(map_flags, BPF_F_NO_PREALLOC)", name);
        if (key != index_bytes)
            return fmt::format("has keys of {} bytes; a map of type {} has keys of 4 bytes (int)", key, name);
    }
    if (type == BPF_MAP_TYPE_LPM_TRIE) {
        // 4 bytes for the prefix's length, and 1 to 256 of data.
        constexpr std::uint32_t least = 5, most = 260;
        if ((flags & BPF_F_NO_PREALLOC) == 0)
            return "is of type lpm_trie and lacks __uint(map_flags, BPF_F_NO_PREALLOC)";
        if (key < least || key > most)
            return fmt::format(
                "has keys of {} bytes; a key of an lpm_trie has the prefix's length in 4 bytes, and 1 to 256 "
                "bytes behind it",
                key);
    }
    if ((name == "queue" || name == "stack" || name == "bloom_filter") && key != 0)
        return fmt::format("has keys of {} bytes; a map of type {} has no keys: leave __type(key, ...) out",
                           key, name);
    if ((type == BPF_MAP_TYPE_PROG_ARRAY || type == BPF_MAP_TYPE_PERF_EVENT_ARRAY ||
         type == BPF_MAP_TYPE_CGROUP_ARRAY) &&
        value != index_bytes)
        return fmt::format("has values of {} bytes; a map of type {} has values of 4 bytes", value, name);
    if ((type == BPF_MAP_TYPE_SOCKMAP || type == BPF_MAP_TYPE_SOCKHASH) && value != 4 && value != 8)
        return fmt::format("has values of {} bytes; a map of type {} has values of 4 or 8 bytes", value,
                           name);
    if ((type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH) &&
        (flags & BPF_F_NO_PREALLOC) != 0)
        return fmt::format("is of type {} and has BPF_F_NO_PREALLOC; such a map takes its memory at once",
                           name);
    if (indexed && key != index_bytes)
        return fmt::format(
            "has keys of {} bytes; a map of type {} is reached by an index, and its keys must be 4 bytes",
            key, name);
    // All else is in order: without an inner map the kernel gets descriptor 0, which is no map.
    if (name.ends_with("_of_maps") && error == EINVAL && flags == 0 && key > 0 && value == index_bytes &&
        !bpf_map__inner_map(const_cast<bpf_map*>(map)))
        return fmt::format(
            "is of type {} and does not say what its maps are like: add __array(values, struct ...) with the "
            "inner map's declaration",
            name);
    if (per_cpu && value > per_cpu_bytes)
        return fmt::format(
            "has values of {} bytes, which is too large: a value that each CPU has its own of can be at "
            "most 32768 bytes (32 KiB)",
            format_count(value));
    if (name.ends_with("ringbuf") && (key != 0 || value != 0))
        return "is a ring buffer with a key or value size; it has neither";
    if (type == BPF_MAP_TYPE_STACK_TRACE &&
        (key != index_bytes || value < 8 || value % 8 != 0 || value / 8 > 127))
        return fmt::format(
            "has keys of {} and values of {} bytes; stacks need keys of 4 bytes and values of 8 bytes for "
            "each frame, 127 frames at most (sysctl kernel.perf_event_max_stack)",
            key, value);
    if (error == ENOMEM || (error == E2BIG && std::uint64_t{entries} * (key + value) > 1u << 30))
        return fmt::format("needs about {} of memory ({} entries of {} bytes), more than the kernel gives",
                           format_bytes(static_cast<double>(entries) * (key + value)),
                           format_count(static_cast<std::int64_t>(entries)), key + value);
    return {};
}

}  // namespace

std::string refused_map(bpf_object* object, std::string_view log, int error) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const std::string_view name = bpf_map__name(map);
        if (log.find(fmt::format("map '{}': failed to create", name)) == std::string_view::npos) continue;
        if (const std::string fault = fault_of_map(map, error); !fault.empty())
            return fmt::format("map {} {}", escape_control(name), fault);
        return fmt::format("map {} ({}, key {} bytes, value {} bytes, {} entries) is refused: {}",
                           escape_control(name), map_type_name(map), bpf_map__key_size(map),
                           bpf_map__value_size(map), bpf_map__max_entries(map), std::strerror(error));
    }
    return {};
}

std::string mixed_tail_calls(bpf_object* object) {
    std::string arrays, callers;
    int array_count = 0;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (bpf_map__type(map) != BPF_MAP_TYPE_PROG_ARRAY) continue;
        ++array_count;
        arrays = escape_control(bpf_map__name(map));
    }
    if (array_count != 1) return {};  // which of several is shared, this does not show
    constexpr std::int32_t helper_tail_call = 12;
    std::optional<bpf_prog_type> first;
    bool mixed = false;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        const bpf_insn* code = bpf_program__insns(program);
        bool calls = false;
        for (std::size_t i = 0; code && i < bpf_program__insn_cnt(program); ++i)
            calls = calls || (code[i].code == (BPF_JMP | BPF_CALL) && code[i].src_reg == 0 &&
                              code[i].imm == helper_tail_call);
        if (!calls) continue;
        const char* type = libbpf_bpf_prog_type_str(bpf_program__type(program));
        callers += fmt::format("{}{} ({})", callers.empty() ? "" : ", ",
                               escape_control(bpf_program__name(program)), type ? type : "unknown");
        if (first && *first != bpf_program__type(program)) mixed = true;
        first = bpf_program__type(program);
    }
    if (!mixed) return {};
    return fmt::format(
        "programs of different types call through the program array {}: {}; an array holds programs of the "
        "same type, so "
        "each type needs an array of its own",
        arrays, callers);
}

}  // namespace kernel

Error Object::State::load_error(int error) const {
    const std::string log = kernel::libbpf_log();  // what is asked below writes into it again
    const std::string words = kernel::load_words(error, elf);
    const bool privilege = error == EPERM && !kernel::missing_to_watch().empty();
    const auto because = [&](std::string reason) {
        return Error{fmt::format("load {}: {}", name, reason),
                     privilege ? ErrorKind::privilege : ErrorKind::failed};
    };
    if (privilege) return because(kernel::missing_to_watch());
    if (std::string field = kernel::missing_field(log); !field.empty()) return because(std::move(field));
    if (!has_licence && log.find("GPL") != std::string::npos)
        return because(
            "it states no licence, and a program that calls a GPL-only function must state one compatible "
            "with the GPL "
            "(char LICENSE[] SEC(\"license\") = \"GPL\")");
    if (std::string map = kernel::refused_map(object, log, error); !map.empty())
        return because(std::move(map));
    if (std::string mixed = kernel::mixed_tail_calls(object);
        error == EINVAL && !mixed.empty() && !rejection_of_last_load())
        return because(std::move(mixed));
    if (const auto culprit = find_program(kernel::failed_program(log)); culprit)
        if (std::string too_long = kernel::too_many_instructions(*culprit); !too_long.empty())
            return because(std::move(too_long));
    // A kind the kernel was built without fails at load with a word that says nothing; a program that the
    // verifier has read and refused is another matter (EACCES).
    if (const auto culprit = find_program(kernel::failed_program(log)); culprit && error != EACCES) {
        const auto planned = plans.find(std::string_view(bpf_program__name(*culprit)));
        const auto place = planned != plans.end()
                               ? Result<AttachSpec>(planned->second)
                               : AttachSpec::from_section(bpf_program__section_name(*culprit));
        if (place)
            if (const std::string lacks = kernel::kernel_lacks(to_string(place->kind)); !lacks.empty())
                return because(fmt::format("{}: {}", escape_control(bpf_program__name(*culprit)), lacks));
    }
    return because(words);
}

}  // namespace waggle
