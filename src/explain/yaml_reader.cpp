// SPDX-License-Identifier: Apache-2.0
#include "explain/yaml_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/nearest.h"
#include "base/text.h"
#include "query/sql_text.h"

namespace waggle::explain {

std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : trim(text)) {
        const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        if (!blank)
            out += c;
        else if (!out.ends_with(' '))
            out += ' ';
    }
    return out;
}

std::vector<std::string_view> views_of(std::span<const std::string> words) {
    return {words.begin(), words.end()};
}

void YamlReader::fail(Position at, std::string_view reason) {
    if (!error_) error_ = file_.error(at, reason);
}

void YamlReader::only_keys(const YamlNode& node, std::span<const std::string_view> known,
                           std::string_view where) {
    for (const YamlNode& key : node.keys)
        if (std::find(known.begin(), known.end(), key.text) == known.end())
            fail(key.at, fmt::format("{} has no key {}{}", where, escape_control(key.text),
                                     did_you_mean(key.text, known)));
}

bool YamlReader::group(const YamlNode& node, std::string_view key) {
    if (node.kind == YamlNode::Kind::map) return true;
    fail(node.at, fmt::format("`{}` must be a group of keys; here stands {}", key, kind_name(node.kind)));
    return false;
}

bool YamlReader::list(const YamlNode& node, std::string_view key) {
    if (node.kind == YamlNode::Kind::list && !node.items.empty()) return true;
    fail(node.at, fmt::format("`{}` must be a list with entries; here stands {}", key,
                              node.kind == YamlNode::Kind::list ? "an empty one" : kind_name(node.kind)));
    return false;
}

std::string YamlReader::text(const YamlNode& node, std::string_view key) {
    if (node.is_scalar() && !trim(node.text).empty()) return std::string(trim(node.text));
    fail(node.at, fmt::format("`{}` must be a text; here stands {}", key,
                              node.is_scalar() ? "an empty one" : kind_name(node.kind)));
    return {};
}

std::string YamlReader::sentence(const YamlNode& node, std::string_view key) {
    return one_line(text(node, key));
}

std::string YamlReader::name(const YamlNode& node, std::string_view key) {
    std::string out = text(node, key);
    if (out.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
        fail(node.at, fmt::format("`{}` is a name of a-z, 0-9 and _, not {}", key, escape_control(out)));
    return out;
}

std::size_t YamlReader::number(const YamlNode& node, std::string_view key) {
    const std::string digits = text(node, key);
    std::size_t value = 0;
    const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (wrong != std::errc{} || end != digits.data() + digits.size() || value < 1 || value > 1000)
        fail(node.at, fmt::format("`{}` is a number from 1 to 1000", key));
    return value;
}

bool YamlReader::yes_or_no(const YamlNode& node, std::string_view key) {
    const std::string word = text(node, key);
    if (word != "yes" && word != "no") fail(node.at, fmt::format("`{}` is yes or no", key));
    return word == "yes";
}

std::vector<std::string> YamlReader::words(const YamlNode* node, std::string_view key) {
    std::vector<std::string> out;
    if (!node) return out;
    if (node->kind != YamlNode::Kind::list)
        fail(node->at, fmt::format("`{}` must be a list; here stands {}", key, kind_name(node->kind)));
    for (const YamlNode& item : node->items) out.push_back(text(item, key));
    return out;
}

}  // namespace waggle::explain
