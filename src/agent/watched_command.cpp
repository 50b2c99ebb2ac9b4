// SPDX-License-Identifier: Apache-2.0
#include "agent/watched_command.h"

#include <fmt/ranges.h>
#include <sys/wait.h>

#include "base/shell.h"

namespace waggle::agent {

const Schema& watched_command_schema() {
    static constexpr Field fields[] = {
        WAGGLE_FIELD(
            watched_command_record, time_ns, Unit::nanoseconds,
            "When it ended, by the clock CLOCK_MONOTONIC; the end of the watching where it still runs."),
        WAGGLE_FIELD(watched_command_record, pid, Unit::identifier, "Its process, as the host numbers it.",
                     trait_key),
        WAGGLE_FIELD(watched_command_record, ran_ns, Unit::nanoseconds, "How long it ran."),
        WAGGLE_FLAG(watched_command_record, ended, "Whether it ended."),
        WAGGLE_FIELD(watched_command_record, exit_code, Unit::none,
                     "The code it ended with; 0 says success, and is also there when a signal ended it."),
        WAGGLE_FIELD(watched_command_record, signal, Unit::none,
                     "The signal that ended it; 0 where it ended itself.", trait_none, "signal"),
        WAGGLE_FIELD(watched_command_record, arguments, Unit::none,
                     "The command as it was given, a space between two words."),
        WAGGLE_FIELD(watched_command_record, command, Unit::none,
                     "The same as a shell takes it, each word quoted by itself where it must be."),
        WAGGLE_FIELD(
            watched_command_record, waiting_pid, Unit::identifier,
            "Where it still runs: the process that it waits for in the end, or itself; 0 where that is "
            "not known, or runs."),
        WAGGLE_FIELD(watched_command_record, waiting_comm, Unit::none, "The name of that process."),
        WAGGLE_FIELD(
            watched_command_record, waits_for, Unit::none,
            "What that process waits for at the end of the watching, in words; empty where that is not "
            "known."),
        WAGGLE_FIELD(watched_command_record, waiting_lived_ns, Unit::nanoseconds,
                     "How long that process has lived."),
        WAGGLE_FIELD(watched_command_record, waiting_run_ns, Unit::nanoseconds,
                     "It had a processor for less than this."),
    };
    static constexpr Schema schema = {
        "watched_command",
        "The command behind `--` that waggle was started with, once it ended or the watching did.",
        sizeof(watched_command_record), fields, false};
    return schema;
}

Bytes watched_command_row(RecordWriter<watched_command_record>& writer, const WatchedCommand& command) {
    writer.clear();
    writer.fixed.time_ns = command.ended_ns;
    writer.fixed.ran_ns = command.ended_ns - command.started_ns;
    writer.fixed.pid = command.pid;
    writer.fixed.ended = command.ended ? 1 : 0;
    if (command.ended && WIFEXITED(command.status))
        writer.fixed.exit_code = static_cast<__u32>(WEXITSTATUS(command.status));
    if (command.ended && WIFSIGNALED(command.status))
        writer.fixed.signal = static_cast<__u32>(WTERMSIG(command.status));
    writer.text(&watched_command_record::arguments, fmt::format("{}", fmt::join(command.words, " ")));
    writer.text(&watched_command_record::command, shell_line(command.words));
    const facts::WaitingBelow waiting = command.waiting.value_or(facts::WaitingBelow{});
    writer.fixed.waiting_pid = waiting.pid;
    writer.fixed.waiting_lived_ns = waiting.lived_ns;
    writer.fixed.waiting_run_ns = waiting.run_ns;
    writer.text(&watched_command_record::waiting_comm, waiting.comm);
    writer.text(&watched_command_record::waits_for, waiting.words);
    return writer.finish();
}

}  // namespace waggle::agent
