// SPDX-License-Identifier: Apache-2.0
#include "explain/knowledge.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/text.h"
#include "explain/knowledge_entries.h"
#include "explain/knowledge_files.h"
#include "explain/sql_text.h"
#include "explain/yaml_tree.h"

namespace waggle::explain {

namespace knowledge {
std::span<const EmbeddedFile> embedded_files();
}
std::span<const EmbeddedFile> knowledge_files() { return knowledge::embedded_files(); }

namespace {

constexpr std::array<std::string_view, 9> entry_keys = {"names", "number", "what", "because", "impact",
                                                        "try",   "check",  "loss", "since"};
constexpr std::size_t most_file_bytes = 4u << 20;

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// What is asked for: a word, a number, or both spellings of a word that the kernel prefixes.
struct Wanted {
    std::vector<std::string> words;
    std::optional<std::int64_t> number;
};

Wanted wanted_of(std::string_view word) {
    Wanted wanted;
    const std::string plain = plain_word(word);
    if (plain.empty()) return wanted;
    wanted.words.push_back(plain);
    for (const std::string_view prefix : {"skb_drop_reason_", "__", "sys_", "bpf_prog_type_", "req_op_"})
        if (plain.starts_with(prefix) && plain.size() > prefix.size())
            wanted.words.push_back(plain.substr(prefix.size()));
    wanted.number = number_of(trim(word));
    return wanted;
}

bool matches(const EntryBlock& block, const Wanted& wanted) {
    const auto is_wanted = [&](std::string_view name) {
        return std::any_of(wanted.words.begin(), wanted.words.end(),
                           [&](const std::string& word) { return is_plain_word(name, word); });
    };
    if (is_wanted(block.key)) return true;
    const std::vector<std::string_view> names = block.names();
    if (std::any_of(names.begin(), names.end(), is_wanted)) return true;
    return wanted.number && block.number() == wanted.number;
}

// Parses one entry and checks its shape.
class EntryReader {
  public:
    explicit EntryReader(const YamlText& file) : file_(file) {}

    Result<Explanation> read(const YamlNode& key, const YamlNode& entry) {
        Explanation out;
        out.word = key.text;
        if (entry.kind != YamlNode::Kind::map)
            return file_.error(entry.kind == YamlNode::Kind::null ? key.at : entry.at,
                               fmt::format("{} must have `what` and `impact`; here stands {}",
                                           escape_control(key.text), kind_name(entry.kind)));
        for (const YamlNode& part : entry.keys)
            if (std::find(entry_keys.begin(), entry_keys.end(), part.text) == entry_keys.end())
                fail(part.at, fmt::format("an entry has no key {}{}", escape_control(part.text),
                                          did_you_mean(part.text, entry_keys)));
        for (const std::string_view part : {"what", "impact"})
            if (!entry.find(part)) fail(key.at, fmt::format("{} lacks `{}`", escape_control(key.text), part));
        text(entry, "what", out.what);
        text(entry, "impact", out.impact);
        text(entry, "since", out.since);
        std::vector<std::string> names;
        list(entry, "names", names);
        list(entry, "because", out.because);
        list(entry, "try", out.try_);
        list(entry, "check", out.check);
        if (const YamlNode* number = entry.find("number")) {
            out.number = number_of(number->text);
            if (!out.number) fail(number->at, "`number` must be a whole number");
        }
        if (const YamlNode* loss = entry.find("loss")) {
            if (loss->quoted || (loss->text != "true" && loss->text != "false"))
                fail(loss->at, "`loss` must be true or false");
            out.loss = loss->text != "false";
        }
        if (error_) return *error_;
        return out;
    }

  private:
    const YamlText& file_;
    std::optional<Error> error_;

