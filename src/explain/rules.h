// SPDX-License-Identifier: Apache-2.0
// Rules: questions put to the tables, in YAML. docs/rules.md describes every file and every key.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/finding.h"
#include "explain/rules/rule_files.h"
#include "query/sql.h"

namespace waggle::explain {

inline constexpr std::string_view topic_of_every_question = "command";

struct Rule;

// The table of what the rules cost, with a row for each; `waggle query "SELECT * FROM rule_costs"` after an
// answer.
inline constexpr std::string_view rule_costs_table = "rule_costs";
std::span<const Sql::TableColumn> rule_costs_columns();

// The share of the time that one rule can take of a processor where the rules are asked again and again.
inline constexpr double share_of_a_rule = 0.01;

class RuleBook {
  public:
    // Reads and checks every file. What is wrong is left out and named in problems(), each with
    // "file:line:column: reason"; everything else goes on. `sql` has every table that rules can name (empty
    // tables do); it receives the views and the function in_list, and loses those of a book before. Words are
    // those of `language`, or English where it lacks them. Nothing of `files` is kept.
    static RuleBook load(std::span<const RuleFile> files, Sql& sql, std::string_view language = "en");
    RuleBook(RuleBook&&) noexcept;
    RuleBook& operator=(RuleBook&&) noexcept;
    ~RuleBook();

    const std::vector<std::string>& problems() const;  // without the full stop

    struct Entry {
        std::string id;
        std::string topic;                   // drops, disk, cpu, memory, latency, process, bpf …
        std::vector<std::string> tables;     // relations it reads, through views too
        std::vector<std::string> views;      // views it reads, through other views too
        std::vector<std::string> fires_on;   // recordings in which it must find something
        std::vector<std::string> silent_on;  // recordings in which it must not
    };
    std::span<const Entry> entries() const;  // in file order
    std::span<const Rule> rules() const;     // the same rules (explain/rule.h)

    // A named query.
    struct ViewColumn {
        std::string name;
        std::string meaning;
        Unit unit;
    };
    struct View {
        std::string name;
        std::string meaning;
        std::vector<ViewColumn> columns;
        std::string query;
        std::string file;
        std::size_t line;
        std::vector<std::string> reads;  // tables and views, through views too
        std::vector<std::string> lists;
        bool users;
    };
    std::span<const View> views() const;

    // A list of words, with what the user added.
    struct List {
        std::string name;
        std::string meaning;
        std::vector<std::string> words;
        std::string file;
        std::size_t line;
        bool users;
    };
    std::span<const List> lists() const;

    // A part that sentences of this build share: {>name}.
    struct SentencePart {
        std::string name;
        std::string file;
        std::size_t line;
    };
    std::span<const SentencePart> parts() const;

    // The languages that words were read in, English first.
    std::span<const std::string> languages() const;

    // Asks the rules of the topic ("" = all; those of topic_of_every_question always) and orders what they find by cause; a cause from another topic
    // is told where it explains a finding of this one. `answer` has window, coverage and source filled in;
    // findings and problems are added. All words of a finding are safe to print; its evidence's rows are raw.
    //
    // A rule with `every` gives what it found last until that time is over, and one with `stays` gives what
    // it no longer finds for so long: both by the ends of the answers' windows.
    void ask(Sql& sql, std::string_view topic, Answer& answer);

    // From now on a rule can take this share of the time. One that took more sleeps until it is its share
    // again: what it found last stands, and `problems` says which rule sleeps, why and for how long. A book
    // without a budget asks every rule each time.
    void give_each_rule(double share_of_time);

    // What one rule finds, each with its row (and the rule's limits behind it), in the order of its rows.
    struct Answered {
        std::vector<Cell> row;
        Finding finding;
    };
    std::vector<Answered> ask_one(Sql& sql, std::size_t rule, Answer& answer);

    // What the words of this build lack in other languages: file: reason.
    std::vector<std::string> words_lacking() const;

  private:
    friend class RuleLoader;
    struct State;
    explicit RuleBook(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle::explain
