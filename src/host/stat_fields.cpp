// SPDX-License-Identifier: Apache-2.0
#include "host/stat_fields.h"

#include <algorithm>

namespace waggle {

std::optional<StatFields> StatFields::read(std::string_view text) {
    const std::size_t open = text.find(" (");
    const std::size_t close = text.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2)
        return std::nullopt;
    StatFields out;
    out.pid_ = text.substr(0, open);
    out.comm_ = text.substr(open + 2, close - open - 2);
    std::string_view rest = text.substr(close + 1);
    for (std::string_view& field : out.fields_) {
        const std::size_t start = rest.find_first_not_of(" \n");
        if (start == std::string_view::npos) return std::nullopt;
        rest.remove_prefix(start);
        field = rest.substr(0, rest.find_first_of(" \n"));
        rest.remove_prefix(field.size());
    }
    return out;
}

}  // namespace waggle
