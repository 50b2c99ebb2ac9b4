// SPDX-License-Identifier: Apache-2.0
// The flags: what each is called, what it takes, where its value goes, and what is said of a value that does not fit.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "cli/command_line.h"

namespace waggle::cli {

// What is read of the command line, before it is made into options.
struct Read {
    Options options;
    std::string for_text;
    std::string keep_text;
    std::string every_text;
    std::string output;
};

// A flag and where its value goes: one entry, so that no flag is described that sets nothing, or another's value.
struct BoundFlag {
    Flag flag;
    std::function<CLI::Option*(CLI::App&, const Flag&, Read&)> bind;
};

// "--bpftrace" of the option bpftrace; the name lives as long as the program.
std::string_view flag_of(const SourceOption& option);
// A command that names a flag that is not in the table is a mistake of ours: no start of waggle survives it.
const BoundFlag& flag_named(std::string_view name);
// "1GiB", "500M": so much; "12h", "90s": so long.
Result<agent::RecordingKeep> keep_of(std::string_view text);

}  // namespace waggle::cli
