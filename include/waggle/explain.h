// SPDX-License-Identifier: Apache-2.0
// Rows in words: what one event of any of waggle's tables says, why such a thing happens, what it means here and
// what to do; and the same for figures.
//
//   const waggle::Result<waggle::Explainer> explainer = waggle::Explainer::open();
//   const waggle::Explained said = *explainer->explain_event(
//       {"process_exit", {{"comm", "nginx"}, {"pid", 812}, {"signal", "SIGSEGV"}, {"ran_ns", 3'000'000'000}}});
//   std::puts(said.what.c_str());   // nginx (pid 812) was killed by SIGSEGV after 3 s: it used memory …
//
// Rows are as `waggle trace --output json` and `waggle query --output json` print them. Nothing is said that the
// row does not hold, or that the knowledge (`waggle what`) does not say of its values. All text is safe to print:
// control characters of foreign names are escaped. Needs no kernel and no root. Any thread, once open.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "waggle/result.h"

namespace waggle {

// One value of a row; monostate is null: not known.
struct RowValue : std::variant<std::monostate, std::int64_t, double, std::string> {
    using variant::variant;
    RowValue(int value) : variant(std::int64_t{value}) {}         // a whole number
    RowValue(bool value) : variant(std::int64_t{value}) {}        // 1 or 0
    RowValue(const char* value) : variant(std::string(value)) {}  // a text, copied
};

// A row by the names of its table and columns; what is not named is not known.
struct NamedRow {
    std::string source;  // the table: "process_exit"; of figures "block_io_top", "block_io_figures"
    std::vector<std::pair<std::string, RowValue>> columns;  // each name once, in the units of the table
};

// The six parts of an explanation. What does not follow from the row alone, but holds of every such thing, says so.
struct Explained {
    std::string what;                   // what happened, in one sentence
    std::vector<std::string> because;   // why such a thing happens
    std::vector<std::string> evidence;  // what the row holds, and what its values mean
    std::vector<std::string> impact;    // what it means here: whose it is, how often it happened lately
    std::vector<std::string> try_;      // commands, "COMMAND    # what for", or sentences
    std::vector<std::string> check;     // how to see whether it is over
};

// Says rows in words: by the word files of waggle's own tables and those given besides. Owns all it has read; its const
// members can be called from several threads at once.
class Explainer {
  public:
    // A file of words or of a rule, as they stand beside waggle's own tables: events.yaml, events.en.yaml,
    // rules/NAME.yaml (docs/events.md).
    struct File {
        std::string path;
        std::string text;
    };
    // What it reads besides the words that are built in.
    struct Options {
        std::string language = "en";  // English where it is not there
        // A folder like /etc/waggle, whose limits.d changes the limits that figures are held against; "" for none.
        std::string folder;
        std::vector<File> files = {};  // for tables of one's own, besides this build's
    };
    // Reads the words; the error names file, line and column of what is wrong in them.
    static Result<Explainer> open(const Options& options);
    // The words that are built in, in English.
    static Result<Explainer> open() { return open(Options{}); }
    Explainer(Explainer&&) noexcept;
    Explainer& operator=(Explainer&&) noexcept;
    ~Explainer();

    // Every source that has words, by name.
    std::vector<std::string> sources() const;

    // The one sentence. The error names the nearest source.
    Result<std::string> say(const NamedRow& row) const;
    // `lately`: other rows of that time, among which those alike are counted; this one can be among them.
    Result<Explained> explain_event(const NamedRow& row, std::span<const NamedRow> lately = {}) const;
    // Whether both rows tell of the same thing, so that one explanation serves for both.
    bool alike(const NamedRow& a, const NamedRow& b) const;
    // What is high, against what: only where a rule states a limit for a figure; else the figures alone.
    Result<Explained> explain_performance(const NamedRow& figures) const;

    // What the words of the sources know and need, for who checks them.
    struct Words {
        std::string source;
        std::string language;
        std::string file;
        std::vector<std::string> columns;  // named by the sentences, values, `alike` and `against`
    };
    // Of each source and language.
    std::vector<Words> words() const;
    // Faults that need no tables: a limit or a kind of knowledge that is not there, a language that lacks a source.
    std::vector<std::string> problems() const;

  private:
    struct State;
    explicit Explainer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle
