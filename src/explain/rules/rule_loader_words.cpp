// SPDX-License-Identifier: Apache-2.0
// The words of rules: where they stand, and which each rule gets.
#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/rules/rule_loader.h"
#include "explain/rules/rule_words.h"

namespace waggle::explain {

void RuleLoader::index_words() {
    std::set<std::string> languages;
    each(RuleFileKind::words, [&](const ParsedFile& file) {
        const std::string language = language_of_words(file.file.path);
        if (language.size() < 2 ||
            language.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") !=
                std::string::npos)
            return problem(
                file.text.error({}, "the name of a file of words ends with its language, as mine.en.yaml"));
        if (file.root.kind != YamlNode::Kind::map)
            return problem(file.text.error(
                file.root.at, fmt::format("a file of words holds rules with their words; here stands {}",
                                          kind_name(file.root.kind))));
        languages.insert(language);
        if (const YamlNode* parts = file.root.find(parts_key)) read_parts(file, *parts, language);
        for (std::size_t i = 0; i < file.root.keys.size(); ++i) {
            const YamlNode& key = file.root.keys[i];
            const YamlNode& node = file.root.items[i];
            if (key.text == parts_key) continue;
            if (node.kind != YamlNode::Kind::map) {
                problem(file.text.error(
                    key.at, fmt::format("the words of {} are a group of keys", escape_control(key.text))));
                continue;
            }
            for (const YamlNode& part : node.keys) {
                if (std::find(word_keys.begin(), word_keys.end(), part.text) == word_keys.end())
                    problem(file.text.error(
                        part.at, fmt::format("the words of a rule have no key {}{}",
                                             escape_control(part.text), did_you_mean(part.text, word_keys))));
                else if (!file.file.users)
                    state_->worded[key.text][language].insert(part.text);
            }
            std::vector<WordSource>& sources = words_[key.text];
            // The user's stand before the build's.
            sources.insert(file.file.users ? sources.begin() : sources.end(), {&file, &node, language});
        }
    });
    languages.erase(std::string(english));
    state_->languages.emplace_back(english);
    state_->languages.insert(state_->languages.end(), languages.begin(), languages.end());
}

// Those of the user's files are read last, and take the place of this build's.
void RuleLoader::read_parts(const ParsedFile& file, const YamlNode& node, const std::string& language) {
    PartsReader reader(file.text);
    SentenceParts read = reader.read(node);
    if (reader.error()) return problem(*reader.error());
    for (auto& [name, alternatives] : read) {
        SentenceParts& known = parts_[language];
        if (!file.file.users && known.contains(name))
            problem(file.text.error(node.at, fmt::format("part {} is already there in another file", name)));
        known[name] = std::move(alternatives);
    }
    if (file.file.users || language != english) return;
    for (const YamlNode& key : node.keys)
        state_->parts.push_back({key.text, std::string(file.file.path), key.at.line});
}

// Sources of a rule's words, best first.
std::vector<WordSource> RuleLoader::sources_of(const std::string& rule) const {
    std::vector<WordSource> out;
    const auto found = words_.find(rule);
    if (found == words_.end()) return out;
    for (const std::string_view wanted :
         {std::string_view(language_), std::string_view(language_).substr(0, language_.find('_')), english})
        for (const WordSource& source : found->second)
            if ((source.language == wanted || source.language.empty()) &&
                std::none_of(out.begin(), out.end(),
                             [&](const WordSource& other) { return other.node == source.node; }))
                out.push_back(source);
    return out;
}

// Gives the rule its words: of each part the best that can be read. False where one is missing.
bool RuleLoader::add_words(const ParsedFile& file, const YamlNode& node, Rule& rule) {
    std::vector<WordSource> sources = sources_of(rule.entry.id);
    if (const YamlNode* own = node.find("words")) {
        if (own->kind != YamlNode::Kind::map) {
            problem(file.text.error(own->at, "`words` must be a group of keys"));
            return false;
        }
        for (const YamlNode& part : own->keys)
            if (std::find(word_keys.begin(), word_keys.end(), part.text) == word_keys.end())
                problem(
                    file.text.error(part.at, fmt::format("`words` has no key {}{}", escape_control(part.text),
                                                         did_you_mean(part.text, word_keys))));
        sources.insert(sources.begin(), {&file, own, language_});
    }
    std::vector<std::string_view> kinds;
    if (state_->knowledge) kinds = state_->knowledge->kinds();
    const bool has_namespaces = sql_.has_table("network_namespaces");
    for (const std::string_view key : word_keys) {
        if (key == "evidence" && rule.evidence.empty()) continue;
        bool worded = key == "asks" || key == "wrong_when";
        bool tried = false;
        for (const WordSource& source : sources) {
            const YamlNode* part = source.node->find(key);
            if (!part) continue;
            tried = true;
            const std::string language = source.language.empty() ? language_ : source.language;
            const WordForm form{language, kinds, has_namespaces, &parts_[language]};
            if (auto read = read_words(source.file->text, key, *part, form, rule); !read) {
                problem(read.error());
                continue;
            }
            worded = true;
            break;
        }
        if (worded) continue;
        if (!tried)
            problem(file.text.error(rule.at, fmt::format("rule {} has no words `{}`; they stand in "
                                                         "words.en.yaml, or below `words` in the rule",
                                                         rule.entry.id, key)));
        return false;
    }
    return true;
}

}  // namespace waggle::explain
