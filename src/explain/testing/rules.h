// SPDX-License-Identifier: Apache-2.0
// A room with one rule of each kind of file, for the tests of the language of rules.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "explain/rules.h"
#include "query/testing/tables.h"

namespace waggle::explain::samples {

inline constexpr std::string_view views_text = R"(- view: loss
  means: "Lost packets by process and port."
  columns: {packets: "How many were lost.", lost_bytes: "How much."}
  query: |
    SELECT pid, comm, port, sum(count) AS packets, sum(big) AS lost_bytes FROM drops
    WHERE NOT in_list('routine', reason) GROUP BY pid, comm, port
)";
inline constexpr std::string_view lists_text = R"(routine:
  means: "Reasons that mean no loss."
  words: [1, 2, "9*"]
)";
inline constexpr std::string_view rule_text = R"(rule: slow_reader
topic: drops
severity: {critical: packets >= :many, else: warning}
confidence: high
limits:
  least: {value: 10, means: "A few are no finding."}
  many:  {value: 1000, means: "From here it hurts."}
when: |
  SELECT l.*, s.value AS limit_bytes FROM loss l LEFT JOIN sysctls s ON s.name = 'net.core.rmem_max'
  WHERE packets >= :least ORDER BY packets DESC
object: {kind: socket, name: "port {port}", value: limit_bytes}
subject: [pid, comm]
evidence:
  lost: {view: loss, where: [pid, port], columns: [comm, packets], order: packets DESC, at_most: 3}
  setting: {query: "SELECT value FROM sysctls WHERE name = 'net.core.rmem_max'"}
)";
inline constexpr std::string_view words_text = R"(slow_reader:
  asks: "Does a process read its socket too slowly?"
  what: "{comm} (pid {pid}) lost {packets, plural, one {# packet} other {# packets}}[, its limit is {limit_bytes}]."
  because: ["The buffer was full."]
  evidence: {lost: "What it lost.", setting: "The limit."}
  impact: "It is {comm} that waits."
  try:
    - [{do: "sysctl -w x={limit_bytes}", why: "now {limit_bytes}"}, {say: "Make {comm} read faster."}]
  check: [{do: waggle why drops}]
)";

// The files of one room, which a test changes.
class RuleRoom : public ::testing::Test {
  protected:
    RuleRoom() : sql(std::move(*Sql::open())) {
        EXPECT_TRUE(sql.add(drops, {}));
        EXPECT_TRUE(sql.add(sysctls, {}));
        files = {{"room/views.yaml", std::string(views_text)},
                 {"room/lists.yaml", std::string(lists_text)},
                 {"room/rules/slow_reader.yaml", std::string(rule_text)},
                 {"room/words.en.yaml", std::string(words_text)}};
    }

    RuleBook load(std::string_view language = "en") {
        std::vector<RuleFile> all;
        for (const auto& [path, text] : files) all.push_back({path, text, path.starts_with("/etc/")});
        return RuleBook::load(all, sql, language);
    }
    // The problems of the room, joined; "" where there are none.
    std::string problems(std::string_view language = "en") {
        std::string out;
        const RuleBook book = load(language);
        for (const std::string& problem : book.problems()) out += (out.empty() ? "" : "\n") + problem;
        return out;
    }
    // The problems where one file has one text replaced by another.
    std::string with(const std::string& path, std::string_view from, std::string_view to) {
        const std::string before = files[path];
        const std::size_t at = before.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        files[path].replace(at, from.size(), to);
        std::string out = problems();
        files[path] = before;
        return out;
    }
    Answer ask(std::string_view language = "en") {
        RuleBook book = load(language);
        Answer answer;
        sql.forget_views();
        book.ask(sql, "", answer);
        return answer;
    }

    // What this rule's findings say now; nothing else is wrong.
    std::vector<std::string> said_by(std::string_view rule) {
        const Answer answer = ask();
        EXPECT_TRUE(answer.problems.empty()) << answer.problems.front();
        std::vector<std::string> out;
        for (const Finding& finding : answer.findings)
            if (finding.rule == rule) out.push_back(finding.what);
        return out;
    }

    static constexpr const char* rule_file = "room/rules/slow_reader.yaml";
    static constexpr const char* views_file = "room/views.yaml";
    static constexpr const char* words_file = "room/words.en.yaml";
    std::map<std::string, std::string> files;
    Table drops{drop_schema, 1 << 16};
    Table sysctls{sysctl_schema, 1 << 16};
    Sql sql;
};

}  // namespace waggle::explain::samples
