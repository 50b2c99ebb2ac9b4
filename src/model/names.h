// SPDX-License-Identifier: Apache-2.0
// Names: numbers that have names only on the machine where they arose (drop reasons by its BTF, code
// addresses by its symbols, devices by their numbers). Live, a sensor gives the resolver; a recording keeps
// every name it used, so a replay on another machine says the same words.
//
// Thread-safe once the resolvers are set: the thread that records and the one that asks look up alike. A
// resolver is called by one of them at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace waggle {

class Names {
  public:
    // Gives the name of a number, or an empty string where it has none. Called once per number.
    using Resolver = std::function<std::string(std::uint64_t)>;

    // Replaces the dictionary's resolver; names already found stay.
    void resolve_with(std::string_view dictionary, Resolver resolver);
    void set(std::string_view dictionary, std::uint64_t value, std::string name);

    // Empty where there is none. The view lives as long as this object.
    std::string_view find(std::string_view dictionary, std::uint64_t value) const;

  private:
    struct Dictionary {
        Resolver resolver;
        std::map<std::uint64_t, std::string> names;
    };
    mutable std::mutex mutex_;
    mutable std::map<std::string, Dictionary, std::less<>> dictionaries_;
};

}  // namespace waggle
