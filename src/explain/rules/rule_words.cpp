// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/sentence_reader.h"

namespace waggle::explain {
namespace {

constexpr std::array<std::string_view, 4> advice_keys = {"do", "why", "say", "run_in"};

class WordsReader final : public SentenceReader {
  public:
    WordsReader(const YamlText& file, const WordForm& form, Rule& rule)
        : SentenceReader(file), form_(form), rule_(rule) {}

    void read(std::string_view key, const YamlNode& node) {
        if (key == "asks") rule_.asks = sentence(node, key);
        if (key == "wrong_when") rule_.wrong_when = sentences_as_written(node, key);
        if (key == "what") rule_.what = alternatives(node, key);
        if (key == "impact") rule_.impact = alternatives(node, key);
        if (key == "because") read_because(node);
        if (key == "evidence") read_evidence(node);
        if (key == "try") rule_.try_ = advice(node, key);
        if (key == "check") rule_.check = advice(node, key);
    }

  private:
    const WordForm& form_;
    Rule& rule_;

    std::vector<std::string> sentences_as_written(const YamlNode& node, std::string_view key) {
        std::vector<std::string> out;
        if (list(node, key))
            for (const YamlNode& item : node.items) out.push_back(sentence(item, key));
        return out;
    }

    Sentence::Form form(Place place) override {
        return {place, rule_.columns, rule_.units, form_.language, form_.kinds, form_.parts};
    }

    void read_because(const YamlNode& node) {
        std::vector<Sentences> out;
        if (!list(node, "because")) return;
        for (const YamlNode& item : node.items) out.push_back(alternatives(item, "because"));
        rule_.because = std::move(out);
    }

    void read_evidence(const YamlNode& node) {
        if (!group(node, "evidence")) return;
        std::vector<std::string_view> known;
        for (const RuleEvidence& each : rule_.evidence) known.push_back(each.name);
        only_keys(node, known, "the rule's `evidence`");
        if (error_) return;
        for (RuleEvidence& each : rule_.evidence) {
            const YamlNode* said = node.find(each.name);
            if (!said)
                return fail(node.at, fmt::format("`evidence` says nothing of {}", escape_control(each.name)));
            each.says = alternatives(*said, each.name);
        }
    }

    std::vector<std::vector<RuleAdvice>> advice(const YamlNode& node, std::string_view key) {
        std::vector<std::vector<RuleAdvice>> out;
        if (!list(node, key)) return out;
        for (const YamlNode& item : node.items)
            out.push_back(one_or_list(
                item, key, [&](const YamlNode& alternative) { return one_advice(alternative, key); }));
        return out;
    }

    RuleAdvice one_advice(const YamlNode& node, std::string_view key) {
        RuleAdvice out;
        if (node.kind != YamlNode::Kind::map) {
            fail(node.at, fmt::format("an entry of `{}` is {{do: a command}} or {{say: a sentence}}; here "
                                      "stands {}",
                                      key, kind_name(node.kind)));
            return out;
        }
        only_keys(node, advice_keys, "advice");
        out.file = std::string(file_.path());
        out.at = node.at;
        const auto [command, said] = do_or_say(node, key);
        if (!command && !said) return out;
        if (said) {
            for (const std::string_view extra : {"why", "run_in"})
                if (const YamlNode* found = node.find(extra))
                    fail(found->at, fmt::format("`{}` belongs to `do`, not to `say`", extra));
            out.text = one(*said, "say", Place::words);
            return out;
        }
        out.kind = Advice::Kind::command;
        out.text = one(*command, "do", Place::command);
        if (const YamlNode* why = node.find("why")) out.why = one(*why, "why", Place::words);
        if (const YamlNode* where = node.find("run_in")) read_run_in(*where, out);
        return out;
    }

    void read_run_in(const YamlNode& node, RuleAdvice& out) {
        const std::string kind = text(node, "run_in");
        if (kind != "netns")
            return fail(node.at, fmt::format("`run_in` is netns, the network namespace, not {}",
                                             escape_control(kind)));
        const auto column = std::find(rule_.columns.begin(), rule_.columns.end(), kind);
        if (column == rule_.columns.end())
            return fail(node.at, "`run_in: netns` needs a column netns of `when`");
        if (!form_.has_namespaces)
            return fail(node.at, "`run_in` needs the table network_namespaces, which is not there");
        out.netns = static_cast<std::size_t>(column - rule_.columns.begin());
    }
};

}  // namespace

Result<void> read_words(const YamlText& file, std::string_view key, const YamlNode& node,
                        const WordForm& form, Rule& rule) {
    WordsReader reader(file, form, rule);
    reader.read(key, node);
    if (reader.error()) return *reader.error();
    return {};
}

}  // namespace waggle::explain
