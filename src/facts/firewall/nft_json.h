// SPDX-License-Identifier: Apache-2.0
// What nft's JSON has at a key; empty or 0 where it has nothing of that kind there.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace waggle::facts {

inline std::string text_at(const nlohmann::json& object, const char* key) {
    if (!object.is_object()) return {};
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

inline std::int64_t number_at(const nlohmann::json& object, const char* key) {
    if (!object.is_object()) return 0;
    const auto found = object.find(key);
    return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

}  // namespace waggle::facts
