// SPDX-License-Identifier: Apache-2.0
// Rules: questions put to the tables, in YAML. docs/rules.md describes every key.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedded.h"
#include "explain/finding.h"
#include "explain/sql.h"

namespace waggle::explain {

class RuleBook {
  public:
    // Reads and checks every file; the first thing wrong refuses the book with "file:line:column: reason".
    // `sql` has every table that rules can name (empty tables do). Nothing of `files` is kept.
    static Result<RuleBook> load(std::span<const EmbeddedFile> files, Sql& sql);
    RuleBook(RuleBook&&) noexcept;
    RuleBook& operator=(RuleBook&&) noexcept;
    ~RuleBook();

    struct Entry {
        std::string id;
        std::string topic;                   // drops, disk, cpu, memory, latency, process, bpf …
        std::vector<std::string> tables;     // relations it reads
        std::vector<std::string> fires_on;   // recordings in which it must find something
        std::vector<std::string> silent_on;  // recordings in which it must not
    };
    std::span<const Entry> entries() const;  // in file order

    // Asks the rules of the topic ("" = all) and orders what they find by cause; a cause from another topic
    // is told where it explains a finding of this one. `answer` has window, coverage and source filled in;
    // findings and problems are added. All words of a finding are safe to print; its evidence's rows are raw.
    void ask(Sql& sql, std::string_view topic, Answer& answer) const;

  private:
    struct State;
    explicit RuleBook(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle::explain
