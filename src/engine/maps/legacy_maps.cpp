// SPDX-License-Identifier: Apache-2.0
#include "engine/maps/legacy_maps.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <elf.h>
#include <fmt/core.h>
#include <linux/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "base/text.h"
#include "binary/elf_file.h"
#include "engine/support/owned_btf.h"

namespace waggle::kernel {
namespace {

// The words of a definition in the order that bpf_map_def, aya's bpf_map_def and iproute2's bpf_elf_map
// share. An empty name is a word that no kernel reads.
constexpr const char* attribute_names[] = {"type",      "key_size", "value_size", "max_entries",
                                           "map_flags", "",         "pinning"};
constexpr std::size_t fewest_words = 4;

struct LegacyMap {
    std::string name;
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    std::vector<std::uint32_t> values;
};

Result<std::vector<LegacyMap>> read_definitions(const ElfFile& file, std::size_t section_number) {
    const ElfSection& section = file.sections()[section_number];
    std::vector<LegacyMap> out;
    for (const ElfSymbol& symbol : file.symbols()) {
        if (symbol.section != section_number || symbol.name.empty() || symbol.type == STT_SECTION) continue;
        if (symbol.value >= section.content.size())
            return Error{fmt::format("map {} lies outside its section", escape_control(symbol.name))};
        LegacyMap map;
        map.name = symbol.name;
        map.offset = static_cast<std::uint32_t>(symbol.value);
        map.size = static_cast<std::uint32_t>(std::min<std::uint64_t>(symbol.size, section.content.size()));
        out.push_back(std::move(map));
    }
    if (out.empty()) return Error{"its section maps names no map"};
    std::ranges::sort(out, {}, &LegacyMap::offset);
    for (std::size_t i = 0; i < out.size(); ++i) {
        LegacyMap& map = out[i];
        const std::uint64_t end = i + 1 < out.size() ? out[i + 1].offset : section.content.size();
        // Compilers that write no size leave it to the next symbol.
        const std::uint64_t room = end - map.offset;
        if (map.size == 0 || map.size > room) map.size = static_cast<std::uint32_t>(room);
        if (map.size < fewest_words * 4)
            return Error{
                fmt::format("map {} has a definition of {} bytes; at least {} are its type and sizes",
                            escape_control(map.name), map.size, fewest_words * 4)};
        for (std::size_t word = 0; word < std::size(attribute_names) && (word + 1) * 4 <= map.size; ++word)
            map.values.push_back(load<std::uint32_t>(section.content, map.offset + word * 4));
    }
    return out;
}

// A struct as libbpf reads maps from: each member's name is the property, the length of the array it points
// to its value. All members stand at byte 0, so that the struct is as long as the definition that lies there.
int add_definition(btf* types, int integer, const LegacyMap& map) {
    struct Member {
        const char* name;
        int type;
    };
    std::vector<Member> members;
    for (std::size_t i = 0; i < map.values.size(); ++i) {
        const std::uint32_t value = map.values[i];
        const bool pinned_by_name = value == 1;
        if (attribute_names[i][0] == '\0' || value == 0) continue;
        if (std::strcmp(attribute_names[i], "pinning") == 0 && !pinned_by_name) continue;
        const int array = btf__add_array(types, integer, integer, value);
        const int pointer = array < 0 ? array : btf__add_ptr(types, array);
        if (pointer < 0) return pointer;
        members.push_back({attribute_names[i], pointer});
    }
    const int id = btf__add_struct(types, nullptr, map.size);
    for (const Member& member : members)
        if (const int error = btf__add_field(types, member.name, member.type, 0, 0); error < 0) return error;
    return id;
}

// The object's own section "maps" in its BTF, as far as it names exactly these maps.
std::optional<std::uint32_t> find_section(const btf* types,
                                          const std::map<std::string, const LegacyMap*>& maps) {
    for (__u32 id = 1; id < btf__type_cnt(types); ++id) {
        const btf_type* type = btf__type_by_id(types, id);
        if (!btf_is_datasec(type) || std::string_view(btf__name_by_offset(types, type->name_off)) != "maps")
            continue;
        if (btf_vlen(type) != maps.size()) return std::nullopt;
        for (int i = 0; i < btf_vlen(type); ++i) {
            const btf_type* var = btf__type_by_id(types, btf_var_secinfos(type)[i].type);
            if (!btf_is_var(var) || !maps.contains(btf__name_by_offset(types, var->name_off)))
                return std::nullopt;
        }
        return id;
    }
    return std::nullopt;
}

bool names_section(const btf* types) {
    for (__u32 id = 1; id < btf__type_cnt(types); ++id) {
        const btf_type* type = btf__type_by_id(types, id);
        if (btf_is_datasec(type) && std::string_view(btf__name_by_offset(types, type->name_off)) == "maps")
            return true;
    }
    return false;
}

int describe(btf* types, const std::vector<LegacyMap>& maps, std::uint32_t section_size) {
    const int integer = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
    if (integer < 0) return integer;
    std::map<std::string, const LegacyMap*> by_name;
    std::map<std::string, int> definitions;
    for (const LegacyMap& map : maps) {
        by_name[map.name] = &map;
        const int id = add_definition(types, integer, map);
        if (id < 0) return id;
        definitions[map.name] = id;
    }
    if (const auto section = find_section(types, by_name)) {
        const int name = btf__add_str(types, ".maps");
        if (name < 0) return name;
        // libbpf hands types out as constant, and keeps its own copy that may be changed.
        auto* type = const_cast<btf_type*>(btf__type_by_id(types, *section));
        type->name_off = static_cast<__u32>(name);
        type->size = section_size;
        for (int i = 0; i < btf_vlen(type); ++i) {
            btf_var_secinfo& place = btf_var_secinfos(type)[i];
            auto* var = const_cast<btf_type*>(btf__type_by_id(types, place.type));
            const LegacyMap& map = *by_name.at(btf__name_by_offset(types, var->name_off));
            var->type = static_cast<__u32>(definitions.at(map.name));
            btf_var(var)->linkage = BTF_VAR_GLOBAL_ALLOCATED;
            place.offset = map.offset;
            place.size = map.size;
        }
        return 0;
    }
    std::vector<int> vars;
    for (const LegacyMap& map : maps)
        vars.push_back(
            btf__add_var(types, map.name.c_str(), BTF_VAR_GLOBAL_ALLOCATED, definitions.at(map.name)));
    if (const int section = btf__add_datasec(types, ".maps", section_size); section < 0) return section;
    for (std::size_t i = 0; i < maps.size(); ++i) {
        if (vars[i] < 0) return vars[i];
        if (const int error = btf__add_datasec_var_info(types, vars[i], maps[i].offset, maps[i].size);
            error < 0)
            return error;
    }
    return 0;
}

class Rewriter {
  public:
    explicit Rewriter(Bytes elf) : out_(elf.begin(), elf.end()), header_(load<Elf64_Ehdr>(elf)) {
        sections_.resize(header_.e_shnum);
        std::memcpy(sections_.data(), elf.data() + header_.e_shoff, sections_.size() * sizeof(Elf64_Shdr));
        const Elf64_Shdr& names = sections_[header_.e_shstrndx];
        names_.assign(reinterpret_cast<const char*>(elf.data()) + names.sh_offset, names.sh_size);
        names_.push_back('\0');
    }

