// SPDX-License-Identifier: Apache-2.0
// SourceOption: something a source can be told, declared by the source. The command line's flags, their
// completion and the list in `waggle doc schemas --output json` are made from the declaration; nothing else
// names an option.
//
//     constexpr SourceOption script = {"bpftrace", OptionType::text, "FILE", "Run this script …"};
//     values.text(script)
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle {

enum class OptionType : std::uint8_t {
    text,
    count,     // a whole number: 4096
    size,      // bytes: 512, 64k, 4M, 1G
    duration,  // 500ms, 10s, 2m, 1h
    yes_no,
    list,  // texts; may be given several times
};

std::string_view type_name(OptionType type);

struct SourceOption {
    std::string_view name;  // of the flag, without its dashes
    OptionType type;
    std::string_view argument;       // what help calls its value: "FILE"; empty for yes_no
    std::string_view meaning;        // one sentence
    std::string_view standard = {};  // as a person writes it; empty: none, 0, no
};

// What the options were given. One that was not given has its standard value.
class OptionValues {
  public:
    // Reads the text as the option's type wants it, or says what is wanted. A list grows; of the others the
    // last one counts.
    Result<void> set(const SourceOption& option, std::string_view text);

    bool given(const SourceOption& option) const { return texts_.contains(option.name); }
    std::string_view text(const SourceOption& option) const;
    std::uint64_t number(const SourceOption& option) const;  // of a count; bytes of a size; ns of a duration
    bool yes(const SourceOption& option) const;
    std::vector<std::string> list(const SourceOption& option) const;

  private:
    std::map<std::string, std::vector<std::string>, std::less<>> texts_;
};

}  // namespace waggle
