// SPDX-License-Identifier: Apache-2.0
// LooksInARow: since when something is as it is, as a fact sees it that is read now and then. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

namespace waggle::facts {

struct Since {
    std::uint64_t first_ns = 0;  // the first of the looks in a row, CLOCK_MONOTONIC
    std::uint32_t looks = 0;     // with this one
};

template <class Key>
class LooksInARow {
  public:
    void begin(std::uint64_t now_ns) {
        now_ns_ = now_ns;
        before_ = std::exchange(seen_, {});
    }
    // It is so at this look. What a look does not see is forgotten with the next one.
    const Since& saw(const Key& key) {
        const auto [entry, first] = seen_.try_emplace(key);
        if (!first) return entry->second;
        const auto before = before_.find(key);
        entry->second = before == before_.end() ? Since{now_ns_, 0} : before->second;
        ++entry->second.looks;
        return entry->second;
    }

  private:
    std::uint64_t now_ns_ = 0;
    std::map<Key, Since> before_, seen_;
};

}  // namespace waggle::facts
