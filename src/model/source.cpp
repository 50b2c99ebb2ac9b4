// SPDX-License-Identifier: Apache-2.0
#include "model/source.h"

#include <algorithm>

namespace waggle {

bool can_filter(std::span<const Schema* const> schemas, std::string_view field) {
    return std::ranges::any_of(schemas, [&](const Schema* schema) {
        const Field* found = schema->find(field);
        return found && (found->traits & trait_filtered) != 0;
    });
}

}  // namespace waggle
