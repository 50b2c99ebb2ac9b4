// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "cli/command_line.h"

namespace waggle::cli {
namespace {

// "TOPIC: drops, disk, process" for help.
std::string first_words(const Command& command) {
    if (command.words.empty() || command.words == std::vector<std::string_view>{"verify"}) return {};
    const std::size_t begin = command.arguments.find_first_not_of('[');
    const std::size_t end = command.arguments.find_first_of("]. ", begin);
    const std::string_view name = command.arguments.substr(begin, end - begin);
    if (name.empty() || name.front() < 'A' || name.front() > 'Z') return {};
    return fmt::format("\n{}: {}", name, fmt::join(command.words, ", "));
}

class Help : public CLI::Formatter {
  public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (!app->get_parent()) return CLI::Formatter::make_usage(app, std::move(name));
        const Command& command = command_named(app->get_name());
        return fmt::format("Usage: waggle {} [OPTIONS]{}{}{}\n", command.name,
                           command.arguments.empty() ? "" : " ", command.arguments, first_words(command));
    }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() { return std::make_shared<Help>(); }

namespace {
constexpr char hidden_dash = '\x01';
}  // namespace

void hide_dashes(std::vector<std::string>& arguments) {
    bool all = false;
    for (std::string& word : arguments) {
        if (word == "--" && !all) {
            all = true;
            word = std::string(1, hidden_dash);
            continue;
        }
        const bool flag =
            word == "-" || word == "-h" || (word.starts_with("--") && word.size() > 2 && is_word(word[2]));
        if (word.starts_with('-') && (all || !flag)) word.front() = hidden_dash;
    }
    std::erase(arguments, std::string(1, hidden_dash));
}
void show_dashes(std::vector<std::string>& words) {
    for (std::string& word : words)
        if (!word.empty() && word.front() == hidden_dash) word.front() = '-';
}

}  // namespace waggle::cli
