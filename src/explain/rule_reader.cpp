// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "explain/rule.h"
#include "explain/sql_text.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_file_bytes = 1u << 20;

constexpr std::array<std::string_view, 17> rule_keys = {
    "rule",    "topic",      "severity", "confidence", "when",   "object",
    "subject", "what",       "because",  "evidence",   "impact", "try",
    "check",   "because_of", "fires_on", "silent_on",  "at_most"};
constexpr std::array<std::string_view, 12> needed_keys = {"topic",  "severity", "confidence", "when",
                                                          "object", "what",     "because",    "evidence",
                                                          "impact", "try",      "check",      "rule"};
constexpr std::array<std::string_view, 3> object_keys = {"kind", "name", "value"};
constexpr std::array<std::string_view, 3> evidence_keys = {"says", "query", "at_most"};
constexpr std::array<std::string_view, 2> cause_keys = {"rule", "on"};

// Runs of white space become one space, so that a folded sentence is one line.
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

// Reads one rule and keeps the first fault; after it every step does nothing.
class Reader {
  public:
    Reader(const YamlText& file, Sql& sql) : file_(file), sql_(sql) {}

    Result<Rule> read(const YamlNode& node) {
        Rule rule;
        rule.at = node.at;
        if (node.kind != YamlNode::Kind::map) {
            fail(node.at,
                 fmt::format("a rule begins with `- rule: name`; here stands {}", kind_name(node.kind)));
            return *error_;
        }
        only_keys(node, rule_keys, "a rule");
        read_id(node, rule);
        for (const std::string_view key : needed_keys) need(node, key);
        if (error_) return *error_;

        read_when(*node.find("when"), rule);
        read_word(*node.find("severity"), "severity", severity_of, {{"note", "warning", "critical"}},
                  rule.severity, rule);
        read_word(*node.find("confidence"), "confidence", confidence_of, {{"low", "medium", "high"}},
                  rule.confidence, rule);
        if (const YamlNode* most = node.find("at_most")) rule.most_findings = number(*most, "at_most");
        read_object(*node.find("object"), rule);
        if (const YamlNode* subject = node.find("subject")) read_subject(*subject, rule);
        rule.what = alternatives(*node.find("what"), "what", Place::words, rule);
        rule.because = list(*node.find("because"), "because", Place::words, rule);
        read_evidence(*node.find("evidence"), rule);
        rule.impact = alternatives(*node.find("impact"), "impact", Place::words, rule);
        rule.try_ = list(*node.find("try"), "try", Place::command, rule);
        rule.check = list(*node.find("check"), "check", Place::command, rule);
        if (const YamlNode* causes = node.find("because_of")) read_causes(*causes, rule);
        rule.entry.fires_on = words(node.find("fires_on"), "fires_on");
        rule.entry.silent_on = words(node.find("silent_on"), "silent_on");
        if (error_) return *error_;
        return rule;
    }

  private:
    const YamlText& file_;
    Sql& sql_;
    std::optional<Error> error_;

    void fail(Position at, const std::string& reason) {
        if (!error_) error_ = file_.error(at, reason);
    }

    void only_keys(const YamlNode& node, std::span<const std::string_view> known, std::string_view where) {
        for (const YamlNode& key : node.keys)
            if (std::find(known.begin(), known.end(), key.text) == known.end())
                fail(key.at, fmt::format("{} has no key {}{}", where, escape_control(key.text),
                                         did_you_mean(key.text, known)));
    }

    void need(const YamlNode& node, std::string_view key) {
        const YamlNode* found = node.find(key);
        const YamlNode* id = node.find("rule");
        if (!found)
            fail(node.at,
                 fmt::format("rule {} lacks `{}`", id ? escape_control(id->text) : "without a name", key));
        else if (found->kind == YamlNode::Kind::null || (found->is_scalar() && trim(found->text).empty()))
            fail(found->at, fmt::format("`{}` is empty", key));
    }

    std::string text(const YamlNode& node, std::string_view key) {
        if (node.is_scalar() && !trim(node.text).empty()) return std::string(trim(node.text));
        fail(node.at, fmt::format("`{}` must be a text; here stands {}", key,
                                  node.is_scalar() ? "an empty one" : kind_name(node.kind)));
        return {};
    }

