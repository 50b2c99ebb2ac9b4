// SPDX-License-Identifier: Apache-2.0
// The words of rows, from two files beside each source:
//   events.yaml           what holds in every language: whose values the knowledge explains (`values`, column: kind),
//                         which columns make two rows alike (`alike`), which limit of which rule a figure is held
//                         against (`against`, column: rule.limit)
//   events.LANGUAGE.yaml  by source: `what` (one sentence, or alternatives, best first), `because`, `here`, `try`,
//                         `check`, in the language of words.LANGUAGE.yaml (docs/rules.md)
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedded.h"
#include "explain/knowledge.h"
#include "explain/sentence.h"
#include "waggle/result.h"

namespace waggle::explain {

struct EventAdvice {
    bool command = false;
    Sentence text;
    std::optional<Sentence> why;
};

struct EventWords {
    std::string source;
    std::string language;
    std::string file;
    std::vector<std::string> columns;  // that the sentences name: a row's cells in this order
    Sentences what;
    std::vector<Sentences> because;
    std::vector<Sentences> here;
    std::vector<std::vector<EventAdvice>> try_;
    std::vector<std::vector<EventAdvice>> check;
};

struct FigureLimit {
    std::string column;
    std::string rule;
    std::string limit;
};

struct EventFacts {
    std::string file;
    std::vector<std::pair<std::string, std::string>>
        values;  // column and the kind of knowledge that explains it
    std::vector<std::string> alike;
    std::vector<FigureLimit> against;
    // Where the row itself tells the cause, or that nothing came of it, what holds in general is left out.
    struct Condition {
        std::string column;
        std::vector<std::string> words;  // that it holds; "any" stands for all
    };
    std::vector<Condition> no_because, no_impact;
};

struct EventFiles {
    std::map<std::string, EventFacts, std::less<>> facts;
    std::map<std::string, std::map<std::string, EventWords, std::less<>>, std::less<>>
        words;  // source, language
    std::vector<std::string> languages;
};

// The files of this build: events*.yaml and the rules of every room.
std::span<const EmbeddedFile> event_files();

// The first fault says file:line:column: reason.
Result<EventFiles> read_event_files(std::span<const EmbeddedFile> files,
                                    std::span<const std::string_view> kinds);

}  // namespace waggle::explain
