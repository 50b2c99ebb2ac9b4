// SPDX-License-Identifier: Apache-2.0
#include "explain/sentence_reader.h"

#include <fmt/core.h>

#include "base/text.h"

namespace waggle::explain {

Sentence SentenceReader::one(const YamlNode& node, std::string_view key, Place place) {
    text(node, key);
    if (error_) return {};
    const Sentence::Form how = form(place);
    if (auto made =
            Sentence::make(place == Place::command ? std::string(trim(node.text)) : one_line(node.text), how))
        return std::move(*made);
    // Once more as it is written, for the place of the fault.
    if (const auto fault = Sentence::check(node.text, how))
        fail(file_.inside(node, fault->offset), fmt::format("`{}`: {}", key, fault->reason));
    return {};
}

Sentences SentenceReader::alternatives(const YamlNode& node, std::string_view key) {
    return one_or_list(node, key, [&](const YamlNode& each) { return one(each, key, Place::words); });
}

SentenceReader::DoOrSay SentenceReader::do_or_say(const YamlNode& node, std::string_view key) {
    const YamlNode* command = node.find("do");
    const YamlNode* said = node.find("say");
    if ((command != nullptr) != (said != nullptr)) return {command, said};
    fail(node.at, fmt::format("an entry of `{}` has either `do` or `say`", key));
    return {nullptr, nullptr};
}

}  // namespace waggle::explain
