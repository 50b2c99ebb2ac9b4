// SPDX-License-Identifier: Apache-2.0
// How a score is shown: a line a fault as it comes, the sums, the page docs/accuracy.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/fault.h"
#include "lab/verdict.h"

namespace waggle::lab {

// What pasting the first command of a finding did.
struct Pasted {
    enum class Effect : std::uint8_t { healed, shows, no_help, refused };
    std::string command;
    Effect effect = Effect::no_help;
    std::string detail;  // why it was refused, what it printed
};
std::string_view effect_name(Pasted::Effect effect);

struct Score {
    Fault fault;
    std::optional<Verdict> verdict;  // nothing: it was not asked
    std::string skipped;             // why this machine cannot run it
    std::string failed;              // inject, the question or heal failed
    double seconds = 0;              // from the question to the answer
    std::vector<Pasted> pasted;

    bool right() const { return verdict && failed.empty() && verdict->right(fault.claim); }
    // Counts against waggle: false, missing, or a command that did not do what it should.
    bool counts_against() const;
};

// Under what the figures came about.
struct Circumstances {
    std::string version, kernel, date;  // of waggle, of uname, 2026-03-01
    std::uint64_t seed = 0;
    std::string watched;  // "6 s"
};

std::string score_heading(bool paste);
// The line of the table and, indented below it, what is missing, false or misleading.
std::string score_lines(const Score& score, bool paste);
std::string score_json(const Score& score);
std::string sums(const std::vector<Score>& scores);
std::string markdown(const std::vector<Score>& scores, const Circumstances& circumstances);

std::string fault_list(const std::vector<Fault>& faults, std::string_view release);
std::string fault_json(const Fault& fault, std::string_view release);

}  // namespace waggle::lab