    void rename(std::size_t section, std::string_view name) { sections_[section].sh_name = add_name(name); }
    void set_content(std::size_t section, Bytes content) {
        sections_[section].sh_offset = append(content);
        sections_[section].sh_size = content.size();
    }
    std::size_t add_section(std::string_view name) {
        Elf64_Shdr section{};
        section.sh_name = add_name(name);
        section.sh_type = SHT_PROGBITS;
        section.sh_addralign = 8;
        sections_.push_back(section);
        return sections_.size() - 1;
    }
    std::vector<std::byte> finish() {
        set_content(header_.e_shstrndx, bytes_of(std::string_view(names_)));
        const auto table = std::as_bytes(std::span(sections_));
        header_.e_shoff = append(table);
        header_.e_shnum = static_cast<std::uint16_t>(sections_.size());
        std::memcpy(out_.data(), &header_, sizeof header_);
        return std::move(out_);
    }

  private:
    std::uint32_t add_name(std::string_view name) {
        const auto at = static_cast<std::uint32_t>(names_.size());
        names_.append(name).push_back('\0');
        return at;
    }
    std::uint64_t append(Bytes content) {
        out_.resize((out_.size() + 7) / 8 * 8);
        const std::uint64_t at = out_.size();
        out_.insert(out_.end(), content.begin(), content.end());
        return at;
    }

