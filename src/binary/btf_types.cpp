// SPDX-License-Identifier: Apache-2.0
#include "binary/btf_types.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace waggle::kernel {
namespace {

constexpr std::size_t header_size = 24, type_size = 12;
constexpr std::uint32_t last_kind = 19;

// Bytes behind the first twelve.
std::size_t extra_size(BtfKind kind, std::uint32_t count) {
    switch (kind) {
        case BtfKind::integer:
        case BtfKind::variable:
        case BtfKind::decl_tag:
            return 4;
        case BtfKind::array:
            return 12;
        case BtfKind::structure:
        case BtfKind::union_:
        case BtfKind::section:
        case BtfKind::enumeration64:
            return std::size_t{12} * count;
        case BtfKind::enumeration:
        case BtfKind::function_type:
            return std::size_t{8} * count;
        case BtfKind::none:
        case BtfKind::pointer:
        case BtfKind::forward:
        case BtfKind::typedef_:
        case BtfKind::volatile_:
        case BtfKind::const_:
        case BtfKind::restrict_:
        case BtfKind::function:
        case BtfKind::floating:
        case BtfKind::type_tag:
            return 0;
    }
    return 0;
}

bool has_size(BtfKind kind) {
    return kind == BtfKind::integer || kind == BtfKind::structure || kind == BtfKind::union_ ||
           kind == BtfKind::enumeration || kind == BtfKind::floating || kind == BtfKind::enumeration64 ||
           kind == BtfKind::section;
}

bool has_target(BtfKind kind) {
    return kind == BtfKind::pointer || kind == BtfKind::typedef_ || kind == BtfKind::volatile_ ||
           kind == BtfKind::const_ || kind == BtfKind::restrict_ || kind == BtfKind::function ||
           kind == BtfKind::function_type || kind == BtfKind::variable || kind == BtfKind::decl_tag ||
           kind == BtfKind::type_tag;
}

bool is_wrapper(BtfKind kind) {
    return kind == BtfKind::typedef_ || kind == BtfKind::volatile_ || kind == BtfKind::const_ ||
           kind == BtfKind::restrict_ || kind == BtfKind::type_tag;
}

bool has_members(BtfKind kind) { return kind == BtfKind::structure || kind == BtfKind::union_; }

Error broken(std::string reason) { return {"these are no types (BTF): " + std::move(reason)}; }

}  // namespace

std::uint32_t BtfTypes::word(std::size_t at) const { return load<std::uint32_t>(raw_, at); }

std::string_view BtfTypes::text(std::uint32_t offset) const {
    // The checks of parse() come through here before they have checked every name.
    if (offset >= strings_size_) return {};
    return reinterpret_cast<const char*>(raw_.data()) + strings_ + offset;
}

Result<BtfTypes> BtfTypes::parse(std::vector<std::byte> raw) {
    if (raw.size() < header_size)
        return broken(fmt::format("{} bytes are less than a header's {}", raw.size(), header_size));
    BtfTypes types;
    types.raw_ = std::move(raw);
    const auto magic = load<std::uint16_t>(types.raw_);
    if (magic == 0x9feb) return broken("they are of a machine with the other byte order");
    if (magic != 0xeb9f) return broken(fmt::format("they begin with {:#06x}, not with 0xeb9f", magic));
    const std::uint64_t header = types.word(4), size = types.raw_.size();
    const std::uint64_t begin = header + types.word(8), end = begin + types.word(12);
    const std::uint64_t strings = header + types.word(16), strings_size = types.word(20);
    if (header < header_size || end > size || strings + strings_size > size)
        return broken(fmt::format("the header tells of more than the {} bytes that are there", size));
    if (strings_size == 0 || types.raw_[strings] != std::byte{0} ||
        types.raw_[strings + strings_size - 1] != std::byte{0})
        return broken("the names do not begin and end with a zero byte");
    types.strings_ = strings;
    types.strings_size_ = strings_size;
    types.at_.push_back(0);
    for (std::uint64_t at = begin; at < end;) {
        const std::size_t id = types.at_.size();
        if (end - at < type_size) return broken(fmt::format("type {} is cut off", id));
        const std::uint32_t info = types.word(at + 4), kind = info >> 24 & 0x1f;
        if (kind == 0 || kind > last_kind)
            return broken(fmt::format("type {} is of kind {}, which is unknown", id, kind));
        if (types.word(at) >= strings_size)
            return broken(fmt::format("the name of type {} lies outside the names", id));
        types.at_.push_back(static_cast<std::uint32_t>(at));
        at += type_size + extra_size(static_cast<BtfKind>(kind), info & 0xffff);
        if (at > end) return broken(fmt::format("type {} is cut off", id));
    }
    if (auto checked = types.check_references(); !checked) return checked.error();
    if (auto checked = types.check_circles(); !checked) return checked.error();
    return types;
}