    void fail(Position at, const std::string& reason) {
        if (!error_) error_ = file_.error(at, reason);
    }
    void take(const YamlNode& node, std::string_view key, std::string& out) {
        if (!node.is_scalar() || trim(node.text).empty())
            fail(node.at, fmt::format("`{}` must be a text; here stands {}", key,
                                      node.is_scalar() ? "an empty one" : kind_name(node.kind)));
        out = std::string(trim(node.text));
    }
    void text(const YamlNode& entry, std::string_view key, std::string& out) {
        if (const YamlNode* node = entry.find(key)) take(*node, key, out);
    }
    void list(const YamlNode& entry, std::string_view key, std::vector<std::string>& out) {
        const YamlNode* node = entry.find(key);
        if (!node) return;
        if (node->kind != YamlNode::Kind::list || node->items.empty())
            fail(node->at, fmt::format("`{}` must be a list with entries", key));
        for (const YamlNode& item : node->items) take(item, key, out.emplace_back());
    }
};

}  // namespace

Result<Knowledge> Knowledge::open(std::span<const EmbeddedFile> files) {
    Knowledge knowledge;
    for (const EmbeddedFile& file : files) {
        const YamlText whole(file.path, file.text);
        if (file.text.size() > most_file_bytes)
            return whole.error({}, "a file of knowledge has at most 4 MiB");
        File out{file, {}, {}};
        std::string_view rest = file.text;
        std::size_t line = 1;
        EntryBlock block;
        for (const std::string_view key : {"_kind", "_title"}) {
            const std::size_t before = line;
            if (!next_entry(rest, line, block) || block.key != key)
                return whole.error({before, 1}, "a file of knowledge begins with `_kind` and `_title`");
            const YamlText header(file.path, block.text, block.first_line);
            const auto root = header.parse();
            if (!root) return root.error();
            const YamlNode* value = root->find(key);
            if (!value || !value->is_scalar() || trim(value->text).empty())
                return header.error(root->at, fmt::format("`{}` must be a text", key));
            (key == "_kind" ? out.kind : out.title) = trim(value->text);
        }
        knowledge.files_.push_back(std::move(out));
    }
    return knowledge;
}

Result<std::vector<Explanation>> Knowledge::find(std::string_view word) const {
    std::vector<Explanation> found;
    const Wanted anywhere = wanted_of(word);
    const std::string plain = plain_word(word);
    for (const File& file : files_) {
        // "errno 28" asks only the files of that kind.
        std::vector<Wanted> asks{anywhere};
        for (const std::string& kind : {plain_word(file.kind), plain_word(file.title)})
            if (plain.size() > kind.size() + 1 && plain.starts_with(kind) && plain[kind.size()] == '_')
                asks.push_back(wanted_of(std::string_view(plain).substr(kind.size() + 1)));
        std::optional<Error> fault;
        each_entry(file.file.text, [&](const EntryBlock& block) {
            if (fault || block.key.starts_with('_')) return;
            if (std::none_of(asks.begin(), asks.end(),
                             [&](const Wanted& ask) { return matches(block, ask); }))
                return;
            const YamlText text(file.file.path, block.text, block.first_line);
            const auto root = text.parse();
            if (!root || root->kind != YamlNode::Kind::map || root->keys.empty()) {
                fault = root ? text.error(root->at, "this is no entry") : root.error();
                return;
            }
            auto entry = EntryReader(text).read(root->keys[0], root->items[0]);
            if (!entry) {
                fault = entry.error();
                return;
            }
            entry->kind = file.kind;
            entry->title = file.title;
            found.push_back(std::move(*entry));
        });
        if (fault) return *fault;
    }
    return found;
}

std::vector<std::string> Knowledge::nearest(std::string_view word, std::size_t most) const {
    std::vector<std::string_view> known;
    for (const File& file : files_)
        each_entry(file.file.text, [&](const EntryBlock& block) {
            if (block.key.starts_with('_')) return;
            known.push_back(block.key);
            for (const std::string_view name : block.names()) known.push_back(name);
        });
    return nearest_words(trim(word), known, most);
}

Result<std::size_t> Knowledge::check() const {
    std::size_t count = 0;
    for (const File& file : files_) {
        const YamlText text(file.file.path, file.file.text);
        const auto root = text.parse();
        if (!root) return root.error();
        // The scan must see what the parser sees; else an entry would be there and never be found.
        std::vector<EntryBlock> blocks;
        each_entry(file.file.text, [&](const EntryBlock& block) { blocks.push_back(block); });
        std::map<std::string, Position> seen;
        for (std::size_t i = 0; i < root->keys.size(); ++i) {
            const YamlNode& key = root->keys[i];
            if (i >= blocks.size() || blocks[i].key != key.text || blocks[i].first_line != key.at.line)
                return text.error(key.at, fmt::format("{} must begin in column 0 of a line of its own",
                                                      escape_control(key.text)));
            if (key.text.starts_with('_')) continue;
            if (auto entry = EntryReader(text).read(key, root->items[i]); !entry) return entry.error();
            std::vector<std::string> words{key.text};
            if (const YamlNode* names = root->items[i].find("names")) {
                if (blocks[i].names().size() != names->items.size())
                    return text.error(names->at, "`names` must be a list in brackets: [one, two]");
                for (const YamlNode& name : names->items) words.push_back(name.text);
            }
            for (const std::string& word : words) {
                const auto [first, fresh] = seen.emplace(plain_word(word), key.at);
                if (!fresh && first->second.line != key.at.line)
                    return text.error(key.at, fmt::format("{} is already the entry of line {}",
                                                          escape_control(word), first->second.line));
            }
            ++count;
        }
    }
    return count;
}

}  // namespace waggle::explain
