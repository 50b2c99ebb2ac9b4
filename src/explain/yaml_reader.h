// SPDX-License-Identifier: Apache-2.0
// What all readers of YAML files do alike: take a value of the wanted form, and keep the first fault with its
// place. After a fault every step does nothing of use, and its value is thrown away.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/yaml_tree.h"

namespace waggle::explain {

class YamlReader {
  public:
    explicit YamlReader(const YamlText& file) : file_(file) {}

    const std::optional<Error>& error() const { return error_; }

  protected:
    void fail(Position at, std::string_view reason);
    // A key that is none of `known` is a fault, with the nearest of them. `where` says whose keys they are:
    // "a rule".
    void only_keys(const YamlNode& node, std::span<const std::string_view> known, std::string_view where);
    // A map; else a fault and false. The same for a list with entries.
    bool group(const YamlNode& node, std::string_view key);
    bool list(const YamlNode& node, std::string_view key);

    // What stands alone, or each of a list with entries.
    template <class Read>
    auto one_or_list(const YamlNode& node, std::string_view key, const Read& read) {
        std::vector<decltype(read(node))> out;
        if (node.kind != YamlNode::Kind::list)
            out.push_back(read(node));
        else if (list(node, key))
            for (const YamlNode& item : node.items) out.push_back(read(item));
        return out;
    }

    std::string text(const YamlNode& node, std::string_view key);
    std::string sentence(const YamlNode& node, std::string_view key);  // on one line
    std::string name(const YamlNode& node, std::string_view key);      // of a-z, 0-9 and _
    std::size_t number(const YamlNode& node, std::string_view key);    // from 1 to 1000
    bool yes_or_no(const YamlNode& node, std::string_view key);
    std::vector<std::string> words(const YamlNode* node, std::string_view key);  // empty where `node` is null

    const YamlText& file_;
    std::optional<Error> error_;
};

// Runs of white space become one space, so that a folded sentence is one line.
std::string one_line(std::string_view text);

std::vector<std::string_view> views_of(std::span<const std::string> words);

}  // namespace waggle::explain
