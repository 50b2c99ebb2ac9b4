// SPDX-License-Identifier: Apache-2.0
// What every command of waggle shares: its common flags, where it prints, and its exit codes.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/session.h"
#include "explain/finding.h"
#include "sinks/terminal.h"
#include "waggle/result.h"

namespace waggle::cli {

enum ExitCode : int { exit_fine = 0, exit_found = 1, exit_failed = 1, exit_usage = 2, exit_privilege = 126 };

struct Options {
    std::uint32_t pid = 0;
    std::string comm;
    std::string cgroup;        // path below the cgroup root, or absolute
    std::string container;     // id or its beginning
    std::uint64_t for_ns = 0;  // 0: until interrupted
    bool json = false;
    std::string fields;  // comma-separated; empty = the default columns
    std::string sort;
    std::uint32_t rows = 0;  // 0: the command's default
    bool show_query = false;
    std::string record;                // why: also write a recording here
    std::string recording;             // query: ask this recording
    std::vector<std::string> words;    // positional
    std::vector<std::string> command;  // behind --
    std::vector<std::string> attach;   // run: PROGRAM=PLACE, or PLACE
    std::uint32_t memory_mib = 64;
    // probe
    bool arguments = false;
    bool stack = false;
    bool count = false;
    std::string count_by;  // a field; empty: by command, or by stack
    std::string hist_of;   // a field
    std::string filter;
    std::string script;  // --bpftrace; also of query, why and record
};

// Set by SIGINT and SIGTERM: every loop ends with its summary.
extern std::atomic<bool> interrupted;

// How the terminal wants it: colour only on one that can, and never with NO_COLOR; width 80 in a pipe.
sinks::TerminalStyle style_of_stdout(bool show_query = false);
bool stdout_is_terminal();

// Prints to stdout; false when nobody reads any more (a closed pipe), and then the command ends quietly.
bool print(std::string_view text);

// Prints the error on stderr and gives its exit code.
int fail(const Error& error);

// The control group that --cgroup or --container names; 0 where neither is said.
Result<std::uint64_t> cgroup_id_of(const Options& options);
// Whether this process can do `what` ("watching the kernel"); the error says which capabilities are missing.
Result<void> check_privilege(std::string_view what);

// The options as the session's: sensors by name, filters resolved (a container to its control group).
Result<agent::SessionOptions> session_options(const Options& options, std::vector<std::string> sensors,
                                              Mode mode);
// A session for these options, or the sentence that says which capability is missing.
Result<std::unique_ptr<agent::Session>> start_session(const agent::SessionOptions& options);

// Whether this sensor runs only on request, and what it was asked to run failed; problems() says why.
bool script_failed(const std::unique_ptr<Sensor>& sensor);

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
int run_doctor(const Options& options);
int run_doc(const Options& options);

// "10s", "500ms", "2m", "1h", "10" (seconds) in nanoseconds.
Result<std::uint64_t> parse_duration(std::string_view text);

// Topics a rule can have; `why` accepts these.
Result<void> check_topic(const explain::RuleBook& rules, std::string_view topic);

}  // namespace waggle::cli
