// SPDX-License-Identifier: Apache-2.0
// What a refused program says of itself in its first lines:
//   // kind: A [B]       the class it must get, or one of several
//   // what: TEXT        must stand in the sentence        // code: TEXT      in the line that repairs it
//   // because: TEXT     in one step of the history        // without: CAP    loaded without this capability
//   // remedy: TEXT      must stand in the advice
//   // since: 6.12       what an older kernel's log says gives another class, cause or remedy
//   // applied: code     the printed line, put where it says, gives a program that loads
//   // applied: sentence the advice is followed by hand where the source is compiled with -DAPPLIED; that
//   loads
//   /* fault */          the next line is the one at fault; /* fault within 2 */: one of the next two
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace waggle {

struct Expectations {
    std::vector<std::string> kinds, what, code, because, remedy;
    std::string without, applied, since;
    unsigned first_line = 0, last_line = 0;  // 0: none is named
};

inline Expectations read_expectations(const std::string& path) {
    Expectations out;
    std::ifstream file(path);
    unsigned number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        const auto after = [&](const std::string& key) {
            const std::string head = "// " + key + ": ";
            return line.starts_with(head) ? line.substr(head.size()) : std::string();
        };
        if (const std::string kinds = after("kind"); !kinds.empty()) {
            std::istringstream words(kinds);
            for (std::string word; words >> word;) out.kinds.push_back(word);
        }
        if (const std::string text = after("what"); !text.empty()) out.what.push_back(text);
        if (const std::string text = after("code"); !text.empty()) out.code.push_back(text);
        if (const std::string text = after("because"); !text.empty()) out.because.push_back(text);
        if (const std::string text = after("remedy"); !text.empty()) out.remedy.push_back(text);
        if (const std::string text = after("applied"); !text.empty()) out.applied = text;
        if (const std::string text = after("since"); !text.empty()) out.since = text;
        if (const std::string text = after("without"); !text.empty()) out.without = text;
        const std::size_t mark = line.find("/* fault");
        if (mark == std::string::npos) continue;
        out.first_line = number + 1;
        const std::size_t within = line.find("within ", mark);
        out.last_line =
            number + (within == std::string::npos
                          ? 1
                          : static_cast<unsigned>(std::strtoul(line.c_str() + within + 7, nullptr, 10)));
    }
    return out;
}

}  // namespace waggle
