// SPDX-License-Identifier: Apache-2.0
// How commands are used, for --help; and words of a log that begin as flags do.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace waggle::cli {

// Says each command's own line of use, and what its first word can be.
std::shared_ptr<CLI::FormatterBase> help_formatter();

// -ENOMEM, -28 and "--- SIGSEGV" are words, though they begin as flags do: their first dash is hidden before the
// arguments are read, also of all that stands behind --.
void hide_dashes(std::vector<std::string>& arguments);
void show_dashes(std::vector<std::string>& words);

}  // namespace waggle::cli