    std::string name(const YamlNode& node, std::string_view key) {
        std::string out = text(node, key);
        if (out.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
            fail(node.at, fmt::format("`{}` is a name of a-z, 0-9 and _, not {}", key, escape_control(out)));
        return out;
    }

    std::size_t number(const YamlNode& node, std::string_view key) {
        const std::string digits = text(node, key);
        std::size_t value = 0;
        const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (fault != std::errc{} || end != digits.data() + digits.size() || value < 1 || value > 1000)
            fail(node.at, fmt::format("`{}` is a number from 1 to 1000", key));
        return value;
    }

    std::vector<std::string> words(const YamlNode* node, std::string_view key) {
        std::vector<std::string> out;
        if (!node) return out;
        if (node->kind != YamlNode::Kind::list)
            fail(node->at, fmt::format("`{}` must be a list; here stands {}", key, kind_name(node->kind)));
        for (const YamlNode& item : node->items) out.push_back(text(item, key));
        return out;
    }

    void read_id(const YamlNode& node, Rule& rule) {
        if (const YamlNode* id = node.find("rule")) rule.entry.id = name(*id, "rule");
        if (const YamlNode* topic = node.find("topic")) rule.entry.topic = name(*topic, "topic");
    }

    // SQL that can run; `uses` tells what it needs.
    std::optional<Sql::Uses> query(const YamlNode& node, std::string_view key, std::string& out) {
        text(node, key);
        if (error_) return std::nullopt;
        out = std::string(trim(node.text));
        auto uses = sql_.check(node.text);
        if (!uses) {
            fail(sql_.error_offset() ? file_.inside(node, *sql_.error_offset()) : node.at,
                 fmt::format("`{}`: {}", key, uses.error().message));
            return std::nullopt;
        }
        return std::move(*uses);
    }

    static void add_tables(Rule& rule, const std::vector<std::string>& tables) {
        for (const std::string& table : tables)
            if (std::find(rule.entry.tables.begin(), rule.entry.tables.end(), table) ==
                rule.entry.tables.end())
                rule.entry.tables.push_back(table);
    }

    void read_when(const YamlNode& node, Rule& rule) {
        const auto uses = query(node, "when", rule.when);
        if (!uses) return;
        if (!uses->parameters.empty())
            return fail(node.at, fmt::format("`when` cannot use :{}; only evidence has parameters",
                                             uses->parameters.front()));
        rule.columns = uses->columns;
        add_tables(rule, uses->tables);
        for (std::size_t i = 0; i < rule.columns.size(); ++i)
            if (std::find(rule.columns.begin(), rule.columns.begin() + static_cast<std::ptrdiff_t>(i),
                          rule.columns[i]) != rule.columns.begin() + static_cast<std::ptrdiff_t>(i))
                return fail(node.at, fmt::format("`when` gives two columns named {}; rename one with AS",
                                                 escape_control(rule.columns[i])));
    }

    template <class Word>
    void read_word(const YamlNode& node, std::string_view key,
                   std::optional<Word> (*word_of)(std::string_view), std::array<std::string_view, 3> known,
                   WordOrColumn<Word>& out, const Rule& rule) {
        const std::string word = text(node, key);
        if (error_) return;
        if (const std::optional<Word> fixed = word_of(word)) {
            out.word = *fixed;
            return;
        }
        const auto column = std::find(rule.columns.begin(), rule.columns.end(), word);
        if (column != rule.columns.end()) {
            out.column = static_cast<std::size_t>(column - rule.columns.begin());
            return;
        }
        std::vector<std::string_view> near(known.begin(), known.end());
        near.insert(near.end(), rule.columns.begin(), rule.columns.end());
        fail(node.at, fmt::format("`{}` is {}, {} or {}, or a column of `when`, not {}{}", key, known[0],
                                  known[1], known[2], escape_control(word), did_you_mean(word, near)));
    }

    void add_sentence(const YamlNode& node, std::string_view key, Place place, const Rule& rule,
                      Sentences& out) {
        text(node, key);
        if (error_) return;
        if (const auto fault = Sentence::check(node.text, place, rule.columns))
            return fail(file_.inside(node, fault->offset), fmt::format("`{}`: {}", key, fault->reason));
        const bool command = place == Place::command && !is_spoken(node.text);
        const std::string said = command ? std::string(trim(node.text)) : one_line(node.text);
        out.push_back(Sentence::make(said, place, rule.columns));
    }

    Sentences alternatives(const YamlNode& node, std::string_view key, Place place, const Rule& rule) {
        Sentences out;
        if (node.kind != YamlNode::Kind::list) {
            add_sentence(node, key, place, rule, out);
            return out;
        }
        if (node.items.empty()) fail(node.at, fmt::format("`{}` is empty", key));
        for (const YamlNode& item : node.items) add_sentence(item, key, place, rule, out);
        return out;
    }

    std::vector<Sentences> list(const YamlNode& node, std::string_view key, Place place, const Rule& rule) {
        std::vector<Sentences> out;
        if (node.kind != YamlNode::Kind::list || node.items.empty()) {
            fail(node.at,
                 fmt::format("`{}` must be a list with entries; here stands {}", key,
                             node.kind == YamlNode::Kind::list ? "an empty one" : kind_name(node.kind)));
            return out;
        }
        for (const YamlNode& item : node.items) out.push_back(alternatives(item, key, place, rule));
        return out;
    }

    bool group(const YamlNode& node, std::string_view key) {
        if (node.kind == YamlNode::Kind::map) return true;
        fail(node.at, fmt::format("`{}` must be a group of keys; here stands {}", key, kind_name(node.kind)));
        return false;
    }

    void read_object(const YamlNode& node, Rule& rule) {
        if (!group(node, "object")) return;
        only_keys(node, object_keys, "`object`");
        for (const std::string_view key : {"kind", "name"})
            if (!node.find(key)) return fail(node.at, fmt::format("`object` lacks `{}`", key));
        rule.object_kind = escape_control(one_line(text(*node.find("kind"), "kind")));
        rule.object_name = alternatives(*node.find("name"), "name", Place::plain, rule);
        if (const YamlNode* value = node.find("value"))
            rule.object_value = alternatives(*value, "value", Place::plain, rule);
    }

    void read_subject(const YamlNode& node, Rule& rule) {
        if (!group(node, "subject")) return;
        for (std::size_t i = 0; i < node.keys.size(); ++i)
            rule.subject.emplace_back(name(node.keys[i], "subject"),
                                      alternatives(node.items[i], node.keys[i].text, Place::plain, rule));
    }

    void read_evidence(const YamlNode& node, Rule& rule) {
        if (node.kind != YamlNode::Kind::list || node.items.empty())
            return fail(node.at, "`evidence` must be a list of `says` and `query`");
        for (const YamlNode& item : node.items) {
            if (!group(item, "evidence")) return;
            only_keys(item, evidence_keys, "`evidence`");
            for (const std::string_view key : {"says", "query"})
                if (!item.find(key)) return fail(item.at, fmt::format("`evidence` lacks `{}`", key));
            RuleEvidence evidence;
            evidence.says = alternatives(*item.find("says"), "says", Place::words, rule);
            const auto uses = query(*item.find("query"), "query", evidence.query);
            if (!uses) return;
            add_tables(rule, uses->tables);
            const std::vector<std::string_view> columns(rule.columns.begin(), rule.columns.end());
            for (const std::string& parameter : uses->parameters)
                if (std::find(columns.begin(), columns.end(), parameter) == columns.end())
                    return fail(item.find("query")->at,
                                fmt::format("`query`: `when` has no column {}{}", parameter,
                                            did_you_mean(parameter, columns)));
            if (const YamlNode* most = item.find("at_most")) evidence.most_rows = number(*most, "at_most");
            rule.evidence.push_back(std::move(evidence));
        }
    }

    void read_causes(const YamlNode& node, Rule& rule) {
        if (node.kind != YamlNode::Kind::list) return fail(node.at, "`because_of` must be a list of rules");
        for (const YamlNode& item : node.items) {
            RuleCause cause;
            cause.at = item.at;
            if (item.is_scalar()) {
                cause.rule = name(item, "because_of");
            } else {
                if (!group(item, "because_of")) return;
                only_keys(item, cause_keys, "`because_of`");
                const YamlNode* id = item.find("rule");
                if (!id) return fail(item.at, "`because_of` lacks `rule`");
                cause.rule = name(*id, "rule");
                cause.at = id->at;
                cause.on = words(item.find("on"), "on");
                const std::vector<std::string_view> columns(rule.columns.begin(), rule.columns.end());
                for (const std::string& column : cause.on)
                    if (std::find(columns.begin(), columns.end(), column) == columns.end())
                        return fail(item.find("on")->at,
                                    fmt::format("`when` has no column {}{}", escape_control(column),
                                                did_you_mean(column, columns)));
            }
            rule.because_of.push_back(std::move(cause));
        }
    }
};

}  // namespace

