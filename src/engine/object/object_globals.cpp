// SPDX-License-Identifier: Apache-2.0
// The globals of an object: found by name in its BTF, checked for size and type, read and written.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <elf.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "binary/elf_file.h"
#include "engine/object/object_state.h"

namespace waggle {
namespace {

// Foreign BTF can name a type by itself; no honest chain of typedefs is longer.
constexpr int most_modifiers = 64;

const btf_type* resolve(const btf* types, std::uint32_t id) {
    const btf_type* type = btf__type_by_id(types, id);
    for (int i = 0; type && i < most_modifiers; ++i) {
        if (!btf_is_mod(type) && !btf_is_typedef(type) && !btf_is_var(type)) return type;
        type = btf__type_by_id(types, type->type);
    }
    return nullptr;
}

std::string_view words(GlobalType type) {
    switch (type) {
        case GlobalType::any:
            return "plain bytes";
        case GlobalType::boolean:
            return "a bool";
        case GlobalType::character:
            return "a character";
        case GlobalType::signed_integer:
            return "a signed integer";
        case GlobalType::unsigned_integer:
            return "an unsigned integer";
        case GlobalType::floating:
            return "a floating-point number";
    }
    return {};
}

// The type's own kind in the same words, and whether a C++ value of kind `wanted` can be one.
struct Judged {
    std::string_view is;
    bool fits;
};

Judged judge(const btf_type* type, GlobalType wanted) {
    if (wanted == GlobalType::any) return {words(wanted), true};
    if (!type) return {"of no known type", false};
    if (btf_is_float(type)) return {words(GlobalType::floating), wanted == GlobalType::floating};
    if (btf_is_any_enum(type))
        return {"an enum", wanted == GlobalType::signed_integer || wanted == GlobalType::unsigned_integer};
    if (btf_is_ptr(type)) return {"a pointer", wanted == GlobalType::unsigned_integer};
    if (btf_is_array(type)) return {"an array", false};
    if (btf_is_composite(type)) return {"a struct", false};
    if (!btf_is_int(type)) return {"no value", false};
    const int encoding = btf_int_encoding(type);
    if (encoding & BTF_INT_BOOL) return {words(GlobalType::boolean), wanted == GlobalType::boolean};
    // clang marks plain char as signed or as nothing, as the target has it.
    if (wanted == GlobalType::character) return {"an integer of more than a byte", type->size == 1};
    const GlobalType is =
        encoding & BTF_INT_SIGNED ? GlobalType::signed_integer : GlobalType::unsigned_integer;
    return {words(is), is == wanted};
}

}  // namespace

std::optional<Object::State::Place> Object::State::find_symbol(std::string_view variable,
                                                               const std::set<std::string_view>& described,
                                                               std::vector<std::string_view>& known) const {
    const Result<kernel::ElfFile> file = kernel::ElfFile::parse(elf);
    if (!file) return {};
    for (const kernel::ElfSymbol& symbol : file->symbols()) {
        if (symbol.type != STT_OBJECT || symbol.section >= file->sections().size()) continue;
        const kernel::ElfSection& section = file->sections()[symbol.section];
        if (section.name.empty() || described.contains(section.name) || symbol.value > section.size ||
            symbol.size > section.size - symbol.value)
            continue;
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object) {
            if (!bpf_map__is_internal(map) || !std::string_view(bpf_map__name(map)).ends_with(section.name) ||
                section.size > UINT32_MAX)
                continue;
            known.push_back(symbol.name);
            if (variable == symbol.name)
                return Place{map, static_cast<std::uint32_t>(symbol.value),
                             static_cast<std::uint32_t>(symbol.size), 0};
        }
    }
    return {};
}

Result<Object::State::Place> Object::State::find_global(std::string_view variable) const {
    const btf* types = bpf_object__btf(object);
    std::vector<std::string_view> known;
    std::set<std::string_view> described;
    for (__u32 id = 1; types && id < btf__type_cnt(types); ++id) {
        const btf_type* section = btf__type_by_id(types, id);
        if (!btf_is_datasec(section)) continue;
        const char* section_text = btf__name_by_offset(types, section->name_off);
        const std::string_view section_name = section_text ? section_text : "";
        if (section_name.empty()) continue;
        described.insert(section_name);
        const btf_var_secinfo* info = btf_var_secinfos(section);
        for (int i = 0; i < btf_vlen(section); ++i, ++info) {
            const btf_type* var = btf__type_by_id(types, info->type);
            const char* var_name = var ? btf__name_by_offset(types, var->name_off) : nullptr;
            if (!var_name) continue;
            known.emplace_back(var_name);
            if (variable != var_name) continue;
            bpf_map* map = nullptr;
            bpf_object__for_each_map(map, object) {
                const std::string_view map_name = bpf_map__name(map);
                if (bpf_map__is_internal(map) && map_name.ends_with(section_name))
                    return Place{map, info->offset, info->size, info->type};
            }
        }
    }
    // In a section without BTF (a release build of Rust has none) the symbols name globals too, but not their
    // types.
    if (const std::optional<Place> place = find_symbol(variable, described, known)) return *place;
    return Error{fmt::format("{} has no global named {}{}", name, escape_control(variable),
                             did_you_mean(variable, known))};
}

