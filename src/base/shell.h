// SPDX-License-Identifier: Apache-2.0
// Words of a command, quoted so that a shell gives each back as it was.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {

// One word as it must stand in a command: as it is, or quoted where a shell would act on anything in it; what is
// unprintable is written $'\xNN', which bash, zsh and ksh read.
std::string shell_word(std::string_view text);

// A command of these words, each quoted by itself, a space between two.
std::string shell_line(std::span<const std::string> words);

// The words of a line that shell_line() made; empty where it did not make the line.
std::optional<std::vector<std::string>> words_of_shell_line(std::string_view line);

}  // namespace waggle