std::string_view severity_name(Severity severity) {
    switch (severity) {
        case Severity::note:
            return "note";
        case Severity::warning:
            return "warning";
        case Severity::critical:
            return "critical";
    }
    return "";
}

std::string_view confidence_name(Confidence confidence) {
    switch (confidence) {
        case Confidence::low:
            return "low";
        case Confidence::medium:
            return "medium";
        case Confidence::high:
            return "high";
    }
    return "";
}

std::optional<Severity> severity_of(std::string_view word) {
    for (const Severity severity : {Severity::note, Severity::warning, Severity::critical})
        if (severity_name(severity) == word) return severity;
    return std::nullopt;
}

std::optional<Confidence> confidence_of(std::string_view word) {
    for (const Confidence confidence : {Confidence::low, Confidence::medium, Confidence::high})
        if (confidence_name(confidence) == word) return confidence;
    return std::nullopt;
}

Result<std::vector<Rule>> read_rules(const EmbeddedFile& file, Sql& sql) {
    const YamlText text(file.path, file.text);
    if (file.text.size() > most_file_bytes) return text.error({}, "a file of rules has at most 1 MiB");
    const auto root = text.parse();
    if (!root) return root.error();
    std::vector<Rule> rules;
    if (root->kind == YamlNode::Kind::null) return rules;
    if (root->kind != YamlNode::Kind::list)
        return text.error(root->at, fmt::format("a file of rules is a list: each begins with `- rule: name`; "
                                                "here stands {}",
                                                kind_name(root->kind)));
    for (const YamlNode& item : root->items) {
        auto rule = Reader(text, sql).read(item);
        if (!rule) return rule.error();
        rule->file = std::string(file.path);
        rules.push_back(std::move(*rule));
    }
    return rules;
}

}  // namespace waggle::explain
