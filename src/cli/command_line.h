// SPDX-License-Identifier: Apache-2.0
// The command line: its words, their completion for shells, and the manual page, all from one description.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waggle::cli {

// Reads the arguments, runs the command, gives the exit code.
int run(int argc, char** argv);

struct Flag {
    std::string_view name;      // "--for"
    std::string_view argument;  // "TIME"; empty for a flag without one
    std::string_view help;
};

struct Options;

inline constexpr int any_words = 1 << 20;

struct Command {
    std::string_view name;                // "why"; empty for waggle alone
    std::string_view arguments;           // "[TOPIC] [-- COMMAND…]"
    std::string_view help;                // one sentence
    std::vector<std::string_view> flags;  // names of those it takes
    std::vector<std::string_view> words;  // what its first argument can be, for completion
    bool needs_root;
    int least_words;
    int most_words;  // `any_words`: no bound
    int (*run)(const Options& options);
    bool names_sources = false;  // its words do; an option that asks for a source stands for the word
};

const std::vector<Flag>& all_flags();
const std::vector<Command>& all_commands();
// There is one of that name; "" is waggle alone.
const Command& command_named(std::string_view name);

// "bash", "zsh" or "fish"; empty for another shell.
std::string completion_script(std::string_view shell);
// The manual page in man(7) form.
std::string manual_page();

}  // namespace waggle::cli
