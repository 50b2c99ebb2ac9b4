// SPDX-License-Identifier: Apache-2.0
// Knowledge: what words mean, read offline from knowledge/<language>/*.yaml. Entries are found by a scan for
// their key and only the one asked for is parsed, so that `waggle what` answers at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedded.h"
#include "waggle/result.h"

namespace waggle::explain {

// Whether an entry of `try` or `check` is a sentence, also one that begins with a name ("nginx must read faster."),
// and no command.
bool is_sentence(std::string_view advice);

struct Explanation {
    std::string word;   // as the knowledge base spells it
    std::string kind;   // drop_reason, errno, signal …
    std::string title;  // the kind in words: "drop reason"
    std::string what;
    std::string
        short_words;  // what it says in the middle of a sentence: "it used memory in a way that is not allowed"
    std::vector<std::string> because;
    std::string impact;
    std::vector<std::string> try_;
    std::vector<std::string> check;
    std::optional<std::int64_t> number;
    bool loss = true;   // drop reasons only: false where the kernel frees a packet that nobody misses
    std::string since;  // kernel version that brought it; empty where it is old
};

class Knowledge {
  public:
    // The files outlive this object. Nothing is parsed but the file headers.
    static Result<Knowledge> open(std::span<const EmbeddedFile> files);

    // All entries of that word, in file order. Found by key or alias, by number ("28"; "-28" is an errno), and
    // with the kind before either ("errno 28", "drop reason NO_SOCKET"); upper and lower case, and blanks, -
    // and _ are alike. Else by the text of an error ("No space left on device"), or by an entry's pattern: a
    // whole line of the kernel's log. Empty where there is none.
    Result<std::vector<Explanation>> find(std::string_view word) const;
    // The one entry of this kind and word or number.
    std::optional<Explanation> entry(std::string_view kind, std::string_view word) const;
    // The short words of the one entry of this kind and word or number, and its sentence; "" where there are
    // none.
    std::string short_words(std::string_view kind, std::string_view word) const;
    std::string what(std::string_view kind, std::string_view word) const;
    std::vector<std::string_view> kinds() const;
    std::vector<std::string> nearest(std::string_view word, std::size_t most = 3) const;
    // Parses and checks every entry and counts them; the error says file:line:column: reason.
    Result<std::size_t> check() const;

  private:
    struct File {
        EmbeddedFile file;
        std::string kind;
        std::string title;
    };
    std::vector<File> files_;
};

}  // namespace waggle::explain