    std::vector<std::byte> out_;
    Elf64_Ehdr header_;
    std::vector<Elf64_Shdr> sections_;
    std::string names_;
};

}  // namespace

Result<AdaptedObject> adapt_legacy_maps(Bytes elf) {
    const auto file = ElfFile::parse(elf);
    if (!file) return file.error();
    const auto& sections = file->sections();
    std::optional<std::size_t> maps_at, btf_at, btf_ext_at;
    for (std::size_t i = 0; i < sections.size(); ++i) {
        if (sections[i].name == "maps") maps_at = i;
        if (sections[i].name == ".BTF") btf_at = i;
        if (sections[i].name == ".BTF.ext") btf_ext_at = i;
        if (sections[i].name == ".maps")
            return Error{"it has maps with types (.maps) and without (maps) at once"};
        if (sections[i].name.starts_with("maps/"))
            return Error{fmt::format("its map section {} is of a form that is not read; one section maps is",
                                     escape_control(sections[i].name))};
    }
    if (!maps_at) return Error{"it has no section maps"};
    const auto maps = read_definitions(*file, *maps_at);
    if (!maps) return maps.error();

    OwnedBtf types;
    bool own_types = false;
    if (btf_at) {
        const Bytes content = sections[*btf_at].content;
        types.reset(btf__new(content.data(), static_cast<__u32>(content.size())));
        std::map<std::string, const LegacyMap*> by_name;
        for (const LegacyMap& map : *maps) by_name[map.name] = &map;
        own_types = types && (find_section(types.get(), by_name) || !names_section(types.get()));
    }
    // Types that name other maps than the symbols do would contradict them: without types the object works as
    // well.
    if (!own_types) types.reset(btf__new_empty());
    const int error =
        types ? describe(types.get(), *maps, static_cast<std::uint32_t>(sections[*maps_at].size)) : -ENOMEM;
    if (error < 0) return Error{fmt::format("its maps cannot be described: {}", std::strerror(-error))};
    __u32 size = 0;
    const void* raw = btf__raw_data(types.get(), &size);
    if (!raw) return Error{"its maps cannot be described: out of memory"};

    Rewriter rewriter(elf);
    rewriter.rename(*maps_at, ".maps");
    if (btf_ext_at && !own_types) rewriter.rename(*btf_ext_at, ".BTF.ext.unused");
    rewriter.set_content(btf_at ? *btf_at : rewriter.add_section(".BTF"),
                         {static_cast<const std::byte*>(raw), size});
    AdaptedObject out;
    out.elf = rewriter.finish();
    for (const LegacyMap& map : *maps) out.maps.push_back(map.name);
    return out;
}

void take_types_off_rings(bpf_object* object) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const bpf_map_type type = bpf_map__type(map);
        if (type != BPF_MAP_TYPE_RINGBUF && type != BPF_MAP_TYPE_USER_RINGBUF) continue;
        bpf_map__set_key_size(map, 0);
        bpf_map__set_value_size(map, 0);
    }
}

}  // namespace waggle::kernel
