// SPDX-License-Identifier: Apache-2.0
// An answer measured by what the fault expects. Pure: text in, judgement out.
#pragma once

#include <string>
#include <vector>

#include "lab/fault.h"
#include "lab/pattern.h"
#include "waggle/result.h"

namespace waggle::lab {

// What is known of one injection.
struct Injected {
    Values values;                 // what inject said: handles, ports, pids, addresses
    std::vector<std::string> own;  // words by which a finding is known to be about this fault
};

// A command of an own finding, as the answer prints it.
struct Advice {
    std::string finding;  // its id
    std::string rule;
    std::string command;  // empty: it advises none
};

struct Verdict {
    std::string cause = "none";  // yes; other: own findings, but another rule's first; none: no own finding
    std::string object = "-";    // yes, no; "-" where none is asked for
    std::vector<std::string> missing, falsehoods, misleading, problems;  // a line each
    std::size_t own = 0, other = 0;                                      // findings
    std::string first;           // "warning/high" of the first own finding
    std::string ideal;           // what the best answer would say
    std::string said;            // its first sentence
    std::vector<Advice> advice;  // one for each own finding

    // Nothing that must be said is missing (a healthy load: nothing at all is said).
    bool whole(Claim claim) const;
    bool right(Claim claim) const { return whole(claim) && falsehoods.empty(); }
};

// `json`: the answer as `waggle why --output json` prints it; `text`: the same answer for people, "" where it
// was not asked for.
Result<Verdict> judge(const Fault& fault, const Injected& injected, const std::string& json,
                      const std::string& text);

}  // namespace waggle::lab
