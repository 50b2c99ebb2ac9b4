// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "agent/rule_book.h"
#include "agent/sources.h"
#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/familiar/familiar_names.h"
#include "cli/flags.h"
#include "cli/help.h"

namespace waggle::cli {
namespace {

std::vector<std::string_view> sensor_names(bool (*is_wanted)(const Source&) = nullptr) {
    std::vector<std::string_view> out;
    for (const Source* source : agent::sources())
        if (!is_wanted || is_wanted(*source)) out.push_back(source->name);
    return out;
}
// Those that must be told what to watch stand behind the option that says it, not by name.
bool runs_by_itself(const Source& source) { return !agent::needs_place(source); }
bool has_events(const Source& source) {
    return runs_by_itself(source) &&
           std::ranges::any_of(source.schemas, [](const Schema* schema) { return is_events(*schema); });
}
bool has_top(const Source& source) { return runs_by_itself(source) && !source.top_query.empty(); }
bool has_distribution(const Source& source) {
    return runs_by_itself(source) && std::ranges::any_of(source.schemas, [](const Schema* schema) {
               return std::ranges::any_of(schema->fields, &Field::is_distribution);
           });
}

std::string said(const Command& command) {
    return std::string(command.name.empty() ? "waggle alone" : command.name);
}

Error unknown_flag(const Command& command, std::string_view word) {
    const std::string_view name = word.substr(0, word.find('='));
    const std::string what = fmt::format("{} has no flag {}", said(command), escape_control(name));
    std::vector<std::string_view> others;
    for (const Command& other : all_commands())
        if (std::ranges::find(other.flags, name) != other.flags.end()) others.push_back(other.name);
    if (others.empty()) return {what + did_you_mean(name, command.flags, 1), ErrorKind::usage};
    std::string with;
    for (const std::string_view other : others)
        with += fmt::format("{}{}", with.empty() ? "" : ", ", other.empty() ? "waggle alone" : other);
    return {fmt::format("{}; these have it: {}", what, with), ErrorKind::usage};
}

Error unknown_command(std::string_view word) {
    std::vector<std::string_view> names;
    for (const Command& command : all_commands())
        if (!command.name.empty()) names.push_back(command.name);
    for (const FamiliarName& familiar : familiar_names()) names.push_back(familiar.name);
    return {fmt::format("there is no command {}{}; waggle --help lists them", escape_control(word),
                        did_you_mean(word, names, 1)),
            ErrorKind::usage};
}

Error too_many(const Command& command, std::string_view word) {
    return {fmt::format("{} takes {}: {} is one word too many", said(command),
                        command.arguments.empty() ? "no word" : command.arguments, escape_control(word)),
            ErrorKind::usage};
}

Error lacks_value(std::string_view name) {
    for (const Flag& flag : all_flags())
        if (flag.name == name)
            return {fmt::format("{} needs {} behind it", name, flag.argument), ErrorKind::usage};
    return {fmt::format("{} needs a value behind it", escape_control(name)), ErrorKind::usage};
}

// Words that nothing was made of. A flag is told before a word: the word can be its value.
Error unknown_words(const CLI::App& app, const Command& command) {
    const std::vector<std::string> words = app.remaining(true);
    const auto flag =
        std::ranges::find_if(words, [](const std::string& word) { return word.starts_with("-"); });
    if (flag != words.end()) return unknown_flag(command, *flag);
    const std::string_view word = words.empty() ? "" : std::string_view(words.front());
    if (command.name.empty()) return unknown_command(word);
    return too_many(command, word);
}

// What --language names must be there; a language of the environment that is not falls back to English.
Result<void> check_language(const std::string& language) {
    if (language.empty()) return {};
    std::vector<std::string> problems;
    const std::vector<explain::OwnedRuleFile> users =
        agent::read_user_rules(std::string(agent::user_rule_folder), problems);
    const std::vector<std::string> known = agent::languages_of(agent::rule_files(users));
    for (const std::string& each : {language, language.substr(0, language.find('_'))})
        if (std::ranges::find(known, each) != known.end()) return {};
    return Error{fmt::format("there are no words in the language {}{}; there are words in {}",
                             escape_control(language), did_you_mean(language, known), fmt::join(known, ", ")),
                 ErrorKind::usage};
}

void describe(CLI::App& app, Read& read) {
    for (const Command& command : all_commands()) {
        CLI::App* target = command.name.empty()
                               ? &app
                               : app.add_subcommand(std::string(command.name), std::string(command.help));
        for (const std::string_view flag : command.flags) {
            const BoundFlag& bound = flag_named(flag);
            bound.bind(*target, bound.flag, read);
        }
        if (command.most_words == 0) continue;
        target->add_option("WORDS", read.options.words, "")
            ->group("")                // the line of use has its own words for it
            ->expected(0, any_words);  // a word too many is told by us
    }
}

// A table among the words stands for its sensor, of which only that table is wanted.
void take_tables(Options& options) {
    std::vector<std::string> sensors;
    for (std::string& word : options.words) {
        const Source* source = agent::source_named(word) ? nullptr : agent::source_of_table(word);
        if (source) options.tables.push_back(std::exchange(word, std::string(source->name)));
        if (std::ranges::find(sensors, word) == sensors.end()) sensors.push_back(word);
    }
    options.words = std::move(sensors);
}

// Help and the version go out as all output does: a device that takes none of it is an error.
int told(const CLI::App& app, const CLI::Success& asked) {
    std::ostringstream text;
    const int code = app.exit(asked, text, text);
    print(text.str());
    return finished(code);
}

}  // namespace

const Command& command_named(std::string_view name) {
    return *std::ranges::find(all_commands(), name, &Command::name);
}

const std::vector<Command>& all_commands() {
    static const std::vector<std::string_view> filters = {"--pid", "--comm", "--cgroup", "--container"};
    static const auto with = [](std::vector<std::string_view> more) {
        more.insert(more.begin(), filters.begin(), filters.end());
        return more;
    };
    // With the options of every source, or of these.
    static const auto and_sources = [](std::vector<std::string_view> flags,
                                       std::vector<std::string_view> names = {}) {
        for (const Source* source : agent::sources())
            if (names.empty() || std::ranges::find(names, source->name) != names.end())
                for (const SourceOption& option : source->options) flags.push_back(flag_of(option));
        return flags;
    };
    static const std::vector<Command> commands = {
        {"",
         "",
         "Watch this machine: findings as they come, and the key figures.",
         {"--for", "--output", "--memory", "--language"},
         {},
         true,
         0,
         0,
         run_live},
        {"why",
         "[TOPIC] [-- COMMAND...]",
         "Watch, then say what is wrong and why.",
         and_sources({"--for", "--output", "--long", "--show-query", "--record", "--memory", "--language"}),
         {"drops", "network", "disk", "cpu", "process", "bpf", "command"},
         true,
         0,
         1,
         run_why},
        {"what",
         "WORD|ROW|-...",
         "Explain a drop reason, errno, signal, system call, tracepoint, counter, setting or line of a log; "
         "or a row "
         "as trace, top or query --output json prints it. Works offline.",
         {"--output", "--language"},
         {},
         false,
         1,
         any_words,
         run_what},
        {"trace", "SENSOR|TABLE...", "Print events, a line each: of a sensor, or of one table of it.",
         and_sources(with({"--for", "--output", "--say", "--fields", "--rows", "--language"})),
         sensor_names(has_events), true, 1, any_words, run_trace, true},
        {"top", "SENSOR",
         "The busiest: on a terminal of the last 5 seconds, again each second; with --for or in a pipe of "
         "all the time.",
         and_sources({"--for", "--output", "--sort", "--rows"}), sensor_names(has_top), true, 1, 1, run_top,
         true},
        {"hist", "SENSOR|TABLE", "Distributions, as bars.",
         and_sources({"--for", "--output", "--steps", "--linear"}), sensor_names(has_distribution), true, 1,
         1, run_hist, true},
        {"query",
         "SQL",
         "Ask the tables in SQL; watches 3 s first where the question is about events. waggle doc schemas "
         "lists "
         "the tables.",
         and_sources({"--for", "--output", "--rows", "--sort", "--recording", "--memory"}),
         {},
         true,
         1,
         1,
         run_query},
        {"record",
         "FILE",
         "Write everything an answer rests on to a file.",
         and_sources({"--for", "--output", "--memory", "--keep"}),
         {},
         true,
         1,
         1,
         run_record},
        {"replay",
         "FILE [TOPIC]",
         "Answer from a recording. Needs no root and no special kernel.",
         {"--output", "--long", "--show-query", "--language"},
         {},
         false,
         1,
         2,
         run_replay},
        {"probe",
         "[SPEC]",
         "Watch one place of the kernel or of a program: kprobe:vfs_read, kretprobe:vfs_read, "
         "uprobe:libc.so.6:malloc, usdt:PATH:PROVIDER:NAME, tracepoint:CATEGORY:NAME, raw_tp:NAME, "
         "fentry:FUNCTION, fexit:FUNCTION, perf:cpu-clock@99, iter:task; or those of a pattern, 't:sched:*'. "
         "Or run a script of bpftrace.",
         and_sources(
             with({"--for", "--output", "--rows", "--args", "--list", "--every", "--steps", "--linear"}),
             {"probe", "bpftrace"}),
         {},
         true,
         0,
         1,
         run_probe},
        {"bpf",
         "list | top | explain ID | verify FILE",
         "The BPF programs of this machine: whose they are and where they are attached, what each costs, "
         "what one sees, "
         "calls and can change. Or what the kernel's verifier says of each program of an object, and what "
         "fixes it.",
         and_sources({"--for", "--output", "--sort", "--rows", "--language"}, {"bpf_program"}),
         {"list", "top", "explain", "verify"},
         true,
         1,
         2,
         run_bpf},
        {"run",
         "FILE",
         "Load a compiled BPF object, attach it, and print its events and maps by their types.",
         and_sources({"--for", "--rows", "--output"}, {"object"}),
         {},
         true,
         1,
         1,
         run_run},
        {"lab",
         "list | run FAULT | score [FAULT...] | record FAULT FILE",
         "Make faults on this machine, ask why, and measure the answers. Everything made is removed again.",
         {"--for", "--output", "--lab", "--seed", "--claim", "--quick", "--jobs", "--paste", "--markdown"},
         {"list", "run", "score", "record"},
         true,
         1,
         any_words,
         run_lab},
        {"doctor",
         "",
         "What this kernel and these privileges allow, found out by trying.",
         {"--output"},
         {},
         true,
         0,
         0,
         run_doctor},
        {"doc",
         "WHAT [FOLDER]",
         "Print reference documentation: schemas, rules, names (of other tools, that work here too), man, "
         "completion-bash, completion-zsh, "
         "completion-fish; or check it all, with the rules of a folder like /etc/waggle.",
         {"--write", "--output"},
         {"schemas", "rules", "names", "man", "check", "completion-bash", "completion-zsh",
          "completion-fish"},
         false,
         1,
         2,
         run_doc},
    };
    return commands;
}

int run(int argc, char** argv) {
    Read read;
    Options& options = read.options;
    // What stands behind -- is a command of the user's, never ours to read; for `what`, words.
    std::vector<std::string> arguments(argv + 1, argv + argc);
    const Result<const FamiliarName*> familiar = make_ours(arguments);
    if (!familiar) return fail(familiar.error());
    if (*familiar && stderr_is_terminal())
        print_error(fmt::format("{} is here: waggle {}\n", (*familiar)->name, familiar_command(**familiar)));
    const bool explains = !arguments.empty() && arguments.front() == "what";
    if (explains) hide_dashes(arguments);
    const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
    if (dashes != arguments.end()) {
        options.command.assign(dashes + 1, arguments.end());
        arguments.erase(dashes, arguments.end());
    }
    CLI::App app{"waggle says what is happening on this Linux machine, and why."};
    app.name("waggle");
    app.formatter(help_formatter());
    app.set_version_flag("--version", "waggle " WAGGLE_VERSION);
    app.require_subcommand(0, 1);
    app.footer(
        "Begin with: sudo waggle why\nNames of other tools work too, as in sudo waggle execsnoop: waggle doc "
        "names\nWords explained: waggle what NO_SOCKET");
    describe(app, read);
    const auto chosen = [&]() -> const Command& {
        return command_named(app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name());
    };
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
        app.parse(reversed);
    } catch (const CLI::Success& asked) {
        return told(app, asked);
    } catch (const CLI::ExtrasError&) {
        return fail(unknown_words(app, chosen()));
    } catch (const CLI::ArgumentMismatch& wrong) {
        // "--for: 1 required TEXT missing"
        const std::string_view what = wrong.what();
        return fail(lacks_value(what.substr(0, what.find(':'))));
    } catch (const CLI::ParseError& wrong) {
        return fail({escape_control(wrong.what()), ErrorKind::usage});
    }
    const Command& command = chosen();
    if (command.run == run_trace || command.run == run_hist) take_tables(options);
    if (command.names_sources)
        if (auto known = agent::check_source_names(options.words); !known) return fail(known.error());
    const bool asked = command.names_sources && !asked_sources(options).empty();
    if (!asked && options.words.size() < static_cast<std::size_t>(command.least_words))
        return fail(
            {fmt::format("{} needs {} behind it", said(command), command.arguments), ErrorKind::usage});
    if (options.words.size() > static_cast<std::size_t>(command.most_words))
        return fail(too_many(command, options.words[static_cast<std::size_t>(command.most_words)]));
    if (!options.command.empty() && command.name != "why")
        return fail({"a command behind -- belongs to waggle why", ErrorKind::usage});
    if (explains) show_dashes(options.words);
    options.json = read.output == "json";
    if (auto known = check_language(options.language); !known) return fail(known.error());
    if (options.language.empty()) options.language = language_of_environment();
    if (!read.for_text.empty()) {
        const Result<std::uint64_t> duration = parse_duration(read.for_text);
        if (!duration) return fail(while_doing("--for", duration.error()));
        options.for_ns = *duration;
    }
    if (!read.every_text.empty()) {
        const Result<std::uint64_t> duration = parse_duration(read.every_text);
        if (!duration) return fail(while_doing("--every", duration.error()));
        if (*duration < 1'000'000'000)
            return fail({"--every: it is counted each second, not more often", ErrorKind::usage});
        options.every_ns = *duration;
    }
    if (!read.keep_text.empty()) {
        const Result<agent::RecordingKeep> keep = keep_of(read.keep_text);
        if (!keep) return fail(while_doing("--keep", keep.error()));
        options.keep = *keep;
    }
    return finished(command.run(options));
}

}  // namespace waggle::cli