BtfTypes::Type BtfTypes::type(std::uint32_t id) const {
    if (id == 0 || id >= at_.size()) return {};
    const std::size_t at = at_[id];
    const std::uint32_t info = word(at + 4);
    Type out;
    out.kind = static_cast<BtfKind>(info >> 24 & 0x1f);
    out.flag = info >> 31;
    out.count = info & 0xffff;
    if (has_size(out.kind)) out.size = word(at + 8);
    if (has_target(out.kind)) out.target = word(at + 8);
    out.name = text(word(at));
    out.extra = at + type_size;
    return out;
}

BtfTypes::Member BtfTypes::member(const Type& type, std::uint32_t index) const {
    const std::size_t at = type.extra + std::size_t{12} * index;
    const std::uint32_t offset = word(at + 8);
    return {text(word(at)), word(at + 4), type.flag ? offset & 0xffffff : offset,
            type.flag ? offset >> 24 : 0};
}

BtfTypes::Integer BtfTypes::integer(const Type& type) const {
    const std::uint32_t info = word(type.extra);
    return {(info >> 24 & 1) != 0, (info >> 24 & 2) != 0, (info >> 24 & 4) != 0, info >> 16 & 0xff,
            info & 0xff};
}

BtfTypes::Array BtfTypes::array(const Type& type) const { return {word(type.extra), word(type.extra + 8)}; }

BtfTypes::Placed BtfTypes::placed(const Type& section, std::uint32_t index) const {
    const std::size_t at = section.extra + std::size_t{12} * index;
    return {word(at), word(at + 4), word(at + 8)};
}

std::int32_t BtfTypes::tagged_part(const Type& tag) const {
    return static_cast<std::int32_t>(word(tag.extra));
}

std::string_view BtfTypes::value_name(const Type& type, std::uint64_t value) const {
    const bool wide = type.kind == BtfKind::enumeration64;
    // A narrow enum keeps 32 bits of a value; what was read is as wide as the enum.
    const std::uint64_t mask = type.size >= 8 ? ~0ull : (1ull << type.size * 8) - 1;
    for (std::uint32_t i = 0; i < type.count; ++i) {
        const std::size_t at = type.extra + std::size_t{wide ? 12u : 8u} * i;
        std::uint64_t each = word(at + 4);
        if (wide)
            each |= std::uint64_t{word(at + 8)} << 32;
        else if (type.flag)
            each = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(each)));
        if ((each & mask) == (value & mask)) return text(word(at));
    }
    return {};
}

std::vector<std::uint32_t> BtfTypes::parts(std::uint32_t id) const {
    const Type type = this->type(id);
    std::vector<std::uint32_t> out;
    if (is_wrapper(type.kind) || type.kind == BtfKind::variable) out.push_back(type.target);
    if (type.kind == BtfKind::array) out.push_back(array(type).element);
    if (has_members(type.kind))
        for (std::uint32_t i = 0; i < type.count; ++i) out.push_back(member(type, i).type);
    if (type.kind == BtfKind::section)
        for (std::uint32_t i = 0; i < type.count; ++i) out.push_back(placed(type, i).type);
    return out;
}

Result<void> BtfTypes::check_references() const {
    const auto outside = [](std::uint32_t id, std::string_view what, std::uint32_t number) {
        return broken(fmt::format("type {} has a {} {} outside", id, what, number));
    };
    for (std::uint32_t id = 1; id <= count(); ++id) {
        const Type type = this->type(id);
        if (has_target(type.kind) && type.target > count()) return outside(id, "type", type.target);
        for (const std::uint32_t part : parts(id))
            if (part > count()) return outside(id, "type", part);
        if (type.kind == BtfKind::integer && (type.size > 16 || integer(type).bits > type.size * 8))
            return broken(fmt::format("type {} is an integer of {} bits in {} bytes", id, integer(type).bits,
                                      type.size));
        const bool names = has_members(type.kind) || type.kind == BtfKind::enumeration ||
                           type.kind == BtfKind::enumeration64;
        const std::size_t stride = type.kind == BtfKind::enumeration ? 8 : 12;
        for (std::uint32_t i = 0; names && i < type.count; ++i)
            if (const std::uint32_t name = word(type.extra + stride * i); name >= strings_size_)
                return outside(id, "name", name);
    }
    return {};
}

