// SPDX-License-Identifier: Apache-2.0
// A fault of the lab as its fault.yaml describes it: what is asked, where it runs, and what the answer must
// and must not say. One folder a fault; nothing outside the folder names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle::lab {

// What waggle promises about it: to name the cause; to say nothing false; to be silent.
enum class Claim : std::uint8_t { inside, outside, healthy };
std::string_view claim_name(Claim claim);

// A regular expression (ECMAScript) in which ${name} stands for a value that inject said, taken literally.
struct Pattern {
    std::string text;
    std::string at;   // "FILE:LINE:COLUMN", for errors
    std::string why;  // of what must not be said: what is true instead
};

// What the answer is measured by. "Own" findings are those that mention something this fault made.
struct Expected {
    std::vector<std::string>
        rules;  // one of these makes the first own finding; "none": no own finding is right too
    std::optional<Pattern> object;    // in the object or the first sentence of the first own finding
    std::vector<Pattern> says;        // each in the first own finding
    std::vector<Pattern> also;        // each in some own finding
    std::vector<Pattern> seen;        // each somewhere in the answer, be it no finding
    std::vector<Pattern> never;       // in no own finding: it would be false
    std::vector<Pattern> misleading;  // likewise: true by the letter, wrong in effect
    std::string ideal;                // what the best answer would say
};

struct Fault {
    std::string name;    // its folder below the lab: "nft_policy_drop_ipv6", "healthy/port_scan"
    std::string folder;  // the path
    std::string about;
    std::string source;    // where such a thing was seen
    std::string question;  // the topic of `waggle why`; empty: all of them
    Claim claim = Claim::inside;
    std::string kernels = "all";
    std::vector<std::string> needs;  // programs
    bool quick = false;
    bool alone = false;             // about the processors, which all that run at once share
    std::uint64_t watch_ns = 0;     // 0: what the command says
    std::uint64_t heals_in_ns = 0;  // how long what was under way before goes on once the cause is gone
    Expected expected;
};

// The lab: the folder with lib.bash. `asked` empty: next to the source tree that `program` was built in, else
// the share folder of its installation.
Result<std::string> find_lab(const std::string& asked, const std::string& program);

// Reads `folder`/fault.yaml; errors say file, line, column, the reason and the nearest right word.
Result<Fault> read_fault(const std::string& lab, const std::string& name);
// `path` is for messages alone.
Result<Fault> parse_fault(std::string_view path, std::string_view text);

// All faults below the lab in the order of their names.
Result<std::vector<Fault>> read_faults(const std::string& lab);

// Why the fault cannot run here; empty where it can. `release`: as uname prints it.
std::string cannot_run(const Fault& fault, std::string_view release);

}  // namespace waggle::lab
