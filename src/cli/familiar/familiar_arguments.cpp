// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "base/text.h"
#include "cli/familiar/familiar_names.h"

namespace waggle::cli {
namespace {

// What the tools of one name have in common, as waggle spells it.
constexpr FamiliarFlag shared_flags[] = {
    {"-p", "--pid"},      {"--PID", "--pid"},      {"-n", "--comm"},
    {"--name", "--comm"}, {"-j", "--output=json"}, {"--json", "--output=json"},
};

bool is_number(std::string_view word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

const FamiliarFlag* flag_of(const FamiliarName& name, std::string_view word) {
    for (const std::span<const FamiliarFlag> flags :
         {name.flags, std::span<const FamiliarFlag>(shared_flags)})
        if (const auto found = std::ranges::find(flags, word, &FamiliarFlag::theirs); found != flags.end())
            return &*found;
    return nullptr;
}

// By group, what the flags say.
using Conditions = std::map<std::string_view, std::vector<std::string>>;

std::string query_with(std::string_view query, const Conditions& conditions) {
    std::string out;
    for (;;) {
        const std::size_t open = query.find('{');
        out += query.substr(0, open);
        if (open == query.npos) return out;
        const std::size_t colon = query.find(':', open), close = query.find('}', colon);
        const auto given = conditions.find(query.substr(open + 1, colon - open - 1));
        out += given == conditions.end() ? std::string(query.substr(colon + 1, close - colon - 1))
                                         : fmt::format("{}", fmt::join(given->second, " OR "));
        query.remove_prefix(close + 1);
    }
}

// "-tlnp" as "-t -l -n -p", where each is a flag of that tool.
std::vector<std::string> unbundled(const FamiliarName& name, std::span<const std::string> words) {
    std::vector<std::string> out;
    for (const std::string& word : words) {
        const bool bundle = word.size() > 2 && word[0] == '-' && word[1] != '-' && !flag_of(name, word) &&
                            std::all_of(word.begin() + 1, word.end(),
                                        [&](char c) { return flag_of(name, std::string{'-', c}); });
        if (!bundle)
            out.push_back(word);
        else
            for (const char c : word.substr(1)) out.push_back(std::string{'-', c});
    }
    return out;
}

class Translation {
  public:
    explicit Translation(const FamiliarName& name) : name_(name) {}

    Result<std::vector<std::string>> of(std::span<const std::string> words) {
        const std::vector<std::string> each = unbundled(name_, words);
        for (auto word = each.begin(); word != each.end(); ++word) {
            const FamiliarFlag* flag = is_value_ ? nullptr : flag_of(name_, *word);
            if (flag && flag->condition.find('%') != std::string_view::npos) {
                ++word;
                if (word == each.end() || !is_number(*word))
                    return Error{fmt::format("{} {} needs a number behind it", name_.name, flag->theirs),
                                 ErrorKind::usage};
                add_condition(*flag, *word);
            } else if (flag) {
                add(*flag);
            } else if (auto added = add(*word); !added) {
                return added.error();
            }
        }
        return whole();
    }

  private:
    void add_condition(const FamiliarFlag& flag, std::string_view number) {
        std::string condition(flag.condition);
        if (const std::size_t at = condition.find('%'); at != condition.npos)
            condition.replace(at, 1, number);
        conditions_[flag.group].push_back(std::move(condition));
    }
    void add(const FamiliarFlag& flag) {
        if (!flag.condition.empty()) return add_condition(flag, {});
        if (flag.ours.empty()) return;
        rest_.emplace_back(flag.ours);
        is_value_ = flag.ours.find('=') == std::string_view::npos;
    }
    Result<void> add(const std::string& word) {
        if (is_value_ || !is_number(word)) {
            is_value_ = !is_value_ && word.starts_with("--") && word.find('=') == std::string::npos;
            rest_.push_back(word);
        } else if (!interval_) {
            interval_ = word;
        } else if (word != "1") {
            return Error{fmt::format("{} prints once here, or each second on a terminal: leave out {}",
                                     name_.name, word),
                         ErrorKind::usage};
        }
        return {};
    }
    std::vector<std::string> whole() {
        std::vector<std::string> out;
        if (name_.query.empty())
            for (const std::string_view word : split(name_.command, ' ')) out.emplace_back(word);
        else
            out = {"query", query_with(name_.query, conditions_)};
        const bool timed = std::ranges::any_of(
            rest_, [](const std::string& word) { return word == "--for" || word.starts_with("--for="); });
        if (!interval_ && !timed && name_.seconds > 0) interval_ = std::to_string(name_.seconds);
        if (interval_) out.insert(out.end(), {"--for", *interval_ + "s"});
        out.insert(out.end(), rest_.begin(), rest_.end());
        return out;
    }

    const FamiliarName& name_;
    Conditions conditions_;
    std::vector<std::string> rest_;
    std::optional<std::string> interval_;
    bool is_value_ = false;  // the next word belongs to the flag before it
};

}  // namespace

Result<const FamiliarName*> make_ours(std::vector<std::string>& arguments) {
    if (arguments.empty()) return nullptr;
    const std::string_view first = arguments.front();
    const auto none = std::ranges::find(unanswered_names(), first, &UnansweredName::name);
    if (none != unanswered_names().end())
        return Error{fmt::format("there is no {} here: {}", none->name, none->instead), ErrorKind::usage};
    const auto found = std::ranges::find(familiar_names(), first, &FamiliarName::name);
    if (found == familiar_names().end()) return nullptr;
    Result<std::vector<std::string>> ours = Translation(*found).of(std::span(arguments).subspan(1));
    if (!ours) return ours.error();
    arguments = std::move(*ours);
    return &*found;
}

std::string familiar_command(const FamiliarName& name) {
    if (name.query.empty()) return std::string(name.command);
    const std::string interval = name.seconds > 0 ? fmt::format(" --for {}s", name.seconds) : std::string();
    return fmt::format("query \"{}\"{}", query_with(name.query, {}), interval);
}

std::string familiar_table() {
    std::string out = "| known as | shows | here |\n| --- | --- | --- |\n";
    for (const FamiliarName& each : familiar_names())
        out += fmt::format("| `waggle {}` | {} | `waggle {}` |\n", each.name, each.shows,
                           familiar_command(each));
    out += "\nThese are not here:\n\n| known as | instead |\n| --- | --- |\n";
    for (const UnansweredName& each : unanswered_names())
        out += fmt::format("| `{}` | {} |\n", each.name, each.instead);
    return out;
}

}  // namespace waggle::cli
