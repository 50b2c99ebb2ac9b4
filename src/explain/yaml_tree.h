// SPDX-License-Identifier: Apache-2.0
// YAML as a plain tree with positions. The border to libyaml. Anchors, aliases, repeated keys and further
// documents are refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle::explain {

struct Position {
    std::size_t line = 1;  // both count from 1
    std::size_t column = 1;
};

struct YamlNode {
    enum class Kind : std::uint8_t { null, scalar, list, map };
    Kind kind = Kind::null;
    bool quoted = false;  // scalars: "yes" is not yes
    Position at;
    std::string text;             // of a scalar
    std::vector<YamlNode> keys;   // of a map; scalars
    std::vector<YamlNode> items;  // of a list; of a map: the values, in the order of keys

    const YamlNode* find(std::string_view key) const;  // null where there is none
    bool is_scalar() const { return kind == Kind::scalar; }
};

// One YAML text with its name, so that every error can say file:line:column.
class YamlText {
  public:
    // `first_line`: of `text` in the file, where it is only a part of it. Both views outlive this object.
    YamlText(std::string_view path, std::string_view text, std::size_t first_line = 1);

    // An empty text is a null node.
    Result<YamlNode> parse() const;

    std::string_view path() const { return path_; }
    Error error(Position at, std::string_view reason) const;
    // Where byte `offset` of a scalar's value stands in the file: exact in block scalars (|) and in scalars
    // of one line without escapes, else where the scalar begins.
    Position inside(const YamlNode& scalar, std::size_t offset) const;

  private:
    bool quote_is_open(Position scalar) const;
    std::string_view line(std::size_t number) const;  // "" beyond the end

    std::string_view path_;
    std::string_view text_;
    std::size_t first_line_;
};

std::string_view kind_name(YamlNode::Kind kind);  // "a text", "a list", …

}  // namespace waggle::explain
