// SPDX-License-Identifier: Apache-2.0
// The fields of /proc/PID/stat, by the numbers that proc(5) gives them.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace waggle {

class StatFields {
  public:
    static constexpr std::size_t last = 24;  // rss, the last one that anybody asks for

    // Nothing where `text` is not a stat line; all views borrow from it. A name holds anything, ") " too: the last one
    // closes it.
    static std::optional<StatFields> read(std::string_view text);

    std::string_view pid() const { return pid_; }
    std::string_view comm() const { return comm_; }
    std::string_view field(std::size_t number) const {
        return fields_[number - first];
    }  // from 3, the state, on

  private:
    static constexpr std::size_t first = 3;
    std::string_view pid_;
    std::string_view comm_;
    std::array<std::string_view, last - first + 1> fields_;
};

}  // namespace waggle
