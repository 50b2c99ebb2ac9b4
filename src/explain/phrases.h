// SPDX-License-Identifier: Apache-2.0
// The fixed words of the output, from knowledge/<language>/phrases.yaml. The build makes Phrase from the
// file's keys, so a phrase that is missing does not compile.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <initializer_list>

#include "phrase_keys.h"

namespace waggle::explain {

// The phrase with its {names} as they stand; English where the language is not there.
std::string_view phrase(Phrase key, std::string_view language = "en");

// The phrase with its {names} filled in; a name without a value stays as it is.
using PhraseValues = std::initializer_list<std::pair<std::string_view, std::string_view>>;
std::string say(Phrase key, PhraseValues values = {}, std::string_view language = "en");

}  // namespace waggle::explain
