// SPDX-License-Identifier: Apache-2.0
#include "explain/knowledge.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <map>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/knowledge_entries.h"
#include "explain/knowledge_files.h"
#include "explain/lines/line_pattern.h"
#include "explain/sentence.h"
#include "explain/yaml_tree.h"
#include "query/sql_text.h"

namespace waggle::explain {

namespace knowledge {
std::span<const EmbeddedFile> embedded_files();
}
std::span<const EmbeddedFile> knowledge_files() { return knowledge::embedded_files(); }

namespace {

constexpr std::array<std::string_view, 15> entry_keys = {"names",  "number", "match", "unless", "of",
                                                         "is",     "see",    "what",  "short",  "because",
                                                         "impact", "try",    "check", "loss",   "since"};
constexpr std::size_t most_file_bytes = 4u << 20;
constexpr std::string_view errno_kind = "errno";

// Of a pattern inside double quotes: \" is a quote.
std::string without_escapes(std::string_view quoted) {
    std::string out;
    for (std::size_t at = 0; at < quoted.size(); ++at) {
        if (quoted[at] == '\\' && at + 1 < quoted.size()) ++at;
        out += quoted[at];
    }
    return out;
}

// The kernel's errors are -1 to -4095; printed without a sign they are these many below 2^32 or 2^64. All bits
// set is left out: it mostly stands for "none".
constexpr std::uint64_t most_errors = 4095;
std::optional<std::int64_t> unsigned_error(std::uint64_t value) {
    if (value >= (1ull << 32) - most_errors && value < (1ull << 32) - 1)
        return static_cast<std::int64_t>(value) - (1ll << 32);
    if (value >= 0 - most_errors && value < 0 - 1ull) return static_cast<std::int64_t>(value);
    return std::nullopt;
}

// 28, -28, 0x1c; and a negative error that was printed without its sign, 0xffffffe4.
std::optional<std::int64_t> number_of(std::string_view text) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) text.remove_prefix(2);
    const bool negative = text.starts_with('-');
    if (negative && (hex || text.size() == 1 || !is_digit(text[1]))) return std::nullopt;
    if (negative) text.remove_prefix(1);
    std::uint64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (!negative)
        if (const auto error = unsigned_error(value)) return error;
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

// nstat puts the group of a counter before its name; without it all groups are looked at.
constexpr std::array<std::string_view, 9> counter_groups = {"TcpExt", "IpExt", "MPTcpExt", "Tcp", "Udp",
                                                            "Ip",     "Icmp",  "Ip6",      "Udp6"};

bool is_brief(std::string_view file) { return file.find("\n_brief: true\n") != std::string_view::npos; }

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
    const std::string_view raw = trim(word);
    // A tracepoint behind its group, a file behind its folder.
    if (const std::size_t last = plain.find_last_of(":/");
        last != std::string::npos && last + 1 < plain.size() && raw.find(' ') == std::string_view::npos)
        wanted.words.push_back(plain.substr(last + 1));
    for (const std::string_view group : counter_groups) {
        if (raw.starts_with(group) && raw.size() > group.size() &&
            (raw[group.size()] == ':' || raw[group.size()] == ' '))
            wanted.words.push_back(
                plain_word(std::string(group) + std::string(trim(raw.substr(group.size() + 1)))));
        if (raw.front() >= 'A' && raw.front() <= 'Z')
            wanted.words.push_back(plain_word(std::string(group) + std::string(raw)));
    }
    for (const std::string_view prefix : {"skb_drop_reason_", "__", "sys_", "bpf_prog_type_", "req_op_"})
        if (plain.starts_with(prefix) && plain.size() > prefix.size() && !plain.starts_with("sys_exit_"))
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

// How an entry leans on others; each is "KIND WORD", with names of the pattern in it.
struct Relations {
    std::string of;                // the entry that this one is about
    std::string is;                // the entry that stands in its place, or several with | between
    std::vector<std::string> see;  // entries that are explained after it
};

// Parses one entry and checks its shape.
class EntryReader {
  public:
    EntryReader(const YamlText& file, bool brief) : file_(file), brief_(brief) {}