Result<Object::State::Place> Object::State::find_global(std::string_view variable, std::size_t size,
                                                        GlobalType type) const {
    Result<Place> place = find_global(variable);
    if (!place) return place;
    if (place->size != size)
        return Error{fmt::format("{}: {} has {} bytes, the value given or asked for has {}", name, variable,
                                 place->size, size)};
    if (place->type == 0) return place;
    const Judged judged = judge(resolve(bpf_object__btf(object), place->type), type);
    if (!judged.fits)
        return Error{fmt::format("{}: {} is {}, not {}", name, variable, judged.is, words(type))};
    return place;
}

Result<void> Object::State::write_constant(std::string_view variable, Bytes value, GlobalType type) const {
    const Result<Place> place = find_global(variable, value.size(), type);
    if (!place) return place.error();
    std::size_t size = 0;
    const auto* initial = static_cast<const std::byte*>(bpf_map__initial_value(place->map, &size));
    if (!initial || place->offset > size || value.size() > size - place->offset)
        return Error{fmt::format("{}: {} has no initial value to set", name, variable)};
    std::vector<std::byte> section(initial, initial + size);
    std::memcpy(section.data() + place->offset, value.data(), value.size());
    if (bpf_map__set_initial_value(place->map, section.data(), size) != 0)
        return Error{fmt::format("{}: {} cannot be set: {}", name, variable,
                                 loaded ? "the object is loaded already" : std::strerror(errno))};
    return {};
}

Result<void> Object::read_global(std::string_view variable, std::span<std::byte> out, GlobalType type) const {
    const Result<State::Place> place = state_->find_global(variable, out.size(), type);
    if (!place) return place.error();
    std::vector<std::byte> section(bpf_map__value_size(place->map));
    if (state_->loaded) {
        const std::uint32_t key = 0;
        if (bpf_map_lookup_elem(bpf_map__fd(place->map), &key, section.data()) != 0)
            return Error{
                fmt::format("{}: {} cannot be read: {}", state_->name, variable, std::strerror(errno))};
    } else {
        std::size_t size = 0;
        const void* initial = bpf_map__initial_value(place->map, &size);
        if (!initial) return Error{fmt::format("{}: {} has no initial value", state_->name, variable)};
        section.resize(size);
        std::memcpy(section.data(), initial, size);
    }
    if (place->offset > section.size() || out.size() > section.size() - place->offset)
        return Error{fmt::format("{}: {} lies outside its section", state_->name, variable)};
    std::memcpy(out.data(), section.data() + place->offset, out.size());
    return {};
}

Result<void*> Object::global_bytes(std::string_view variable, std::size_t size, GlobalType type) {
    const Result<State::Place> place = state_->find_global(variable, size, type);
    if (!place) return place.error();
    const std::string section = bpf_map__name(place->map);
    if (!state_->loaded)
        return Error{
            fmt::format("{}: {} is shared with the kernel only after load()", state_->name, variable)};
    if (section.find(".rodata") != std::string::npos)
        return Error{fmt::format("{}: {} is constant since load()", state_->name, variable)};
    auto mapping = state_->mappings.find(section);
    if (mapping == state_->mappings.end()) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t length = (bpf_map__value_size(place->map) + page - 1) / page * page;
        void* address =
            ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(place->map), 0);
        if (address == MAP_FAILED)
            return Error{fmt::format("{}: cannot map {}: {}", state_->name, section, std::strerror(errno))};
        mapping = state_->mappings.emplace(section, State::Mapping{address, length}).first;
    }
    if (place->offset + size > mapping->second.size)
        return Error{fmt::format("{}: {} lies outside its section", state_->name, variable)};
    return static_cast<void*>(static_cast<std::byte*>(mapping->second.address) + place->offset);
}

}  // namespace waggle
