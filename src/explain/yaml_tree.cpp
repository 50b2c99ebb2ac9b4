// SPDX-License-Identifier: Apache-2.0
#include "explain/yaml_tree.h"

#include <fmt/core.h>
#include <yaml.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_depth = 32;

struct Fault {
    Position at;
    std::string reason;
};

bool is_null(const YamlNode& node) {
    constexpr std::string_view nulls[] = {"", "~", "null", "Null", "NULL"};
    return !node.quoted && std::ranges::find(nulls, node.text) != std::end(nulls);
}

// Where each line begins, and where a character of one stands: libyaml counts characters, we count bytes.
class Lines {
  public:
    explicit Lines(std::string_view text) : text_(text) {
        for (std::size_t at = 0; at != std::string_view::npos; at = text.find('\n', at)) {
            if (!begins_.empty()) ++at;
            begins_.push_back(at);
        }
    }
    Position at(const yaml_mark_t& mark) const {
        const std::size_t line = std::min(mark.line, begins_.size() - 1);
        std::size_t byte = begins_[line];
        const auto is_inside = [this](std::size_t at) {
            return at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xC0) == 0x80;
        };
        for (std::size_t left = mark.column; left > 0; --left)
            for (++byte; is_inside(byte); ++byte) {
            }
        return {line + 1, byte - begins_[line] + 1};
    }
    Position at_byte(std::size_t byte) const {
        const auto next = std::ranges::upper_bound(begins_, byte);
        return {static_cast<std::size_t>(next - begins_.begin()), byte - *(next - 1) + 1};
    }

  private:
    std::string_view text_;
    std::vector<std::size_t> begins_;
};

// Builds the tree from the parser's events. After the first fault nothing more is taken.
class Builder {
  public:
    explicit Builder(const Lines& lines) : lines_(lines) {}
    YamlNode root;
    std::optional<Fault> fault;

    void take(const yaml_event_t& event) {
        const Position at = lines_.at(event.start_mark);
        switch (event.type) {
            case YAML_DOCUMENT_START_EVENT:
                ++documents_;
                break;
            case YAML_ALIAS_EVENT:
                refuse(at, "aliases (*name) are not used here; write the value out");
                break;
            case YAML_SCALAR_EVENT: {
                const auto& scalar = event.data.scalar;
                YamlNode node;
                node.kind = YamlNode::Kind::scalar;
                node.at = at;
                node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
                node.quoted = !scalar.plain_implicit || scalar.style != YAML_PLAIN_SCALAR_STYLE;
                if (is_null(node)) node.kind = YamlNode::Kind::null;
                if (is_wanted(at, scalar.anchor, node.kind)) place(std::move(node));
                break;
            }
            case YAML_SEQUENCE_START_EVENT:
                begin(at, YamlNode::Kind::list, event.data.sequence_start.anchor);
                break;
            case YAML_MAPPING_START_EVENT:
                begin(at, YamlNode::Kind::map, event.data.mapping_start.anchor);
                break;
            case YAML_SEQUENCE_END_EVENT:
            case YAML_MAPPING_END_EVENT:
                end();
                break;
            default:
                break;
        }
    }

  private:
    struct Open {
        YamlNode node;
        std::optional<YamlNode> key;
    };
    const Lines& lines_;
    std::vector<Open> open_;
    std::size_t documents_ = 0;

    void refuse(Position at, std::string reason) {
        if (!fault) fault = Fault{at, std::move(reason)};
    }
    // Whether what begins there is of the only document, and has no name.
    bool is_wanted(Position at, const yaml_char_t* anchor, YamlNode::Kind kind) {
        if (anchor) refuse(at, "anchors (&name) are not used here; write the value out");
        if (documents_ > 1) {
            if (kind != YamlNode::Kind::null) refuse(at, "a second YAML document; a file holds one");
            return false;
        }
        return !fault;
    }
    void begin(Position at, YamlNode::Kind kind, const yaml_char_t* anchor) {
        if (open_.size() >= most_depth) refuse(at, "nested too deeply");
        if (!is_wanted(at, anchor, kind)) return;
        Open& open = open_.emplace_back();
        open.node.kind = kind;
        open.node.at = at;
    }
    void end() {
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

class Parser {
  public:
    explicit Parser(std::string_view text) : lines_(text) {
        // It fails only where memory is out, which ends the program elsewhere too.
        yaml_parser_initialize(&parser_);
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                     text.size());
    }
    Parser(const Parser&) = delete;
    ~Parser() { yaml_parser_delete(&parser_); }

    // The tree, or what is wrong with the text.
    std::optional<Fault> parse(YamlNode& root) {
        Builder builder(lines_);
        for (bool more = true; more && !builder.fault;) {
            yaml_event_t event;
            if (!yaml_parser_parse(&parser_, &event)) return not_yaml();
            builder.take(event);
            more = event.type != YAML_STREAM_END_EVENT;
            yaml_event_delete(&event);
        }
        root = std::move(builder.root);
        return builder.fault;
    }

  private:
    Lines lines_;
    yaml_parser_t parser_;

    Fault not_yaml() const {
        if (parser_.error == YAML_READER_ERROR)
            return {lines_.at_byte(parser_.problem_offset), fmt::format("not YAML: {}", parser_.problem)};
        const std::string_view context = parser_.context ? parser_.context : "";
        const std::string_view problem = parser_.problem ? parser_.problem : "no memory for it";
        if (context == "while scanning a quoted scalar" && problem == "found unexpected end of stream")
            return {lines_.at(parser_.context_mark), "not YAML: a quote that is not closed"};
        return {lines_.at(parser_.problem_mark), fmt::format("not YAML: {}", problem)};
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
    YamlNode root;
    if (const auto fault = Parser(text_).parse(root)) return error(fault->at, fault->reason);
    return root;
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
