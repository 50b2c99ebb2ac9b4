// SPDX-License-Identifier: Apache-2.0
// The command that `why -- COMMAND` ran, as a row like any other: how it ended is asked by rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "facts/sockets/waiting_below.h"
#include "model/record_writer.h"
#include "model/schema.h"

namespace waggle::agent {

struct watched_command_record {
    __u64 time_ns;
    __u64 ran_ns;
    __u32 pid;
    __u32 exit_code;
    __u32 signal;
    __u8 ended;
    __u8 reserved[3];
    waggle_text arguments;
    waggle_text command;
    __u64 waiting_lived_ns;
    __u64 waiting_run_ns;
    __u32 waiting_pid;
    waggle_text waiting_comm;
    waggle_text waits_for;
};

const Schema& watched_command_schema();

struct WatchedCommand {
    std::uint64_t started_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t ended_ns = 0;    // or looked at last
    std::uint32_t pid = 0;
    int status = 0;  // as waitpid gives it
    bool ended = false;
    std::vector<std::string> words;
    std::optional<facts::WaitingBelow> waiting;  // where it still runs
};

// The bytes live until the next call on `writer`.
Bytes watched_command_row(RecordWriter<watched_command_record>& writer, const WatchedCommand& command);

}  // namespace waggle::agent
