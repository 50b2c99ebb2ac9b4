// SPDX-License-Identifier: Apache-2.0
#include "waggle/types.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "binary/btf_types.h"
#include "binary/elf_file.h"
#include "engine/types/value_printer.h"
#include "symbols/symbols.h"
#include "waggle/map.h"

namespace waggle {
namespace {

using kernel::BtfKind;
using kernel::BtfTypes;
using kernel::ValuePrinter;

constexpr int most_fields = 4096;
constexpr std::size_t longest_name = 1024;

bool is_bare_name_of(BtfKind kind) {
    return kind == BtfKind::structure || kind == BtfKind::union_ || kind == BtfKind::enumeration ||
           kind == BtfKind::enumeration64 || kind == BtfKind::typedef_ || kind == BtfKind::integer ||
           kind == BtfKind::floating;
}

bool has_word(BtfKind kind, std::string_view word) {
    if (word == "struct") return kind == BtfKind::structure;
    if (word == "union") return kind == BtfKind::union_;
    if (word == "enum") return kind == BtfKind::enumeration || kind == BtfKind::enumeration64;
    return is_bare_name_of(kind);
}

// `left` bounds the work: a type that holds two of another, which holds two of another, has more parts than
// time.
void add_fields(const BtfTypes& types, const BtfTypes::Type& type, const std::string& prefix,
                std::uint64_t offset, int& left, std::vector<TypeField>& out) {
    for (std::uint32_t i = 0; i < type.count && left-- > 0; ++i) {
        const BtfTypes::Member member = types.member(type, i);
        const BtfTypes::Type plain = types.type(types.plain(member.type));
        const std::uint64_t at = offset + member.bit_offset / 8;
        const std::string name = prefix + escape_control(member.name);
        if (plain.kind == BtfKind::structure || plain.kind == BtfKind::union_) {
            if (prefix.size() < longest_name)
                add_fields(types, plain, member.name.empty() ? prefix : name + ".", at, left, out);
            continue;
        }
        if (member.name.empty() || at > UINT32_MAX) continue;
        out.push_back({name, types.spelled(member.type), member.type, static_cast<std::uint32_t>(at),
                       types.size_of(member.type), member.bit_offset % 8, member.bits});
    }
}

}  // namespace

Result<SymbolNames> kernel_symbol_names() {
    const Result<OwnedFd> file = kernel::Symbols::open();
    if (!file) return file.error();
    Result<kernel::Symbols> symbols = kernel::Symbols::read(*file);
    if (!symbols) return symbols.error();
    auto shared = std::make_shared<const kernel::Symbols>(std::move(*symbols));
    return SymbolNames([shared](std::uint64_t address) { return kernel::to_string(shared->find(address)); });
}

Result<Types> Types::parse(std::vector<std::byte> raw) {
    Result<BtfTypes> parsed = BtfTypes::parse(std::move(raw));
    if (!parsed) return parsed.error();
    return Types(std::make_shared<const BtfTypes>(std::move(*parsed)));
}

Result<Types> Types::of_btf(Bytes raw) { return parse({raw.begin(), raw.end()}); }

Result<Types> Types::of_elf(Bytes elf) {
    const Result<kernel::ElfFile> file = kernel::ElfFile::parse(elf);
    if (!file) return file.error();
    const kernel::ElfSection* section = file->section(".BTF");
    if (!section || section->content.empty())
        return Error{
            "the object says nothing of its types (it has no section .BTF); compile it with clang -g"};
    return of_btf(section->content);
}

Result<Types> Types::of_kernel(const std::string& path) {
    const Result<std::string> file = read_file(path);
    if (!file) return file.error();
    Result<Types> types = of_btf(bytes_of(std::string_view(*file)));
    if (!types) return while_doing(path, types.error());
    return types;
}

Result<Types> Types::of_map(const MapView& map) {
    const MapShape& shape = map.shape();
    if (shape.btf_id == 0)
        return Error{
            fmt::format("map {} was made without BTF: the types of its entries are unknown", shape.name)};
    const OwnedFd fd(bpf_btf_get_fd_by_id(shape.btf_id));
    if (!fd)
        return Error{fmt::format("cannot read the types of map {}: {}", shape.name, std::strerror(errno)),
                     errno == EPERM ? ErrorKind::privilege : ErrorKind::failed};
    bpf_btf_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
        return Error{fmt::format("cannot read the types of map {}: {}", shape.name, std::strerror(errno))};
    std::vector<std::byte> raw(info.btf_size);
    info = {};
    info.btf = reinterpret_cast<std::uintptr_t>(raw.data());
    info.btf_size = static_cast<__u32>(raw.size());
    length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
        return Error{fmt::format("cannot read the types of map {}: {}", shape.name, std::strerror(errno))};
    return parse(std::move(raw));
}

std::uint32_t Types::count() const { return btf_->count(); }

Result<TypeId> Types::find(std::string_view name) const {
    name = trim(name);
    std::string_view word, bare = name;
    if (const std::size_t blank = name.find(' '); blank != std::string_view::npos) {
        word = name.substr(0, blank);
        bare = trim(name.substr(blank + 1));
    }
    for (TypeId id = 1; id <= btf_->count() && !bare.empty(); ++id) {
        const BtfTypes::Type type = btf_->type(id);
        if (type.name == bare && has_word(type.kind, word)) return id;
    }
    std::vector<std::string_view> known;
    for (TypeId id = 1; id <= btf_->count(); ++id) {
        const BtfTypes::Type type = btf_->type(id);
        if (!type.name.empty() && has_word(type.kind, word)) known.push_back(type.name);
    }
    return Error{
        fmt::format("there is no type \"{}\"{}", escape_control(name), did_you_mean(bare, known, 1))};
}

std::string Types::name(TypeId type) const { return btf_->spelled(type); }
std::uint64_t Types::size(TypeId type) const { return btf_->size_of(type); }

Result<std::string> Types::text(TypeId type, Bytes value) const {
    if (value.size() < size(type))
        return Error{
            fmt::format("{} bytes are shorter than {}, which has {}", value.size(), name(type), size(type))};
    return ValuePrinter(*btf_, symbols_, ValuePrinter::Form::text, value).print(type);
}

Result<std::string> Types::json(TypeId type, Bytes value) const {
    if (value.size() < size(type))
        return Error{
            fmt::format("{} bytes are shorter than {}, which has {}", value.size(), name(type), size(type))};
    return ValuePrinter(*btf_, symbols_, ValuePrinter::Form::json, value).print(type);
}

std::vector<TypeField> Types::fields(TypeId type) const {
    std::vector<TypeField> out;
    int left = most_fields;
    const BtfTypes::Type plain = btf_->type(btf_->plain(type));
    if (plain.kind == BtfKind::structure || plain.kind == BtfKind::union_)
        add_fields(*btf_, plain, "", 0, left, out);
    else
        out.push_back({"value", name(type), type, 0, size(type), 0, 0});
    return out;
}

std::string Types::field_text(const TypeField& field, Bytes value) const {
    return ValuePrinter(*btf_, symbols_, ValuePrinter::Form::text, value).print_field(field);
}

std::string Types::field_json(const TypeField& field, Bytes value) const {
    return ValuePrinter(*btf_, symbols_, ValuePrinter::Form::json, value).print_field(field);
}

namespace detail {
namespace {

bool is_of_class(BtfKind kind, TypeClass wanted) {
    switch (wanted) {
        case TypeClass::integer:
            return kind == BtfKind::integer || kind == BtfKind::enumeration ||
                   kind == BtfKind::enumeration64 || kind == BtfKind::pointer;
        case TypeClass::floating:
            return kind == BtfKind::floating;
        case TypeClass::aggregate:
            return kind == BtfKind::structure || kind == BtfKind::union_ || kind == BtfKind::array;
    }
    return false;
}

std::string_view words_of(TypeClass type_class) {
    switch (type_class) {
        case TypeClass::integer:
            return "a whole number";
        case TypeClass::floating:
            return "a floating-point number";
        case TypeClass::aggregate:
            return "a struct";
    }
    return "";
}

}  // namespace

Result<void> check_types(const MapView& map, HostType key, HostType value) {
    const MapShape& shape = map.shape();
    if (key.size != shape.key_size)
        return Error{fmt::format("map {} has keys of {} bytes, not {}", shape.name, shape.key_size, key.size),
                     ErrorKind::wrong_key_size};
    if (value.size != shape.value_size)
        return Error{
            fmt::format("map {} has values of {} bytes, not {}", shape.name, shape.value_size, value.size),
            ErrorKind::wrong_value_size};
    if (shape.btf_id == 0) return {};
    const Result<Types> types = Types::of_map(map);
    // Whoever cannot read the types (no CAP_SYS_ADMIN before 6.9) has the sizes checked.
    if (!types)
        return types.error().kind == ErrorKind::privilege ? Result<void>{} : Result<void>{types.error()};
    const auto fits = [&](TypeId id, HostType wanted) {
        return id == 0 || is_of_class(types->btf().type(types->btf().plain(id)).kind, wanted.type_class);
    };
    if (!fits(shape.key_type, key))
        return Error{fmt::format("map {} has keys of type {}, not {}", shape.name,
                                 types->name(shape.key_type), words_of(key.type_class)),
                     ErrorKind::wrong_key_type};
    if (!fits(shape.value_type, value))
        return Error{fmt::format("map {} has values of type {}, not {}", shape.name,
                                 types->name(shape.value_type), words_of(value.type_class)),
                     ErrorKind::wrong_value_type};
    return {};
}

}  // namespace detail
}  // namespace waggle
