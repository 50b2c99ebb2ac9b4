// SPDX-License-Identifier: Apache-2.0
#include "cli/flags.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>

#include "agent/sources.h"
#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"

namespace waggle::cli {
namespace {

// What is said of a value that does not fit. It stands behind the flag's name.
CLI::Validator said_by(std::function<std::string(std::string&)> wrong) {
    return CLI::Validator(std::move(wrong), "");
}

CLI::Validator one_of(std::vector<std::string_view> words) {
    return said_by([words = std::move(words)](std::string& text) -> std::string {
        if (std::ranges::find(words, text) != words.end()) return {};
        // Of numbers the nearest is no word that was meant.
        const bool numbers = words.front().find_first_not_of("0123456789") == std::string_view::npos;
        return fmt::format("{} is none of {}{}", escape_control(text), fmt::join(words, ", "),
                           numbers ? std::string() : did_you_mean(text, words, 1));
    });
}

CLI::Validator number_from(std::uint64_t least, std::uint64_t most = UINT32_MAX) {
    return said_by([least, most](std::string& text) -> std::string {
        const Result<std::uint64_t> number = parse_count(text);
        if (number && *number >= least && *number <= most) return {};
        return fmt::format("{} is no whole number from {} to {}", escape_control(text), least, most);
    });
}

CLI::Validator existing_file() {
    return said_by([](std::string& text) -> std::string {
        struct stat status{};
        if (::stat(text.c_str(), &status) != 0)
            return fmt::format("{}: {}", escape_control(text), std::strerror(errno));
        return S_ISDIR(status.st_mode) ? fmt::format("{} is a folder", escape_control(text)) : std::string();
    });
}

template <class Place>
CLI::Option* option(CLI::App& app, const Flag& flag, Place& place) {
    return app.add_option(std::string(flag.name), place, std::string(flag.help))
        ->option_text(std::string(flag.argument));
}
template <auto member>
CLI::Option* value(CLI::App& app, const Flag& flag, Read& read) {
    return option(app, flag, read.options.*member);
}
template <auto member>
CLI::Option* positive(CLI::App& app, const Flag& flag, Read& read) {
    return value<member>(app, flag, read)->check(number_from(1));
}
template <auto member>
CLI::Option* file(CLI::App& app, const Flag& flag, Read& read) {
    return value<member>(app, flag, read)->check(existing_file());
}
template <auto member>
CLI::Option* yes(CLI::App& app, const Flag& flag, Read& read) {
    return app.add_flag(std::string(flag.name), read.options.*member, std::string(flag.help));
}
CLI::Option* for_text(CLI::App& app, const Flag& flag, Read& read) {
    return option(app, flag, read.for_text);
}
CLI::Option* every_text(CLI::App& app, const Flag& flag, Read& read) {
    return option(app, flag, read.every_text);
}
CLI::Option* keep_text(CLI::App& app, const Flag& flag, Read& read) {
    return option(app, flag, read.keep_text);
}
CLI::Option* output(CLI::App& app, const Flag& flag, Read& read) {
    return option(app, flag, read.output)->check(one_of({"table", "json"}));
}
CLI::Option* memory(CLI::App& app, const Flag& flag, Read& read) {
    return value<&Options::memory_mib>(app, flag, read)->check(number_from(4, 16384));
}
CLI::Option* steps(CLI::App& app, const Flag& flag, Read& read) {
    return option(app, flag, read.options.lines.steps)->check(one_of({"1", "2", "4", "8", "16"}));
}
CLI::Option* claim(CLI::App& app, const Flag& flag, Read& read) {
    return value<&Options::claim>(app, flag, read)->check(one_of({"inside", "outside", "healthy"}));
}
CLI::Option* linear(CLI::App& app, const Flag& flag, Read& read) {
    return app.add_flag(std::string(flag.name), read.options.lines.linear, std::string(flag.help));
}

// An option that a source declares, as a flag.
CLI::Option* source_option(CLI::App& app, const Flag& flag, Read& read, const SourceOption& option) {
    const auto set = [&read, &option](const std::string& text) {
        if (const auto fits = read.options.values.set(option, text); !fits)
            throw CLI::ValidationError(fits.error().message);
    };
    const std::string name(flag.name), help(flag.help);
    if (option.type == OptionType::yes_no) return app.add_flag_callback(name, [set] { set("yes"); }, help);
    CLI::Option* made =
        option.type == OptionType::list
            ? app.add_option_function<std::vector<std::string>>(
                     name,
                     [set](const std::vector<std::string>& texts) { std::ranges::for_each(texts, set); },
                     help)
                  ->allow_extra_args(false)
            : app.add_option_function<std::string>(name, set, help);
    return made->option_text(std::string(flag.argument));
}

}  // namespace

std::string_view flag_of(const SourceOption& option) {
    static std::map<std::string_view, std::string> names;
    return names.try_emplace(option.name, fmt::format("--{}", option.name)).first->second;
}

namespace {

const std::vector<BoundFlag>& fixed_flags() {
    static const std::vector<BoundFlag> flags = {
        {{"--for", "TIME", "How long to watch: 10s, 500ms, 2m."}, for_text},
        {{"--output", "FORM", "table (for people) or json (for programs)."}, output},
        {{"--pid", "PID", "Only this process."}, positive<&Options::pid>},
        {{"--comm", "NAME", "Only processes of this name."}, value<&Options::comm>},
        {{"--cgroup", "PATH", "Only this control group (the kernel's unit of resource accounting)."},
         value<&Options::cgroup>},
        {{"--container", "ID", "Only this container, by its id or the id's beginning."},
         value<&Options::container>},
        {{"--fields", "A,B", "These fields and no others."}, value<&Options::fields>},
        {{"--say", "", "Say each row in one sentence."}, yes<&Options::say>},
        {{"--sort", "FIELD", "Largest of this field first."}, value<&Options::sort>},
        {{"--rows", "N", "At most N rows."}, positive<&Options::rows>},
        {{"--memory", "MIB", "Memory for recent rows; the oldest leave first. 64 MiB unless said."}, memory},
        {{"--record", "FILE", "Also write everything the answer rests on to FILE."}, value<&Options::record>},
        {{"--keep", "SIZE|TIME",
          "Keep only the newest: at most 1GiB, or at least 12h, in FILE, FILE.1 ... FILE.7, each a recording "
          "of its own."},
         keep_text},
        {{"--recording", "FILE", "Ask a recording instead of this machine."}, file<&Options::recording>},
        {{"--long", "", "All of each finding, also where a screen has no room for it; so it is in a pipe."},
         yes<&Options::long_form>},
        {{"--show-query", "", "Print the query behind each piece of evidence."}, yes<&Options::show_query>},
        {{"--list", "",
          "List the places that SPEC means, where * stands for any name, and of one its fields."},
         yes<&Options::list>},
        {{"--every", "TIME", "Print what was counted since the last time, so often: 1s."}, every_text},
        {{"--args", "", "Print the arguments too, by their names."}, yes<&Options::arguments>},
        {{"--steps", "N", "Lines of a distribution to each doubling of the value: 1, 2, 4, 8 or 16."}, steps},
        {{"--linear", "", "Lines of a distribution of equal width instead, up to its 99th percentile."},
         linear},
        {{"--language", "CODE", "Of the words: en, or another that has them; the environment's unless said."},
         value<&Options::language>},
        {{"--write", "DIR", "Write the pages into this folder: doc rules."}, value<&Options::write>},
        {{"--lab", "DIR", "The folder of the faults, where it is not the one beside the program."},
         value<&Options::lab_folder>},
        {{"--seed", "N",
          "Names, ports, addresses and handles of the faults follow from it; random unless said."},
         value<&Options::seed>},
        {{"--claim", "CLAIM", "Only faults inside or outside of what waggle claims, or healthy loads."},
         claim},
        {{"--quick", "", "Only the faults of the short list."}, yes<&Options::quick>},
        {{"--jobs", "N", "So many faults at once, each answered by a watching of its own; 1 unless said."},
         value<&Options::jobs>},
        {{"--paste", "", "Run the first command of each finding as it is printed, and ask again."},
         yes<&Options::paste>},
        {{"--markdown", "", "Print the page docs/accuracy.md."}, yes<&Options::markdown>},
    };
    return flags;
}

// Those of the commands, and those that the sources declare.
const std::vector<BoundFlag>& bound_flags() {
    static const std::vector<BoundFlag> flags = [] {
        std::vector<BoundFlag> out = fixed_flags();
        for (const Source* source : agent::sources())
            for (const SourceOption& option : source->options)
                out.push_back({{flag_of(option), option.argument, option.meaning},
                               [&option](CLI::App& app, const Flag& flag, Read& read) {
                                   return source_option(app, flag, read, option);
                               }});
        return out;
    }();
    return flags;
}

}  // namespace

const BoundFlag& flag_named(std::string_view name) {
    for (const BoundFlag& bound : bound_flags())
        if (bound.flag.name == name) return bound;
    throw std::logic_error(fmt::format("no flag is named {}", name));
}

Result<agent::RecordingKeep> keep_of(std::string_view text) {
    constexpr std::uint64_t least_bytes = 16u << 20, least_ns = 7'000'000'000;
    agent::RecordingKeep keep;
    if (const Result<std::uint64_t> duration = parse_duration(text);
        duration && text.find_first_not_of("0123456789.") != text.npos) {
        keep.ns = *duration;
        if (keep.ns < least_ns) return Error{"a recording keeps at least 7s", ErrorKind::usage};
        return keep;
    }
    const Result<std::uint64_t> bytes = parse_bytes(text);
    if (!bytes)
        return Error{
            fmt::format("\"{}\" is no size and no time; write 1GiB, 500M, 12h or 30m", escape_control(text)),
            ErrorKind::usage};
    keep.bytes = *bytes;
    if (keep.bytes < least_bytes) return Error{"a recording keeps at least 16MiB", ErrorKind::usage};
    return keep;
}

const std::vector<Flag>& all_flags() {
    static const std::vector<Flag> flags = [] {
        std::vector<Flag> out;
        for (const BoundFlag& bound : bound_flags()) out.push_back(bound.flag);
        return out;
    }();
    return flags;
}

}  // namespace waggle::cli
