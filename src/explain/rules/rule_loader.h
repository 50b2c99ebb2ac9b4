// SPDX-License-Identifier: Apache-2.0
// From files to a book of rules: lists, then views, then rules with their limits and words, then what needs
// them all. RuleBook's own. rule_loader_views.cpp has lists and views, rule_loader_words.cpp words.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "explain/rules/rule_book_state.h"
#include "explain/rules/rule_sources.h"

namespace waggle::explain {

inline constexpr std::string_view english = "en";

// A view that is not yet made: the user's definition first, where there is one, then the build's.
struct PendingView {
    std::string name;
    std::vector<ViewSource> sources;
    std::string waits_for;
};

// A rule that reads the rows of another one, which must be there first.
struct WaitingRule {
    const ParsedFile* file;
    const YamlNode* node;
    std::string reads;
};

struct WordSource {
    const ParsedFile* file;
    const YamlNode* node;
    std::string language;  // empty: whatever language is wanted
};

// "x" of "…no such table: x; did you mean y".
std::string missing_table(std::string_view message);

class RuleLoader {
  public:
    RuleLoader(std::span<const RuleFile> files, Sql& sql, std::string_view language)
        : files_(files), sql_(sql), language_(language), state_(std::make_unique<RuleBook::State>()) {}

    RuleBook load();

  private:
    std::span<const RuleFile> files_;
    Sql& sql_;
    std::string language_;
    std::unique_ptr<RuleBook::State> state_;
    std::vector<std::unique_ptr<ParsedFile>> parsed_;
    std::vector<std::string_view> list_names_;
    std::set<std::string, std::less<>> broken_views_;
    std::set<std::string, std::less<>> rule_names_;  // also of those that are broken
    std::vector<WaitingRule> waiting_;
    LimitOverrides limits_;
    std::map<std::string, std::vector<WordSource>, std::less<>> words_;
    std::map<std::string, SentenceParts> parts_;  // by language

    void problem(std::string message);
    void problem(const Error& error) { problem(error.message); }

    // The files of one kind, this build's before the user's.
    template <class Visit>
    void each(RuleFileKind kind, Visit&& visit) {
        for (const bool users : {false, true})
            for (const auto& parsed : parsed_)
                if (parsed->file.users == users && kind_of_rule_file(parsed->file.path) == kind &&
                    parsed->root.kind != YamlNode::Kind::null)
                    visit(*parsed);
    }

    void parse();
    void read_lists();
    void read_list(const ParsedFile& file, const YamlNode& key, const YamlNode& node);
    void read_views();
    void add_pending(const ParsedFile& file, const YamlNode& node, std::vector<PendingView>& pending);
    // Whether the view is done with: made, or found to be wrong. Else it waits for another.
    bool define(PendingView& view, const std::vector<PendingView>& pending);
    bool keeps_columns(const PendingView& view, const std::vector<std::string>& columns);
    void made(const std::string& name, const ViewSource& source, const Sql::Uses& uses);
    std::string meaning_of(const std::string& column, const std::vector<std::string>& reads) const;
    void name_circles(const std::vector<PendingView>& pending);
    void read_limits();
    void index_words();
    void read_parts(const ParsedFile& file, const YamlNode& node, const std::string& language);
    // Sources of a rule's words, best first.
    std::vector<WordSource> sources_of(const std::string& rule) const;
    void read_rules();
    void name_rules_of_list(const ParsedFile& file);
    bool give_rows_of(const std::string& id);  // whether they are there since now
    void add_rule(const ParsedFile& file, const YamlNode& node);
    // Gives the rule its words: of each part the best that can be read. False where one is missing.
    bool add_words(const ParsedFile& file, const YamlNode& node, Rule& rule);
    void name_what_fits_nothing();
    Error error_at(const Rule& rule, Position at, std::string_view reason) const {
        return YamlText(rule.file, {}).error(at, reason);
    }

    void connect();
    void cut_circles();
    void keep_statements();
};

}  // namespace waggle::explain
