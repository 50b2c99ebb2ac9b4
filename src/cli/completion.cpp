// SPDX-License-Identifier: Apache-2.0
// Shell completion and the manual page, written from the same description the command line is read by.
#include <fmt/core.h>

#include <algorithm>

#include "cli/command_line.h"

namespace waggle::cli {
namespace {

std::string joined(const std::vector<std::string_view>& words) {
    std::string out;
    for (const std::string_view word : words) out += (out.empty() ? "" : " ") + std::string(word);
    return out;
}

std::string command_names() {
    std::vector<std::string_view> names;
    for (const Command& command : all_commands())
        if (!command.name.empty()) names.push_back(command.name);
    return joined(names);
}

std::string quoted(std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out;
}

std::string bash() {
    std::string out =
        "_waggle() {\n    local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"${COMP_WORDS[1]}\"\n"
        "    if ((COMP_CWORD == 1)); then\n";
    out += fmt::format("        COMPREPLY=($(compgen -W '{} {}' -- \"$word\"))\n        return\n    fi\n",
                       command_names(), joined(all_commands().front().flags));
    out += "    case \"$command\" in\n";
    for (const Command& command : all_commands()) {
        if (command.name.empty()) continue;
        out += fmt::format("        {}) COMPREPLY=($(compgen -W '{} {}' -- \"$word\")) ;;\n", command.name,
                           joined(command.words), joined(command.flags));
    }
    return out + "    esac\n}\ncomplete -o default -F _waggle waggle\n";
}

std::string zsh() {
    std::string out =
        "#compdef waggle\n_waggle() {\n    if ((CURRENT == 2)); then\n        local -a commands=(\n";
    for (const Command& command : all_commands())
        if (!command.name.empty())
            out += fmt::format("            '{}:{}'\n", command.name, quoted(command.help));
    out += "        )\n        _describe command commands\n        return\n    fi\n    case $words[2] in\n";
    for (const Command& command : all_commands()) {
        if (command.name.empty()) continue;
        out += fmt::format("        {}) compadd -- {} {}; _files ;;\n", command.name, joined(command.words),
                           joined(command.flags));
    }
    return out + "    esac\n}\n_waggle \"$@\"\n";
}

std::string fish() {
    std::string out;
    for (const Command& command : all_commands()) {
        if (command.name.empty()) continue;
        out += fmt::format("complete -c waggle -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                           quoted(command.help));
        const std::string when = fmt::format("-n '__fish_seen_subcommand_from {}'", command.name);
        if (!command.words.empty())
            out += fmt::format("complete -c waggle {} -a '{}'\n", when, joined(command.words));
        for (const Flag& flag : all_flags())
            if (std::find(command.flags.begin(), command.flags.end(), flag.name) != command.flags.end())
                out += fmt::format("complete -c waggle {} -l {}{} -d '{}'\n", when, flag.name.substr(2),
                                   flag.argument.empty() ? "" : " -r", quoted(flag.help));
    }
    return out;
}

// man(7) takes a leading dot or quote for a request, and a backslash for an escape.
std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
    }
    return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

}  // namespace

std::string completion_script(std::string_view shell) {
    if (shell == "bash") return bash();
    if (shell == "zsh") return zsh();
    if (shell == "fish") return fish();
    return {};
}

std::string manual_page() {
    std::string out = ".TH WAGGLE 8 \"\" \"waggle " WAGGLE_VERSION
                      "\" \"System administration\"\n.SH NAME\nwaggle \\- says what is happening on a Linux "
                      "machine, and why\n.SH SYNOPSIS\n";
    for (const Command& command : all_commands())
        out += fmt::format(".B waggle {}\n{}\n.br\n", roff(command.name),
                           command.arguments.empty() ? "[flags]" : roff(command.arguments) + " [flags]");
    out +=
        ".SH DESCRIPTION\nwaggle watches the kernel through eBPF and answers in plain words: which firewall "
        "rule, setting, process or device is\n"
        "the cause, with the figures behind it and the command that fixes it.\n.SH COMMANDS\n";
    for (const Command& command : all_commands()) {
        out += fmt::format(".TP\n.B waggle {} {}\n{}{}\n", roff(command.name), roff(command.arguments),
                           roff(command.help),
                           command.needs_root ? " Needs root, or CAP_BPF and CAP_PERFMON." : "");
        if (!command.flags.empty()) out += fmt::format("Flags: {}.\n", roff(joined(command.flags)));
    }
    out += ".SH FLAGS\n";
    for (const Flag& flag : all_flags())
        out += fmt::format(".TP\n.B {} {}\n{}\n", roff(flag.name), roff(flag.argument), roff(flag.help));
    out +=
        ".SH EXIT STATUS\n.TP\n.B 0\nNothing is wrong.\n.TP\n.B 1\nSomething was found.\n"
        ".TP\n.B 2\nThe command line was wrong.\n.TP\n.B 3\nThe command failed, or its output could not be "
        "written.\n"
        ".TP\n.B 126\nA privilege is missing; the message names it.\n.SH FILES\n.TP\n.I "
        "/etc/waggle/rules.d/*.yaml\nRules of your own.\n"
        ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nWhen set, nothing is coloured.\n";
    return out;
}

}  // namespace waggle::cli
