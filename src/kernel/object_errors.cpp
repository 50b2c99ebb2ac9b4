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
#include "kernel/elf_file.h"
#include "kernel/hook_kinds.h"
#include "kernel/libbpf_log.h"
#include "kernel/object_check.h"
#include "kernel/object_state.h"
#include "kernel/verifier_load.h"

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

}  // namespace kernel

namespace {

std::string_view map_type_name(const bpf_map* map) {
    const char* name = libbpf_bpf_map_type_str(bpf_map__type(map));
    return name ? name : "of unknown type";
}

}  // namespace

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
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const std::string_view map_name = bpf_map__name(map);
        if (log.find(fmt::format("map '{}': failed to create", map_name)) == std::string::npos) continue;
        // A map that hangs on tasks, files or sockets has no size of its own.
        const std::string_view type = map_type_name(map);
        if (bpf_map__max_entries(map) == 0 && !type.ends_with("_storage"))
            return because(
                fmt::format("map {} has 0 entries; give it a size (max_entries)", escape_control(map_name)));
        return because(fmt::format("map {} ({}, key {} bytes, value {} bytes, {} entries) is refused: {}",
                                   escape_control(map_name), type, bpf_map__key_size(map),
                                   bpf_map__value_size(map), bpf_map__max_entries(map),
                                   std::strerror(error)));
    }
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
