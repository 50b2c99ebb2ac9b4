// SPDX-License-Identifier: Apache-2.0
// What stands behind an Object: libbpf's object, what was asked of it, and what it holds in the kernel.
#pragma once

#include <bpf/libbpf.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/attach/attach.h"
#include "engine/attach/attachment_link.h"
#include "waggle/object.h"

namespace waggle {

struct Object::State {
    std::string name;
    ObjectOptions options;
    std::vector<std::byte> kept;  // the bytes, where the object owns them or had to rewrite them
    Bytes elf;
    bool has_licence = true;
    std::set<std::string, std::less<>> legacy_maps;
    std::set<std::string, std::less<>> reused_maps;
    bpf_object* object = nullptr;
    bool loaded = false;

    // What was asked for, to be done again whenever the object is opened again.
    std::map<std::string, std::vector<std::byte>, std::less<>> constants;
    std::map<std::string, std::uint32_t, std::less<>> max_entries;
    std::map<std::string, bool, std::less<>> autoload;
    std::map<std::string, AttachSpec, std::less<>> plans;

    Result<void> check_loaded_for(const bpf_program* program, const AttachSpec& spec) const;

    kernel::AttachContext context;
    struct Attached {
        std::string name;
        bpf_program* program;
        std::string where;
        kernel::AttachmentLink link;
    };
    std::vector<Attached> attached;
    struct Mapping {
        void* address;
        std::size_t size;
    };
    std::map<std::string, Mapping, std::less<>> mappings;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    // libbpf has read the kernel's types for a plan (6 MiB), and gives them back only when it loads.
    mutable bool holds_kernel_types = false;

    ~State() { close(); }

    void close();
    // Closes and opens again, with all that was asked for.
    Result<void> reopen();
    // libbpf's load; the error says why in a person's words.
    Result<void> load_chosen();
    Error load_error(int error) const;

    Result<bpf_program*> find_program(std::string_view program) const;
    Result<bpf_map*> find_map(std::string_view map) const;
    Result<void> write_max_entries(std::string_view map, std::uint32_t entries) const;
    Result<void> apply_plan(bpf_program* program, const AttachSpec& spec) const;

    // A global by name: where its section's map holds it.
    struct Place {
        bpf_map* map;
        std::uint32_t offset;
        std::uint32_t size;
        std::uint32_t type;  // in the object's BTF; 0: not known
    };
    Result<Place> find_global(std::string_view variable) const;
    // By the symbols of the sections that BTF does not describe; adds their names to `known`.
    std::optional<Place> find_symbol(std::string_view variable, const std::set<std::string_view>& described,
                                     std::vector<std::string_view>& known) const;
    Result<Place> find_global(std::string_view variable, std::size_t size, GlobalType type) const;
    Result<void> write_constant(std::string_view variable, Bytes value, GlobalType type) const;
};

}  // namespace waggle
