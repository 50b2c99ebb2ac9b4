// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/kernel_types.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/nearest.h"
#include "base/text.h"

namespace waggle::sensors {
namespace {

std::string_view name_of(const btf* types, const btf_type* type) {
    return btf__name_by_offset(types, type->name_off);
}

__u32 resolved_id(const btf* types, __u32 id) {
    const btf_type* type = btf__type_by_id(types, id);
    while (type && (btf_is_mod(type) || btf_is_typedef(type) || btf_is_type_tag(type))) {
        id = type->type;
        type = btf__type_by_id(types, id);
    }
    return id;
}

bool is_char(const btf* types, __u32 id) {
    const btf_type* type = resolved(types, id);
    return type && btf_is_int(type) && type->size == 1 &&
           type_name(types, id).find("char") != std::string::npos;
}

// False: the struct is no address.
bool take_address(const btf* types, const btf_type* type, ProbeField& field) {
    if (!type || !btf_is_struct(type)) return false;
    const std::string_view name = name_of(types, type);
    const bool is_ip = name == "in_addr" || name == "in6_addr";
    if (!is_ip && !name.starts_with("sockaddr")) return false;
    field.shape = ProbeField::Shape::address;
    field.figure.text = is_ip ? PROBE_BYTES : PROBE_SOCKADDR;
    if (is_ip) field.figure.size = static_cast<__u16>(type->size);
    return true;
}

void take_pointer(const btf* types, const btf_type* pointer, ProbeField& field) {
    const btf_type* target = resolved(types, pointer->type);
    field.shape = ProbeField::Shape::pointer;
    field.figure.size = 8;
    if (is_char(types, pointer->type)) {
        field.shape = ProbeField::Shape::text;
        field.figure.text = PROBE_STRING;
    } else {
        take_address(types, target, field);
    }
    if (target && btf_is_composite(target)) field.target = resolved_id(types, pointer->type);
}

void take_enum(const btf* types, const btf_type* type, ProbeField& field) {
    field.figure.size = static_cast<__u16>(type->size);
    for (int i = 0; i < btf_vlen(type); ++i) {
        if (btf_is_enum(type)) {
            const auto& value = btf_enum(type)[i];
            field.names.emplace(static_cast<__u32>(value.val), btf__name_by_offset(types, value.name_off));
        } else {
            const auto& value = btf_enum64(type)[i];
            field.names.emplace(btf_enum64_value(&value), btf__name_by_offset(types, value.name_off));
        }
    }
}

// What lies in a struct itself, and is not one number: its address is what is wanted.
void take_embedded(const btf* types, const btf_type* type, ProbeField& field) {
    field.figure.stays = 1;
    if (btf_is_array(type) && is_char(types, btf_array(type)->type)) {
        field.shape = ProbeField::Shape::text;
        field.figure.text = PROBE_STRING;
    } else {
        take_address(types, type, field);
    }
}

struct Member {
    const btf_member* member = nullptr;
    __u32 bits = 0;  // from the struct's begin
    bool is_bitfield = false;
};

// Members of structs without a name are the struct's own.
std::optional<Member> find_member(const btf* types, const btf_type* in, std::string_view name,
                                  int depth = 0) {
    for (int i = 0; i < btf_vlen(in); ++i) {
        const btf_member& member = btf_members(in)[i];
        const __u32 bits = btf_member_bit_offset(in, static_cast<__u32>(i));
        const std::string_view said = btf__name_by_offset(types, member.name_off);
        if (said == name)
            return Member{&member, bits, btf_member_bitfield_size(in, static_cast<__u32>(i)) != 0};
        if (!said.empty() || depth > 8) continue;
        const btf_type* inner = resolved(types, member.type);
        if (!inner || !btf_is_composite(inner)) continue;
        if (auto found = find_member(types, inner, name, depth + 1)) {
            found->bits += bits;
            return found;
        }
    }
    return std::nullopt;
}

void list_members(const btf* types, const btf_type* in, std::vector<std::string>& out, int depth = 0) {
    for (int i = 0; i < btf_vlen(in); ++i) {
        const btf_member& member = btf_members(in)[i];
        const std::string_view said = btf__name_by_offset(types, member.name_off);
        if (!said.empty()) out.emplace_back(said);
        const btf_type* inner = said.empty() && depth < 8 ? resolved(types, member.type) : nullptr;
        if (inner && btf_is_composite(inner)) list_members(types, inner, out, depth + 1);
    }
}

}  // namespace

const btf_type* resolved(const btf* types, __u32 id) {
    return btf__type_by_id(types, resolved_id(types, id));
}

std::string type_name(const btf* types, __u32 id) {
    std::string behind;
    for (int depth = 0; depth < 16; ++depth) {
        const btf_type* type = btf__type_by_id(types, id);
        if (!type || id == 0) return "void" + behind;
        if (btf_is_ptr(type)) {
            behind = (behind.starts_with("*") || behind.empty() ? "*" + behind : "* " + behind);
        } else if (btf_is_const(type)) {
            const std::string inner = type_name(types, type->type);
            return (inner.ends_with("*") ? inner + " const" : "const " + inner) +
                   (behind.empty() ? "" : " " + behind);
        } else if (!btf_is_mod(type) && !btf_is_type_tag(type)) {
            const std::string_view kind = btf_is_struct(type)     ? "struct "
                                          : btf_is_union(type)    ? "union "
                                          : btf_is_any_enum(type) ? "enum "
                                                                  : "";
            std::string_view name = name_of(types, type);
            if (name.empty()) name = btf_is_func_proto(type) ? "function" : "(unnamed)";
            return fmt::format("{}{}{}{}", kind, name, behind.empty() ? "" : " ", behind);
        }
        id = type->type;
    }
    return behind;
}

ProbeField field_of_type(const btf* types, __u32 id, std::string name) {
    ProbeField field;
    field.name = std::move(name);
    field.type = type_name(types, id);
    field.figure.size = 8;
    const btf_type* type = resolved(types, id);
    if (!type) return field;
    if (btf_is_ptr(type)) {
        take_pointer(types, type, field);
    } else if (btf_is_int(type)) {
        field.figure.size = static_cast<__u16>(std::min<__u32>(type->size, 8));
        field.figure.is_signed = (btf_int_encoding(type) & BTF_INT_SIGNED) != 0;
    } else if (btf_is_any_enum(type)) {
        take_enum(types, type, field);
    }
    return field;
}

Result<ProbeField> member_of(const btf* types, const ProbeField& from, std::string_view path) {
    const auto wrong = [](std::string why) { return Error{std::move(why), ErrorKind::usage}; };
    probe_figure figure{};
    figure.source = from.figure.source;
    figure.at = from.figure.at;
    figure.hops = from.figure.hops;
    std::ranges::copy(from.figure.hop, figure.hop);
    const btf_type* in = from.target ? resolved(types, from.target) : nullptr;
    std::string before = from.name;
    __u32 id = 0;
    for (bool by_pointer = true; !path.empty();) {
        path.remove_prefix(path.starts_with("->") ? 2 : 1);
        const std::string_view word = path.substr(0, path.find_first_of("-."));
        path.remove_prefix(word.size());
        if (!in)
            return wrong(fmt::format("{} is no pointer to a struct that the kernel's types have", before));
        const auto found = find_member(types, in, word);
        if (!found) {
            std::vector<std::string> known;
            list_members(types, in, known);
            return wrong(fmt::format("struct {} has no member {}{}", name_of(types, in), escape_control(word),
                                     did_you_mean(word, known)));
        }
        if (found->is_bitfield)
            return wrong(fmt::format("{} is a part of a byte, which cannot be read alone", word));
        if (by_pointer && figure.hops == PROBE_HOPS)
            return wrong(fmt::format("at most {} pointers are followed", PROBE_HOPS));
        if (by_pointer) figure.hop[figure.hops++] = 0;
        figure.hop[figure.hops - 1] += found->bits / 8;
        id = found->member->type;
        const btf_type* type = resolved(types, id);
        by_pointer = type && btf_is_ptr(type);
        in = by_pointer ? resolved(types, type->type) : type;
        if (in && !btf_is_composite(in)) in = nullptr;
        before = word;
    }
    ProbeField out = field_of_type(types, id, std::string(before));
    const btf_type* type = resolved(types, id);
    if (type && (btf_is_composite(type) || btf_is_array(type))) {
        take_embedded(types, type, out);
        if (!out.is_text()) {
            std::vector<std::string> known;
            if (btf_is_composite(type)) list_members(types, type, known);
            known.resize(std::min<std::size_t>(known.size(), 12));
            return wrong(
                fmt::format("{} is {}, no figure{}", before, out.type.empty() ? "an array" : out.type,
                            known.empty() ? "" : fmt::format("; it has {}", fmt::join(known, ", "))));
        }
    }
    out.figure.source = figure.source;
    out.figure.at = figure.at;
    out.figure.hops = figure.hops;
    std::ranges::copy(figure.hop, out.figure.hop);
    return out;
}

}  // namespace waggle::sensors