    Relations relations;

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
        const bool reference = entry.find("is") != nullptr;
        for (const std::string_view part : {"what", "impact"})
            if (reference == (entry.find(part) != nullptr) && !(brief_ && !reference && part == "impact"))
                fail(key.at, fmt::format("{} {} `{}`", escape_control(key.text),
                                         reference ? "has `is` and cannot have" : "lacks", part));
        text(entry, "what", out.what);
        text(entry, "short", out.short_words);
        text(entry, "impact", out.impact);
        text(entry, "since", out.since);
        std::vector<std::string> names, patterns;
        list(entry, "names", names);
        list(entry, "match", patterns);
        list(entry, "unless", patterns);
        text(entry, "of", relations.of);
        text(entry, "is", relations.is);
        list(entry, "see", relations.see);
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
    bool brief_;
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

void fill(Explanation& entry, const Captures& captures) {
    const auto say = [&](std::string& text) { text = filled(text, captures, FillFor::words); };
    say(entry.what);
    say(entry.impact);
    std::for_each(entry.because.begin(), entry.because.end(), say);
    for (std::vector<std::string>* advice : {&entry.try_, &entry.check})
        for (std::string& text : *advice)
            text = filled(text, captures, is_sentence(text) ? FillFor::words : FillFor::command);
}

Result<Explanation> read_entry(const EmbeddedFile& file, const EntryBlock& block,
                               Relations* relations = nullptr) {
    const YamlText text(file.path, block.text, block.first_line);
    const auto root = text.parse();
    if (!root) return root.error();
    if (root->kind != YamlNode::Kind::map || root->keys.empty())
        return text.error(root->at, "this is no entry");
    EntryReader reader(text, is_brief(file.text));
    Result<Explanation> entry = reader.read(root->keys[0], root->items[0]);
    if (relations) *relations = std::move(reader.relations);
    return entry;
}

// "errno EPERM"
template <class Files>
std::optional<Explanation> entry_of(const Files& files, std::string_view kind_and_word) {
    const std::size_t blank = kind_and_word.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    const Wanted wanted = wanted_of(kind_and_word.substr(blank + 1));
    for (const auto& file : files) {
        if (file.kind != kind_and_word.substr(0, blank)) continue;
        std::optional<Explanation> found;
        each_entry(file.file.text, [&](const EntryBlock& block) {
            if (found || block.key.starts_with('_') || block.is_reference() || !matches(block, wanted))
                return;
            if (auto entry = read_entry(file.file, block)) {
                found = std::move(*entry);
                found->kind = file.kind;
                found->title = file.title;
            }
        });
        if (found) return found;
    }
    return std::nullopt;
}

// What is no word of the knowledge: the text of an error ("No space left on device"), or what fits a pattern.
template <class Files>
Result<std::vector<Explanation>> find_by_form(const Files& files, std::string_view word) {
    std::vector<Explanation> found;
    const auto add = [&](Explanation entry) {
        if (std::none_of(found.begin(), found.end(), [&](const Explanation& other) {
                return other.kind == entry.kind && other.word == entry.word;
            }))
            found.push_back(std::move(entry));
    };
    std::string_view text = trim(word);
    while (text.ends_with('.')) text.remove_suffix(1);
    const std::string plain = plain_word(text);
    for (const auto& file : files) {
        std::optional<Error> fault;
        each_entry(file.file.text, [&](const EntryBlock& block) {
            if (fault || plain.empty() || block.key.starts_with('_')) return;
            std::optional<Captures> captures;
            if (file.kind == errno_kind && is_plain_word(block.short_words(), plain)) captures.emplace();
            for (const std::string_view pattern : block.match())
                if (!captures) captures = match_pattern(without_escapes(pattern), text);
            if (!captures) return;
            for (const std::string_view pattern : block.unless())
                if (match_pattern(without_escapes(pattern), text)) return;
            Relations relations;
            auto entry = read_entry(file.file, block, &relations);
            if (!entry) {
                fault = entry.error();
                return;
            }
            if (!relations.is.empty()) {
                // The first of "KIND WORD | KIND WORD" that is there.
                for (const std::string_view other : split(relations.is, '|'))
                    if (auto found_one = entry_of(files, filled(trim(other), *captures, FillFor::words)))
                        return add(std::move(*found_one));
                return;
            }
            if (!relations.of.empty()) {
                // A pattern about an entry holds only where that one is there.
                const std::optional<Explanation> about =
                    entry_of(files, filled(relations.of, *captures, FillFor::words));
                if (!about) return;
                captures->emplace_back("what", about->what);
                if (entry->impact.empty()) entry->impact = about->impact;
            }
            if (!block.match().empty()) fill(*entry, *captures);
            if (!relations.of.empty()) entry->word = std::string(text);
            entry->kind = file.kind;
            entry->title = file.title;
            add(std::move(*entry));
            for (const std::string& also : relations.see)
                if (auto other = entry_of(files, filled(also, *captures, FillFor::words)))
                    add(std::move(*other));
        });
        if (fault) return *fault;
    }
    return found;
}

}  // namespace

bool is_sentence(std::string_view advice) {
    advice = trim(advice);
    if (advice.size() < 3 || advice.back() != '.') return false;
    if ((advice.front() >= 'A' && advice.front() <= 'Z') || advice.front() == '{') return true;
    return std::isalnum(static_cast<unsigned char>(advice[advice.size() - 2])) &&
           advice.find(' ') != std::string_view::npos && advice.find(" # ") == std::string_view::npos;
}

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
        // System calls give their errors negative: -28 is an errno and nothing else.
        if (anywhere.number && *anywhere.number < 0) {
            if (file.kind != errno_kind) continue;
            asks.front().number = -*anywhere.number;
        }
        for (const std::string& kind : {plain_word(file.kind), plain_word(file.title)})
            if (plain.size() > kind.size() + 1 && plain.starts_with(kind) && plain[kind.size()] == '_')
                asks.push_back(
                    wanted_of(std::string_view(word).substr(word.find_first_not_of(' ') + kind.size() + 1)));
        if (file.kind == errno_kind)
            for (Wanted& ask : asks)
                if (ask.number && *ask.number < 0) ask.number = -*ask.number;
        std::optional<Error> fault;
        each_entry(file.file.text, [&](const EntryBlock& block) {
            if (fault || block.key.starts_with('_') || block.is_reference()) return;
            if (std::none_of(asks.begin(), asks.end(),
                             [&](const Wanted& ask) { return matches(block, ask); }))
                return;
            auto entry = read_entry(file.file, block);
            if (!entry) {
                fault = entry.error();
                return;
            }
            if (!block.match().empty()) fill(*entry, {});
            entry->kind = file.kind;
            entry->title = file.title;
            found.push_back(std::move(*entry));
        });
        if (fault) return *fault;
    }
    if (!found.empty()) return found;
    return find_by_form(files_, word);
}

