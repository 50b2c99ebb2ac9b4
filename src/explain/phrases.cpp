// SPDX-License-Identifier: Apache-2.0
#include "explain/phrases.h"

namespace waggle::explain {

std::string say(Phrase key, PhraseValues values, std::string_view language) {
    std::string out;
    std::string_view rest = phrase(key, language);
    for (;;) {
        const std::size_t open = rest.find('{');
        out += rest.substr(0, open);
        if (open == std::string_view::npos) return out;
        const std::size_t close = rest.find('}', open);
        const std::string_view name = rest.substr(open + 1, close - open - 1);
        bool filled = false;
        for (const auto& [known, value] : values)
            if (known == name) {
                out += value;
                filled = true;
            }
        if (!filled) out += rest.substr(open, close - open + 1);
        rest.remove_prefix(close + 1);
    }
}

}  // namespace waggle::explain
