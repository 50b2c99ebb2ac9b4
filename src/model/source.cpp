// SPDX-License-Identifier: Apache-2.0
#include "model/source.h"

#include <algorithm>

namespace waggle {

std::uint64_t kinds_named(std::span<const Schema* const> schemas, std::span<const std::string> tables) {
    std::uint64_t kinds = 0;
    for (std::size_t kind = 0; kind < schemas.size(); ++kind)
        if (std::ranges::find(tables, schemas[kind]->name) != tables.end()) kinds |= std::uint64_t{1} << kind;
    return kinds;
}

bool can_filter(std::span<const Schema* const> schemas, std::string_view field) {
    return std::ranges::any_of(schemas, [&](const Schema* schema) {
        const Field* found = schema->find(field);
        return found && (found->traits & trait_filtered) != 0;
    });
}

}  // namespace waggle