std::optional<Explanation> Knowledge::entry(std::string_view kind, std::string_view word) const {
    return entry_of(files_, fmt::format("{} {}", kind, word));
}

std::string Knowledge::short_words(std::string_view kind, std::string_view word) const {
    const std::optional<Explanation> found = entry(kind, word);
    return found ? found->short_words : std::string();
}

std::string Knowledge::what(std::string_view kind, std::string_view word) const {
    const std::optional<Explanation> found = entry(kind, word);
    return found ? found->what : std::string();
}

std::vector<std::string_view> Knowledge::kinds() const {
    std::vector<std::string_view> out;
    for (const File& file : files_) out.push_back(file.kind);
    return out;
}

std::vector<std::string> Knowledge::nearest(std::string_view word, std::size_t most) const {
    std::vector<std::string_view> known;
    for (const File& file : files_)
        each_entry(file.file.text, [&](const EntryBlock& block) {
            if (block.key.starts_with('_') || block.is_reference()) return;
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
            EntryReader reader(text, is_brief(file.file.text));
            if (auto entry = reader.read(key, root->items[i]); !entry) return entry.error();
            std::vector<std::string> others = reader.relations.see;
            for (const std::string_view other : split(reader.relations.is, '|'))
                others.emplace_back(trim(other));
            for (const std::string& other : others)
                if (!other.empty() && other.find('{') == std::string::npos && !entry_of(files_, other))
                    return text.error(key.at, fmt::format("{} leads to {}, which is no entry",
                                                          escape_control(key.text), escape_control(other)));
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
