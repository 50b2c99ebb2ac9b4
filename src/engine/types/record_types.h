// SPDX-License-Identifier: Apache-2.0
// RecordTypes: which of an object's types the records of one of its ring or perf buffers have. Neither kind
// of map says so by itself, so the object's BTF is asked, best source first:
//   1. a tag: `__attribute__((btf_decl_tag("waggle_record:MAP")))` behind a struct, MAP being the map's name
//   2. the map's own declaration: `__type(value, struct event)`
//   3. among the structs as long as the record, the one that a global points to (bpf2go:
//      `const struct event* unused`), else the one whose name has "event" in it
// Where none or several fit, there is no type, and the reason says so.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/types.h"

namespace waggle::kernel {

class RecordTypes {
  public:
    struct Choice {
        TypeId type = 0;  // 0: not to be decided
        std::string reason;
    };

    // `padded`: records of a perf buffer, whose length is rounded up. Copies what it needs; shares the types.
    RecordTypes(const Types& types, std::string_view map, bool padded);

    // Every type that of_length() can choose, each once.
    std::vector<TypeId> possible() const;

    // The same answer for the same length, kept. Valid as long as this lives.
    const Choice& of_length(std::size_t length);

  private:
    Choice choose(std::size_t length) const;
    bool is_as_long(TypeId type, std::size_t length) const;

    Types types_;
    std::string map_;
    bool padded_;
    TypeId told_ = 0;  // by tag or declaration
    std::vector<TypeId> pointed_to_;
    std::vector<TypeId> named_event_;
    std::map<std::size_t, Choice> chosen_;
};

}  // namespace waggle::kernel
