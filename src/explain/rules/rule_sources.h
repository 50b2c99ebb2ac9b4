// SPDX-License-Identifier: Apache-2.0
// What stands in files of views, lists, limits and words, each with its place; RuleLoader's own.
#pragma once

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "explain/rules.h"
#include "explain/rules/rule_reader.h"
#include "explain/sentence.h"
#include "explain/yaml_reader.h"

namespace waggle::explain {

inline constexpr std::string_view parts_key = "parts";  // in a file of words; no rule is called so

struct ParsedFile {
    RuleFile file;
    YamlText text;
    YamlNode root;
};

// One definition of a view, as written.
struct ViewSource {
    const ParsedFile* file;
    const YamlNode* node;
    const YamlNode* query;
    std::string means;
    std::map<std::string, std::string> columns;
    std::vector<std::string> lists;
    bool replaces = false;
};

class ViewReader : public YamlReader {
  public:
    explicit ViewReader(const ParsedFile& file) : YamlReader(file.text), parsed_(file) {}
    std::pair<std::string, ViewSource> read(const YamlNode& node, std::span<const std::string_view> lists);
    Result<void> check_columns(const ViewSource& view, const std::vector<std::string>& columns);

  private:
    const ParsedFile& parsed_;
};

class ListReader : public YamlReader {
  public:
    using YamlReader::YamlReader;

    std::vector<std::string> words_of(const YamlNode& node, std::string_view key);
    void whole(const YamlNode& node, RuleBook::List& out);
    void change(const YamlNode& node, RuleBook::List& out);
    using YamlReader::fail;
    using YamlReader::name;
};

// `parts:` of a file of words: names, each with a text or a list of alternatives. They are checked where they
// are said, since each rule has columns of its own.
class PartsReader : public YamlReader {
  public:
    using YamlReader::YamlReader;

    SentenceParts read(const YamlNode& node);
};

}  // namespace waggle::explain
