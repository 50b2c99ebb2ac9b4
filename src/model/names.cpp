// SPDX-License-Identifier: Apache-2.0
#include "model/names.h"

namespace waggle {

void Names::resolve_with(std::string_view dictionary, Resolver resolver) {
    const std::lock_guard lock(mutex_);
    dictionaries_[std::string(dictionary)].resolver = std::move(resolver);
}

void Names::set(std::string_view dictionary, std::uint64_t value, std::string name) {
    const std::lock_guard lock(mutex_);
    dictionaries_[std::string(dictionary)].names[value] = std::move(name);
}

std::string_view Names::find(std::string_view dictionary, std::uint64_t value) const {
    const std::lock_guard lock(mutex_);
    const auto entry = dictionaries_.find(dictionary);
    if (entry == dictionaries_.end()) return {};
    Dictionary& known = entry->second;
    auto name = known.names.find(value);
    if (name == known.names.end()) {
        if (!known.resolver) return {};
        name = known.names.emplace(value, known.resolver(value)).first;
    }
    return name->second;
}

}  // namespace waggle
