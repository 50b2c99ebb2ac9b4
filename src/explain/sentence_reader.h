// SPDX-License-Identifier: Apache-2.0
// What all readers of word files do alike: take sentences and commands, checked, each at its place.
#pragma once

#include "explain/sentence.h"
#include "explain/yaml_reader.h"

namespace waggle::explain {

class SentenceReader : public YamlReader {
  public:
    using YamlReader::YamlReader;
    virtual ~SentenceReader() = default;

  protected:
    virtual Sentence::Form form(Place place) = 0;  // in which a text of that place is to be read

    Sentence one(const YamlNode& node, std::string_view key, Place place);
    Sentences alternatives(const YamlNode& node, std::string_view key);

    // An entry of `try` or `check`: the command, or what is said; one of them is null.
    struct DoOrSay {
        const YamlNode* command;
        const YamlNode* said;
    };
    DoOrSay do_or_say(const YamlNode& node, std::string_view key);  // both null after a fault
};

}  // namespace waggle::explain
