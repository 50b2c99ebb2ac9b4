// SPDX-License-Identifier: Apache-2.0
#include "explain/yaml_tree.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/text.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_depth = 32;

Position position_of(const YAML::Mark& mark) {
    if (mark.is_null()) return {};
    return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

// Builds the tree from the parser's events. After the first fault nothing more is taken.
class Builder final : public YAML::EventHandler {
  public:
    struct Fault {
        Position at;
        std::string reason;
    };
    YamlNode root;
    std::optional<Fault> fault;
    Position last_scalar;

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
        leaf(mark, YamlNode::Kind::null, {}, false);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        refuse(position_of(mark), "aliases (*name) are not used here; write the value out");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        if (anchor) return refuse(position_of(mark), no_anchors);
        last_scalar = position_of(mark);
        // yaml-cpp marks plain scalars with the tag "?" and quoted ones with "!".
        leaf(mark, YamlNode::Kind::scalar, value, tag != "?");
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        begin(mark, YamlNode::Kind::list, anchor);
    }
    void OnSequenceEnd() override { end(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        begin(mark, YamlNode::Kind::map, anchor);
    }
    void OnMapEnd() override { end(); }

  private:
    static constexpr const char* no_anchors = "anchors (&name) are not used here; write the value out";
    struct Open {
        YamlNode node;
        std::optional<YamlNode> key;
    };
    std::vector<Open> open_;

    void refuse(Position at, std::string reason) {
        if (!fault) fault = Fault{at, std::move(reason)};
    }
    void leaf(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& text, bool quoted) {
        if (fault) return;
        YamlNode node;
        node.kind = kind;
        node.at = position_of(mark);
        node.text = text;
        node.quoted = quoted;
        place(std::move(node));
    }
    void begin(const YAML::Mark& mark, YamlNode::Kind kind, YAML::anchor_t anchor) {
        if (anchor) refuse(position_of(mark), no_anchors);
        if (open_.size() >= most_depth) refuse(position_of(mark), "nested too deeply");
        if (fault) return;
        Open& open = open_.emplace_back();
        open.node.kind = kind;
        open.node.at = position_of(mark);
    }
    void end() {
        if (fault || open_.empty()) return;
        YamlNode node = std::move(open_.back().node);
        open_.pop_back();
        place(std::move(node));
    }
    void place(YamlNode node) {
        if (open_.empty()) {
            root = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == YamlNode::Kind::list) {
            parent.node.items.push_back(std::move(node));
        } else if (!parent.key) {
            if (!node.is_scalar()) return refuse(node.at, "a key must be a word");
            if (parent.node.find(node.text))
                return refuse(node.at, fmt::format("{} stands here twice", escape_control(node.text)));
            parent.key = std::move(node);
        } else {
            parent.node.keys.push_back(std::move(*parent.key));
            parent.key.reset();
            parent.node.items.push_back(std::move(node));
        }
    }
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (keys[i].text == key) return &items[i];
    return nullptr;
}

std::string_view kind_name(YamlNode::Kind kind) {
    switch (kind) {
        case YamlNode::Kind::null:
            return "nothing";
        case YamlNode::Kind::scalar:
            return "a text";
        case YamlNode::Kind::list:
            return "a list";
        case YamlNode::Kind::map:
            return "a group of keys";
    }
    return "";
}

YamlText::YamlText(std::string_view path, std::string_view text, std::size_t first_line)
    : path_(path), text_(text), first_line_(first_line) {}

Result<YamlNode> YamlText::parse() const {
    // A NUL ends yaml-cpp's input early, and what follows would be left out unsaid.
    if (const std::size_t nul = text_.find('\0'); nul != std::string_view::npos) {
        const std::size_t begin = text_.rfind('\n', nul);
        return error({static_cast<std::size_t>(
                          std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(nul), '\n')) +
                          1,
                      begin == std::string_view::npos ? nul + 1 : nul - begin},
                     "not YAML: a NUL character");
    }
    Builder builder;
    try {
        std::istringstream stream{std::string(text_)};
        YAML::Parser parser(stream);
        if (parser.HandleNextDocument(builder) && !builder.fault) {
            Builder second;
            if (parser.HandleNextDocument(second) && second.root.kind != YamlNode::Kind::null)
                return error(second.root.at, "a second YAML document; a file holds one");
        }
    } catch (const YAML::Exception& thrown) {
        if (!builder.fault)
            return error(position_of(thrown.mark), fmt::format("not YAML: {}", escape_control(thrown.msg)));
    } catch (const std::exception& thrown) {
        return error({}, fmt::format("not YAML: {}", escape_control(thrown.what())));
    }
    if (builder.fault) return error(builder.fault->at, builder.fault->reason);
    if (quote_is_open(builder.last_scalar))
        return error(builder.last_scalar, "not YAML: a quote that is not closed");
    return std::move(builder.root);
}

// yaml-cpp takes the end of the text for a closing quote, which only the last scalar can meet.
bool YamlText::quote_is_open(Position at) const {
    const std::string_view first = line(at.line);
    if (at.column > first.size()) return false;
    const char quote = first[at.column - 1];
    if (quote != '"' && quote != '\'') return false;
    std::string_view rest = text_.substr(static_cast<std::size_t>(first.data() - text_.data()) + at.column);
    for (std::size_t i = 0; i < rest.size(); ++i) {
        if (quote == '"' && rest[i] == '\\')
            ++i;
        else if (rest[i] == quote) {
            if (quote == '"' || i + 1 >= rest.size() || rest[i + 1] != quote) return false;
            ++i;  // a doubled quote stands for itself
        }
    }
    return true;
}

Error YamlText::error(Position at, std::string_view reason) const {
    return {fmt::format("{}:{}:{}: {}", escape_control(path_), at.line + first_line_ - 1, at.column, reason)};
}

std::string_view YamlText::line(std::size_t number) const {
    std::size_t at = 0;
    for (std::size_t i = 1; i < number; ++i) {
        at = text_.find('\n', at);
        if (at == std::string_view::npos) return {};
        ++at;
    }
    return text_.substr(at, text_.find('\n', at) - at);
}

Position YamlText::inside(const YamlNode& scalar, std::size_t offset) const {
    const std::string_view value = scalar.text;
    const std::size_t end = value.find_last_not_of(" \n");
    offset = std::min(offset, end == std::string_view::npos ? 0 : end + 1);
    const std::string_view first = line(scalar.at.line);
    const std::string_view source = first.substr(std::min(scalar.at.column - 1, first.size()));
    if (source.starts_with('|')) {
        const std::string_view before = value.substr(0, offset);
        const auto lines_before = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
        const std::size_t line_begin =
            before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
        const std::string_view value_line =
            value.substr(line_begin, value.find('\n', line_begin) - line_begin);
        const Position at{scalar.at.line + 1 + lines_before, 1};
        const std::string_view source_line = line(at.line);
        if (!source_line.ends_with(value_line)) return scalar.at;
        return {at.line, source_line.size() - value_line.size() + (offset - line_begin) + 1};
    }
    const std::size_t quote = source.starts_with('"') || source.starts_with('\'') ? 1 : 0;
    if (source.size() < quote || !source.substr(quote).starts_with(value)) return scalar.at;
    return {scalar.at.line, scalar.at.column + quote + offset};
}

}  // namespace waggle::explain
