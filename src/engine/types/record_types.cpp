// SPDX-License-Identifier: Apache-2.0
#include "engine/types/record_types.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "binary/btf_types.h"

namespace waggle::kernel {
namespace {

bool is_struct(const BtfTypes& types, TypeId id) {
    const BtfKind kind = types.type(types.plain(id)).kind;
    return kind == BtfKind::structure || kind == BtfKind::union_;
}

// A struct that ends in an array without length has records of many lengths.
bool is_flexible(const BtfTypes& types, TypeId id) {
    const BtfTypes::Type type = types.type(types.plain(id));
    if (type.kind != BtfKind::structure || type.count == 0) return false;
    const BtfTypes::Type last = types.type(types.plain(types.member(type, type.count - 1).type));
    return last.kind == BtfKind::array && types.array(last).count == 0;
}

// The struct that the map of this name declares as its value; 0 where it declares none.
TypeId declared_value(const BtfTypes& types, const BtfTypes::Type& variable) {
    const BtfTypes::Type declaration = types.type(types.plain(variable.target));
    if (declaration.kind != BtfKind::structure) return 0;
    for (std::uint32_t i = 0; i < declaration.count; ++i) {
        const BtfTypes::Member member = types.member(declaration, i);
        const BtfTypes::Type pointer = types.type(types.plain(member.type));
        if (member.name == "value" && pointer.kind == BtfKind::pointer && is_struct(types, pointer.target))
            return pointer.target;
    }
    return 0;
}

}  // namespace

RecordTypes::RecordTypes(const Types& types, std::string_view map, bool padded)
    : types_(types), map_(map), padded_(padded) {
    const BtfTypes& btf = types_.btf();
    TypeId tagged = 0, declared = 0;
    for (TypeId id = 1; id <= btf.count(); ++id) {
        const BtfTypes::Type type = btf.type(id);
        if (type.kind == BtfKind::decl_tag && btf.tagged_part(type) == -1 && is_struct(btf, type.target) &&
            type.name == "waggle_record:" + map_)
            tagged = type.target;
        if (type.kind == BtfKind::variable) {
            if (type.name == map_) declared = declared_value(btf, type);
            const BtfTypes::Type pointer = btf.type(btf.plain(type.target));
            if (pointer.kind == BtfKind::pointer && is_struct(btf, pointer.target))
                pointed_to_.push_back(btf.plain(pointer.target));
        }
        if (type.kind == BtfKind::structure && to_lower(type.name).find("event") != std::string::npos)
            named_event_.push_back(id);
    }
    told_ = tagged ? tagged : declared;
}

std::vector<TypeId> RecordTypes::possible() const {
    if (told_ != 0) return {told_};
    std::vector<TypeId> out;
    for (const std::vector<TypeId>* candidates : {&pointed_to_, &named_event_})
        for (const TypeId each : *candidates)
            if (types_.size(each) != 0 && std::find(out.begin(), out.end(), each) == out.end())
                out.push_back(each);
    return out;
}

bool RecordTypes::is_as_long(TypeId type, std::size_t length) const {
    const std::uint64_t size = types_.size(type);
    if (size == 0 || size > length) return false;
    return is_flexible(types_.btf(), type) || (padded_ ? (size + 4 + 7) / 8 * 8 - 4 : size) == length;
}

const RecordTypes::Choice& RecordTypes::of_length(std::size_t length) {
    auto found = chosen_.find(length);
    // Whoever sends records of every length must not fill the memory with answers.
    if (found == chosen_.end()) {
        if (chosen_.size() >= 4096) chosen_.clear();
        found = chosen_.emplace(length, choose(length)).first;
    }
    return found->second;
}

RecordTypes::Choice RecordTypes::choose(std::size_t length) const {
    if (told_ != 0) {
        if (length >= types_.size(told_)) return {told_, ""};
        return {0, fmt::format("{} bytes are shorter than {}, which has {}", length, types_.name(told_),
                               types_.size(told_))};
    }
    for (const std::vector<TypeId>* candidates : {&pointed_to_, &named_event_}) {
        std::vector<TypeId> fit;
        for (const TypeId each : *candidates)
            if (is_as_long(each, length) && std::find(fit.begin(), fit.end(), each) == fit.end())
                fit.push_back(each);
        // A struct of exactly this length goes before one that is any length.
        std::stable_partition(fit.begin(), fit.end(),
                              [&](TypeId each) { return !is_flexible(types_.btf(), each); });
        const auto exact = std::count_if(fit.begin(), fit.end(),
                                         [&](TypeId each) { return !is_flexible(types_.btf(), each); });
        if (exact == 1 || fit.size() == 1) return {fit.front(), ""};
        if (fit.empty()) continue;
        std::string names;
        for (const TypeId each : fit) names += (names.empty() ? "" : ", ") + types_.name(each);
        return {0, fmt::format("{} types have {} bytes: {}", fit.size(), length, names)};
    }
    // clang keeps only the types that something of the object refers to.
    return {
        0, fmt::format("the object's types have no struct *event* of {} bytes; a global \"const struct event "
                       "*unused;\" in its source adds it",
                       length)};
}

}  // namespace waggle::kernel
