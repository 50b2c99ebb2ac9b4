// SPDX-License-Identifier: Apache-2.0
// lab: faults made on this machine, so that the answers can be measured.
#include <fmt/core.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <random>

#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "lab/fault.h"
#include "lab/trial.h"

namespace waggle::cli {
namespace {

std::string kernel_release() {
    utsname system{};
    uname(&system);
    return system.release;
}

// The command's options, made whole.
struct Asked {
    lab::Trial trial;
    std::vector<lab::Fault> faults;
};

Result<Asked> read_lab(const Options& options) {
    std::error_code wrong;
    const std::string program = std::filesystem::read_symlink("/proc/self/exe", wrong).string();
    if (wrong) return Error{fmt::format("/proc/self/exe: {}", wrong.message())};
    const Result<std::string> folder = lab::find_lab(options.lab_folder, program);
    if (!folder) return folder.error();
    Result<std::vector<lab::Fault>> faults = lab::read_faults(*folder);
    if (!faults) return faults.error();
    Asked asked;
    asked.faults = std::move(*faults);
    asked.trial.lab = *folder;
    asked.trial.program = program;
    asked.trial.release = kernel_release();
    asked.trial.seed = options.seed ? *options.seed : std::random_device()() % 1'000'000;
    asked.trial.watch_ns = options.for_ns;
    asked.trial.paste = options.paste;
    return asked;
}

Result<const lab::Fault*> fault_named(const std::vector<lab::Fault>& faults, const std::string& name) {
    std::vector<std::string_view> known;
    for (const lab::Fault& fault : faults) {
        if (fault.name == name) return &fault;
        known.push_back(fault.name);
    }
    const std::string near = did_you_mean(name, known, 1);
    return Error{fmt::format("the lab has no fault {}{}", escape_control(name),
                             near.empty() ? "; waggle lab list names them" : near),
                 ErrorKind::usage};
}

// Those named, or all; with --quick, --claim only those.
Result<std::vector<const lab::Fault*>> chosen(const Asked& asked, const Options& options) {
    std::vector<const lab::Fault*> out;
    for (std::size_t i = 1; i < options.words.size(); ++i) {
        const Result<const lab::Fault*> fault = fault_named(asked.faults, options.words[i]);
        if (!fault) return fault.error();
        out.push_back(*fault);
    }
    if (out.empty())
        for (const lab::Fault& fault : asked.faults) out.push_back(&fault);
    std::erase_if(out, [&](const lab::Fault* fault) {
        return (options.quick && !fault->quick) ||
               (!options.claim.empty() && lab::claim_name(fault->claim) != options.claim);
    });
    if (out.empty()) return Error{"no fault of the lab is of this kind", ErrorKind::usage};
    return out;
}

int list(const Asked& asked, const Options& options) {
    if (!options.json) {
        print(lab::fault_list(asked.faults, asked.trial.release));
        return exit_fine;
    }
    for (const lab::Fault& fault : asked.faults) print(lab::fault_json(fault, asked.trial.release));
    return exit_fine;
}

// Makes the fault and asks; `more`: further words of `waggle why`.
int ask(const Asked& asked, const Options& options, const std::vector<std::string>& more) {
    const Result<const lab::Fault*> fault = fault_named(asked.faults, options.words[1]);
    if (!fault) return fail(fault.error());
    fmt::print(stderr, "{} (seed {}): {}\n", (*fault)->name, asked.trial.seed,
               escape_control((*fault)->about));
    const lab::Said said = lab::ask_about(**fault, asked.trial, more, interrupted);
    print(said.text);
    if (!said.skipped.empty())
        return fail({fmt::format("{} cannot be made here: {}", (*fault)->name, said.skipped)});
    if (!said.failed.empty()) return fail({fmt::format("{}: {}", (*fault)->name, said.failed)});
    return exit_fine;
}

int record(const Asked& asked, const Options& options) {
    const Result<const lab::Fault*> fault = fault_named(asked.faults, options.words[1]);
    if (!fault) return fail(fault.error());
    fmt::print(stderr, "{} (seed {}): {}\n", (*fault)->name, asked.trial.seed,
               escape_control((*fault)->about));
    const lab::Score score = lab::record_fault(**fault, asked.trial, options.words[2], interrupted);
    if (options.json)
        print(lab::score_json(score));
    else
        print(lab::score_heading(false) + lab::score_lines(score, false));
    if (!score.skipped.empty() || !score.failed.empty()) return exit_failed;
    return score.counts_against() ? exit_found : exit_fine;
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

int score(const Asked& asked, const Options& options) {
    const Result<std::vector<const lab::Fault*>> faults = chosen(asked, options);
    if (!faults) return fail(faults.error());
    const lab::Trial& trial = asked.trial;
    fmt::print(stderr, "seed {}, {} of the lab\n", trial.seed, counted(faults->size(), "fault"));
    // The page is printed at its end; until then the lines tell on stderr how it goes.
    const auto say = [&](const std::string& text) {
        if (options.markdown)
            fmt::print(stderr, "{}", text);
        else
            print(text);
    };
    if (!options.json) say(lab::score_heading(trial.paste));
    const std::vector<lab::Score> scores =
        lab::try_faults(*faults, trial, options.jobs.value_or(1), interrupted, [&](const lab::Score& one) {
            say(options.json ? lab::score_json(one) : lab::score_lines(one, trial.paste));
        });
    if (!options.json) say(lab::sums(scores));
    if (options.markdown)
        print(lab::markdown(scores, {WAGGLE_VERSION, trial.release, today(), trial.seed,
                                     format_duration_ns(static_cast<double>(
                                         trial.watch_ns ? trial.watch_ns : lab::default_watch_ns))}));
    if (interrupted.load(std::memory_order_relaxed))
        return fail({fmt::format("interrupted after {} of {} faults; what was made is healed",
                                 std::count_if(scores.begin(), scores.end(),
                                               [](const lab::Score& one) { return one.failed.empty(); }),
                                 faults->size())});
    for (const lab::Score& one : scores)
        if (one.counts_against()) return exit_found;
    return exit_fine;
}

}  // namespace

int run_lab(const Options& options) {
    const std::string& what = options.words.front();
    const std::size_t words = options.words.size();
    const bool known = what == "list" || what == "run" || what == "score" || what == "record";
    if (!known) {
        static constexpr std::string_view all[] = {"list", "run", "score", "record"};
        return fail({fmt::format("waggle lab has no {}{}; there are list, run, score and record",
                                 escape_control(what), did_you_mean(what, all, 1)),
                     ErrorKind::usage});
    }
    if (what == "list" && words != 1) return fail({"waggle lab list takes no names", ErrorKind::usage});
    if (what == "run" && words != 2)
        return fail({"waggle lab run takes the name of one fault: waggle lab run FAULT", ErrorKind::usage});
    if (what == "record" && words != 3)
        return fail(
            {"waggle lab record takes a fault and a file: waggle lab record FAULT FILE", ErrorKind::usage});
    if (options.markdown && options.json)
        return fail({"say --markdown or --output json, not both", ErrorKind::usage});
    if (options.jobs && (*options.jobs < 1 || *options.jobs > 64))
        return fail({"--jobs is a number from 1 to 64", ErrorKind::usage});
    if (options.jobs.value_or(1) > 1 && options.paste)
        return fail(
            {"--paste runs commands that can reach other faults: it goes one fault at a time, without "
             "--jobs",
             ErrorKind::usage});
    const Result<Asked> asked = read_lab(options);
    if (!asked) return fail(asked.error());
    if (what == "list") return list(*asked, options);
    const std::size_t names_end = what == "record" ? 2 : words;  // a record's last word is its file
    for (std::size_t i = 1; i < names_end; ++i)
        if (const Result<const lab::Fault*> fault = fault_named(asked->faults, options.words[i]); !fault)
            return fail(fault.error());
    if (::geteuid() != 0)
        return fail(
            {"making faults needs root: namespaces, firewall rules and loop devices of its own. Run it with "
             "sudo",
             ErrorKind::privilege});
    if (auto may = check_privilege(); !may) return fail(may.error());
    if (what == "run")
        return ask(*asked, options,
                   options.json ? std::vector<std::string>{"--output", "json"} : std::vector<std::string>{});
    if (what == "record") return record(*asked, options);
    return score(*asked, options);
}

}  // namespace waggle::cli
