// SPDX-License-Identifier: Apache-2.0
// Files of control groups with a line "KEY NUMBER" each, as cpu.stat is.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/put.h"
#include "base/text.h"
#include "model/schema.h"

namespace waggle::facts {

// The number behind this key; null_i64 where there is none.
inline std::int64_t value_of_key(std::string_view text, std::string_view key) {
    for (const std::string_view line : split(text, '\n'))
        if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
            return number_of(trim(line.substr(key.size() + 1)));
    return null_i64;
}

inline std::int64_t ns_of_us(std::int64_t us) { return us == null_i64 ? us : us * 1000; }

}  // namespace waggle::facts
