// SPDX-License-Identifier: Apache-2.0
// What a refused program says of itself in its first lines:
//   // kind: A [B]       the class it must get, or one of several
//   // what: TEXT        must stand in the sentence        // code: TEXT      in the line that mends it
//   // because: TEXT     in one step of the history        // without: CAP    loaded without this capability
//   /* fault */          the next line is the one at fault; /* fault within 2 */: one of the next two
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace waggle {

struct Expectations {
    std::vector<std::string> kinds, what, code, because;
    std::string without;
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