// Depth first, on a stack of our own: foreign types are as deep as they like.
Result<void> BtfTypes::check_circles() const {
    enum : std::uint8_t { fresh, open, done };
    std::vector<std::uint8_t> state(at_.size(), fresh);
    struct Visit {
        std::uint32_t id;
        std::vector<std::uint32_t> left;
    };
    std::vector<Visit> path;
    for (std::uint32_t start = 1; start <= count(); ++start) {
        if (state[start] != fresh) continue;
        state[start] = open;
        path.push_back({start, parts(start)});
        while (!path.empty()) {
            Visit& top = path.back();
            if (top.left.empty()) {
                state[top.id] = done;
                path.pop_back();
                continue;
            }
            const std::uint32_t next = top.left.back();
            top.left.pop_back();
            if (state[next] == open)
                return broken(fmt::format(
                    "type {} ({}) contains itself", next,
                    type(next).name.empty() ? "without a name" : escape_control(type(next).name)));
            if (state[next] == done || next == 0) continue;
            state[next] = open;
            path.push_back({next, parts(next)});
        }
    }
    return {};
}

std::uint32_t BtfTypes::plain(std::uint32_t id) const {
    for (Type type = this->type(id); is_wrapper(type.kind); type = this->type(id)) id = type.target;
    return id;
}

std::uint64_t BtfTypes::size_of(std::uint32_t id) const {
    std::uint64_t many = 1;
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    for (;;) {
        id = plain(id);
        const Type type = this->type(id);
        std::uint64_t size = type.kind == BtfKind::section ? 0 : type.size;
        if (type.kind == BtfKind::array) {
            const Array array = this->array(type);
            if (array.count == 0) return 0;
            many = many > most / array.count ? most : many * array.count;
            id = array.element;
            continue;
        }
        if (type.kind == BtfKind::pointer) size = 8;
        if (type.kind == BtfKind::variable) {
            id = type.target;
            continue;
        }
        if (size == 0) return 0;
        return many > most / size ? most : many * size;
    }
}

std::string BtfTypes::spelled(std::uint32_t id) const {
    std::string behind, dimensions;
    // Pointers can lead in circles.
    for (int depth = 0; depth < 16; ++depth) {
        const Type type = this->type(id);
        std::string name = escape_control(type.name);
        const auto tagged = [&](std::string_view word) {
            return fmt::format("{} {}{}{}", word, name.empty() ? "{...}" : name, behind, dimensions);
        };
        switch (type.kind) {
            case BtfKind::none:
                return "void" + behind + dimensions;
            case BtfKind::integer:
            case BtfKind::floating:
            case BtfKind::typedef_:
                return name + behind + dimensions;
            case BtfKind::structure:
                return tagged("struct");
            case BtfKind::union_:
                return tagged("union");
            case BtfKind::forward:
                return tagged(type.flag ? "union" : "struct");
            case BtfKind::enumeration:
            case BtfKind::enumeration64:
                return tagged("enum");
            case BtfKind::pointer:
                behind = (behind.empty() ? " *" : " **") + (behind.empty() ? "" : behind.substr(2));
                id = type.target;
                break;
            case BtfKind::array:
                dimensions += fmt::format("[{}]", array(type).count);
                id = array(type).element;
                break;
            case BtfKind::volatile_:
            case BtfKind::const_:
            case BtfKind::restrict_:
            case BtfKind::type_tag:
            case BtfKind::variable:
                id = type.target;
                break;
            case BtfKind::function:
            case BtfKind::function_type:
                return "function" + behind + dimensions;
            case BtfKind::section:
            case BtfKind::decl_tag:
                return name;
        }
    }
    return "..." + behind + dimensions;
}

}  // namespace waggle::kernel
