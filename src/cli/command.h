// SPDX-License-Identifier: Apache-2.0
// What every command of waggle shares: its common flags, where it prints, and its exit codes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/session.h"
#include "explain/finding.h"
#include "render/terminal.h"
#include "waggle/result.h"

namespace waggle::cli {

enum ExitCode : int { exit_fine = 0, exit_found = 1, exit_usage = 2, exit_failed = 3, exit_privilege = 126 };

struct Options {
    std::uint32_t pid = 0;
    std::string comm;
    std::string cgroup;        // path below the cgroup root, or absolute
    std::string container;     // id or its beginning
    std::uint64_t for_ns = 0;  // 0: until interrupted
    bool json = false;
    bool say = false;    // trace: a sentence for each row
    std::string fields;  // comma-separated; empty = the default columns
    std::string sort;
    std::uint32_t rows = 0;  // 0: the command's default
    bool show_query = false;
    bool long_form = false;
    agent::RecordingKeep keep;         // record
    std::string record;                // why: also write a recording here
    std::string recording;             // query: ask this recording
    std::vector<std::string> words;    // positional
    std::vector<std::string> tables;   // trace, hist: of their sensors these alone
    std::vector<std::string> command;  // behind --
    std::uint32_t memory_mib = 64;
    bool arguments = false;       // probe: print them too
    bool list = false;            // probe: the places, and watch none
    std::uint64_t every_ns = 0;   // probe: what was counted since the last time, so often
    sinks::HistogramLines lines;  // hist, probe
    OptionValues values;          // of what the sources declare: --bpftrace ...
    std::string language;         // of the words; from the environment unless told
    std::string write;            // doc: into this folder
    // lab
    std::string lab_folder;
    std::optional<std::uint64_t> seed;
    std::string claim;
    bool paste = false;
    bool markdown = false;
    bool quick = false;
    std::optional<std::uint64_t> jobs;
};

// Set by SIGINT and SIGTERM: every loop ends with its summary.
extern std::atomic<bool> interrupted;
extern bool sigpipe_was_ignored;  // by whoever started waggle

// How the terminal wants it: colour only on one that can, and never with NO_COLOR; width 80 in a pipe.
// `language` outlives the style.
sinks::TerminalStyle style_of_stdout(bool show_query = false, std::string_view language = "en");
bool stdout_is_terminal();
bool stderr_is_terminal();

// Prints to stdout; false when it takes no more (a closed pipe, a full disk), and then the command ends.
bool print(std::string_view text);
// Prints to stderr, if there is one.
void print_error(std::string_view text);
// The command's exit code, or exit_failed where it was not all said: on stdout, or on stderr where the command had
// no error of its own. A full disk is said, a reader that went is not.
int finished(int code);
// Descriptors 0 to 2 that are closed are taken, so that no file opened later is written to as one of them.
void hold_standard_descriptors();

// Prints the error on stderr and gives its exit code.
int fail(const Error& error);

// The control group that --cgroup or --container names; 0 where neither is said.
Result<std::uint64_t> cgroup_id_of(const Options& options);
// Whether this process can watch the kernel; the error says what is missing, and how to get it.
Result<void> check_privilege();

// The options as the session's: sensors by name, filters resolved (a container to its control group).
Result<agent::SessionOptions> session_options(const Options& options, std::vector<std::string> sensors,
                                              Mode mode);
// A session for these options, or the sentence that says which capability is missing.
Result<std::unique_ptr<agent::Session>> start_session(const agent::SessionOptions& options);
// When --for is over; never where it is not said.
std::uint64_t end_of(const agent::Session& session, const Options& options);
// Watches until --for or --rows is reached, a signal comes or stdout takes no more, and prints what `say` appends
// for each row. False from it: the row is none of those asked for. `second`: once a second, beside the rows.
void print_rows(agent::Session& session, const Options& options,
                const std::function<bool(const Row&, std::string&)>& say,
                const std::function<void()>& second = {});

// "1,234 lost (process: 1,234 ring full)"; "0 lost" where nothing was.
std::string loss_words(std::span<const explain::SensorCoverage> coverage);
// Says on stderr what was lost, if anything was.
void tell_losses(std::span<const explain::SensorCoverage> coverage);
// And with --output json as records on stdout.
void print_losses(std::span<const explain::SensorCoverage> coverage, const Options& options);

// Whether this source runs only on request, and what it was asked to run failed; problems() says why.
bool failed_on_request(const agent::Session::Started& started);
// The sources that were asked for by an option of theirs.
std::vector<const Source*> asked_sources(const Options& options);

// A schema of counters is read as snapshots; trace shows the single events beside it.
bool is_events(const Schema& schema);

// The commands. Each gives the exit code.
int run_live(const Options& options);
int run_why(const Options& options);
int run_what(const Options& options);
int run_trace(const Options& options);
int run_top(const Options& options);
int run_hist(const Options& options);
int run_query(const Options& options);
int run_record(const Options& options);
int run_replay(const Options& options);
int run_probe(const Options& options);
int run_script(const Options& options);  // probe --bpftrace
int run_bpf(const Options& options);
int run_run(const Options& options);
int run_lab(const Options& options);
int run_doctor(const Options& options);
int run_doc(const Options& options);

// The language that LC_ALL, LC_MESSAGES or LANG wants: "de_DE"; "en" where they say nothing.
std::string language_of_environment();

// Topics a rule can have; `why` accepts these.
Result<void> check_topic(std::string_view topic);

}  // namespace waggle::cli
