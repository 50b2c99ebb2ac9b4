// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "cli/command.h"
#include "sensors/rooms.h"

namespace waggle::cli {
namespace {

std::vector<std::string_view> sensor_names() {
    std::vector<std::string_view> out;
    for (const sensors::Room& room : sensors::rooms()) out.push_back(room.name);
    return out;
}

const Flag& flag_named(std::string_view name) {
    return *std::find_if(all_flags().begin(), all_flags().end(),
                         [&](const Flag& flag) { return flag.name == name; });
}

// Connects one described flag with the option it sets.
void add_flag(CLI::App& app, const Flag& flag, Options& options, std::string& for_text, std::string& output) {
    const std::string name(flag.name), help(flag.help);
    CLI::Option* made = nullptr;
    if (name == "--for")
        made = app.add_option(name, for_text, help);
    else if (name == "--output")
        made = app.add_option(name, output, help)->check(CLI::IsMember({"table", "json"}));
    else if (name == "--pid")
        made = app.add_option(name, options.pid, help)->check(CLI::PositiveNumber);
    else if (name == "--comm")
        made = app.add_option(name, options.comm, help);
    else if (name == "--cgroup")
        made = app.add_option(name, options.cgroup, help);
    else if (name == "--container")
        made = app.add_option(name, options.container, help);
    else if (name == "--fields")
        made = app.add_option(name, options.fields, help);
    else if (name == "--sort")
        made = app.add_option(name, options.sort, help);
    else if (name == "--rows")
        made = app.add_option(name, options.rows, help)->check(CLI::PositiveNumber);
    else if (name == "--memory")
        made = app.add_option(name, options.memory_mib, help)->check(CLI::Range(4u, 16384u));
    else if (name == "--record")
        made = app.add_option(name, options.record, help);
    else if (name == "--attach")
        made = app.add_option(name, options.attach, help)->allow_extra_args(false);
    else if (name == "--recording")
        made = app.add_option(name, options.recording, help)->check(CLI::ExistingFile);
    else if (name == "--filter")
        made = app.add_option(name, options.filter, help);
    else if (name == "--hist")
        made = app.add_option(name, options.hist_of, help);
    else if (name == "--by")
        made = app.add_option(name, options.count_by, help);
    else if (name == "--bpftrace")
        made = app.add_option(name, options.script, help);
    else if (name == "--count")
        app.add_flag(name, options.count, help);
    else if (name == "--args")
        app.add_flag(name, options.arguments, help);
    else if (name == "--stack")
        app.add_flag(name, options.stack, help);
    else
        app.add_flag(name, options.show_query, help);
    if (made) made->option_text(std::string(flag.argument));
}

// The nearest right word for a command or flag that does not exist.
std::string suggestion(const std::vector<std::string>& arguments) {
    std::vector<std::string_view> commands, flags;
    for (const Command& command : all_commands()) commands.push_back(command.name);
    for (const Flag& flag : all_flags()) flags.push_back(flag.name);
    bool first = true;
    for (const std::string& word : arguments) {
        if (word == "--") break;
        const bool is_flag = word.starts_with("-");
        const std::string name = word.substr(0, word.find('='));
        const auto& known = is_flag ? flags : commands;
        const bool right = std::find(known.begin(), known.end(), name) != known.end();
        if (!right && (is_flag || first)) {
            const std::vector<std::string> near = nearest_words(name, known, 1);
            if (!near.empty()) return fmt::format("; did you mean {}", near.front());
        }
        if (!is_flag) first = false;
    }
    return {};
}

int dispatch(const std::string& name, Options& options) {
    if (name.empty()) return run_live(options);
    if (name == "why") return run_why(options);
    if (name == "what") return run_what(options);
    if (name == "trace") return run_trace(options);
    if (name == "top") return run_top(options);
    if (name == "hist") return run_hist(options);
    if (name == "query") return run_query(options);
    if (name == "record") return run_record(options);
    if (name == "replay") return run_replay(options);
    if (name == "probe") return run_probe(options);
    if (name == "bpf") return run_bpf(options);
    if (name == "run") return run_run(options);
    if (name == "doctor") return run_doctor(options);
    return run_doc(options);
}

}  // namespace

const std::vector<Flag>& all_flags() {
    static const std::vector<Flag> flags = {
        {"--for", "TIME", "How long to watch: 10s, 500ms, 2m."},
        {"--output", "FORM", "table (for people) or json (for programs)."},
        {"--pid", "PID", "Only this process."},
        {"--comm", "NAME", "Only processes of this name."},
        {"--cgroup", "PATH", "Only this control group (the kernel's unit of resource accounting)."},
        {"--container", "ID", "Only this container, by its id or the id's beginning."},
        {"--fields", "A,B", "These fields and no others."},
        {"--sort", "FIELD", "Largest of this field first."},
        {"--rows", "N", "At most N rows."},
        {"--memory", "MIB", "Memory for recent rows; the oldest leave first. 64 MiB unless said."},
        {"--record", "FILE", "Also write everything the answer rests on to FILE."},
        {"--recording", "FILE", "Ask a recording instead of this machine."},
        {"--attach", "PROGRAM=PLACE", "Attach this program there, instead of where its section says."},
        {"--show-query", "", "Print the query behind each piece of evidence."},
        {"--args", "", "Print the arguments too, by their names."},
        {"--stack", "", "The stack as well: the kernel's; of a program's function, the process's own."},
        {"--filter", "EXPR", "Only where this holds: \"len > 100 && flags & 0x40\". Asked in the kernel."},
        {"--count", "", "Count in the kernel instead: by command, by --by FIELD, or by --stack."},
        {"--by", "FIELD", "What --count counts by."},
        {"--hist", "FIELD", "A distribution of this field instead: an argument, return or latency_ns."},
        {"--bpftrace", "FILE",
         "Run this script by the installed bpftrace; its output is the table bpftrace."},
    };
    return flags;
}

const std::vector<Command>& all_commands() {
    static const std::vector<std::string_view> filters = {"--pid", "--comm", "--cgroup", "--container"};
    static const auto with = [](std::vector<std::string_view> more) {
        more.insert(more.begin(), filters.begin(), filters.end());
        return more;
    };
    static const std::vector<Command> commands = {
        {"",
         "",
         "Watch this machine: findings as they come, and the key figures.",
         {"--for", "--output", "--memory"},
         {},
         true},
        {"why",
         "[TOPIC] [-- COMMAND...]",
         "Watch, then say what is wrong and why.",
         {"--for", "--output", "--show-query", "--record", "--memory", "--bpftrace"},
         {"drops", "disk", "process"},
         true},
        {"what",
         "WORD...",
         "Explain a drop reason, errno, signal, system call, tracepoint or setting. Works offline.",
         {"--output"},
         {},
         false},
        {"trace", "SENSOR...", "Print events, a line each.",
         with({"--for", "--output", "--fields", "--rows"}), sensor_names(), true},
        {"top",
         "SENSOR",
         "The busiest, refreshed each second.",
         {"--for", "--output", "--sort", "--rows"},
         sensor_names(),
         true},
        {"hist", "SENSOR", "Distributions, as bars.", {"--for", "--output"}, sensor_names(), true},
        {"query",
         "SQL",
         "Ask the tables in SQL; watches 3 s first where the question is about events.",
         {"--for", "--output", "--rows", "--sort", "--recording", "--memory", "--bpftrace"},
         {},
         true},
        {"record",
         "FILE",
         "Write everything an answer rests on to a file.",
         {"--for", "--memory", "--bpftrace"},
         {},
         true},
        {"replay",
         "FILE [TOPIC]",
         "Answer from a recording. Needs no root and no special kernel.",
         {"--output", "--show-query"},
         {},
         false},
        {"probe",
         "[SPEC]",
         "Watch one place of the kernel or of a program: kprobe:vfs_read, kretprobe:vfs_read, "
         "uprobe:libc.so.6:malloc, usdt:PATH:PROVIDER:NAME, tracepoint:CATEGORY:NAME, raw_tp:NAME, "
         "fentry:FUNCTION, fexit:FUNCTION, perf:cpu-clock@99. Or run a script of bpftrace.",
         with({"--for", "--output", "--rows", "--args", "--stack", "--filter", "--count", "--by", "--hist",
               "--bpftrace"}),
         {},
         true},
        {"bpf",
         "verify FILE",
         "What the kernel's verifier says of each program of a BPF object: its counts, or why it is refused "
         "and what mends it.",
         {"--output"},
         {"verify"},
         true},
        {"run",
         "FILE",
         "Load a compiled BPF object, attach it, and print its events and maps by their types.",
         {"--attach", "--for", "--rows", "--output"},
         {},
         true},
        {"doctor",
         "",
         "What this kernel and these privileges allow, found out by trying.",
         {"--output"},
         {},
         true},
        {"doc",
         "WHAT",
         "Print reference documentation: schemas, man, completion-bash, completion-zsh, completion-fish; or "
         "check.",
         {},
         {"schemas", "man", "check", "completion-bash", "completion-zsh", "completion-fish"},
         false},
    };
    return commands;
}

int run(int argc, char** argv) {
    Options options;
    std::string for_text, output;
    // What stands behind -- is a command of the user's, never ours to read.
    std::vector<std::string> arguments(argv + 1, argv + argc);
    const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
    if (dashes != arguments.end()) {
        options.command.assign(dashes + 1, arguments.end());
        arguments.erase(dashes, arguments.end());
    }
    CLI::App app{"waggle says what is happening on this Linux machine, and why."};
    app.name("waggle");
    app.set_version_flag("--version", "waggle " WAGGLE_VERSION);
    app.require_subcommand(0, 1);
    app.footer("Begin with: sudo waggle why\nWords explained: waggle what NO_SOCKET");
    for (const Command& command : all_commands()) {
        CLI::App* target = command.name.empty()
                               ? &app
                               : app.add_subcommand(std::string(command.name), std::string(command.help));
        for (const std::string_view flag : command.flags)
            add_flag(*target, flag_named(flag), options, for_text, output);
        if (command.arguments.empty()) continue;
        CLI::Option* words =
            target->add_option("WORDS", options.words, "")->option_text(std::string(command.arguments));
        if (command.name == "why" || command.name == "probe")
            words->expected(0, 1);
        else if (command.name == "replay" || command.name == "bpf")
            words->expected(1, 2)->required();
        else if (command.name == "what" || command.name == "trace")
            words->required();
        else
            words->expected(1)->required();
    }
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
        app.parse(reversed);
    } catch (const CLI::Success& asked) {
        return app.exit(asked);
    } catch (const CLI::ParseError& wrong) {
        return fail({escape_control(wrong.what()) + suggestion(arguments), ErrorKind::usage});
    }
    const std::string name = app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name();
    if (!options.command.empty() && name != "why")
        return fail({"a command behind -- belongs to waggle why", ErrorKind::usage});
    options.json = output == "json";
    if (!for_text.empty()) {
        const Result<std::uint64_t> duration = parse_duration(for_text);
        if (!duration) return fail(while_doing("--for", duration.error()));
        options.for_ns = *duration;
    }
    return dispatch(name, options);
}

}  // namespace waggle::cli
