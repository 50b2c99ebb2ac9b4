// SPDX-License-Identifier: Apache-2.0
// What a session writes into a recording besides the rows: facts, moments, and one file after the other.
#include <fmt/core.h>

#include <algorithm>

#include "agent/session.h"

namespace waggle::agent {
namespace {

constexpr std::uint64_t one_second_ns = 1'000'000'000;
// How often a recording gets the facts again; never for more than a twentieth of the time.
constexpr std::uint64_t keep_every_ns = 10 * one_second_ns;
constexpr std::uint64_t keep_share = 20;

}  // namespace

// Done by the reader, between two batches, so that what a file holds and what is said of it agree. The asker gives the
// old one its end and the new one its facts.
void Session::change_part() {
    const Mark& now = marks_.back();
    const bool full = keep_.bytes > 0 && writer_->bytes_written() >= keep_.bytes / RecordingKeep::parts;
    const bool old =
        keep_.ns > 0 && now.time_ns - part_begin_.time_ns >= keep_.ns / (RecordingKeep::parts - 1);
    if ((!full && !old) || retired_ || !part_problem_.empty()) return;
    Result<RecordingWriter> next = writer_->next_part(RecordingKeep::parts);
    if (!next) {
        part_problem_ = next.error().message;
        return;
    }
    retired_ = std::make_unique<RecordingWriter>(std::move(*writer_));
    retired_begin_ = std::exchange(part_begin_, now);
    *writer_ = std::move(*next);
    for (const explain::OwnedRuleFile& file : user_rules_) writer_->user_rules(file);
}

void Session::record_to(RecordingWriter* writer, std::string_view topic, RecordingKeep keep) {
    writer_ = writer;
    keep_ = keep;
    part_begin_ = marks_.back();
    part_begin_.time_ns = started_ns_;  // the first file answers for all since then
    recorded_topic_ = topic;
    for (const explain::OwnedRuleFile& file : user_rules_) writer_->user_rules(file);
    keep_recording();
}

bool Session::recording_failed() {
    const std::lock_guard lock(writing_);
    return writer_ && writer_->failed();
}

// The answer about what the file that is written now holds.
explain::Answer Session::of_part(const explain::Answer& answer) {
    explain::Answer out = answer;
    Mark begin;
    {
        const std::lock_guard lock(writing_);
        begin = part_begin_;
    }
    if (begin.time_ns == started_ns_) return out;
    // Reading the facts of many namespaces takes longer than a small part lasts: it can begin after the answer's end.
    out.window = window_between(begin.time_ns, std::max(answer.window.to_ns, begin.time_ns));
    const std::lock_guard lock(mutex_);
    out.coverage = coverage_between(begin, told_.last.time_ns < begin.time_ns ? begin : told_.last);
    return out;
}

// If the recorder is killed, the file answers with the facts as they are now.
void Session::keep_recording() {
    const std::uint64_t began_ns = clock_.monotonic_ns();
    explain::Answer answer;
    answer.window = window();
    answer.coverage = coverage();
    store_->begin_moment(answer.window,
                         answer.window.from_ns - std::min(answer.window.from_ns, one_second_ns));
    store_->read_facts([](const FactTable&) { return true; });
    write_moment(*writer_, RecordingWriter::Moment::interim, of_part(answer), recorded_topic_, problems());
    const std::uint64_t now = clock_.monotonic_ns();
    next_keep_ns_ = now + std::max(keep_every_ns, (now - began_ns) * keep_share);
}

// The part that was changed for another gets the facts of now and its end.
void Session::end_part() {
    std::unique_ptr<RecordingWriter> part;
    explain::Answer answer;
    {
        const std::lock_guard lock(writing_);
        if (!retired_) return;
        part = std::move(retired_);
        answer.window = window_between(retired_begin_.time_ns, part_begin_.time_ns);
        answer.coverage = coverage_between(retired_begin_, part_begin_);
    }
    keep_recording();
    write_moment(*part, RecordingWriter::Moment::closing, answer, recorded_topic_, problems());
    if (auto closed = part->close(); !closed) {
        const std::lock_guard lock(writing_);
        part_problem_ = closed.error().message;
    }
}

void Session::write_moment(RecordingWriter& writer, RecordingWriter::Moment kind,
                           const explain::Answer& answer, std::string_view topic,
                           std::span<const std::string> problems) {
    // The reader is let in between facts.
    for (const std::unique_ptr<FactTable>& fact : store_->facts()) {
        std::vector<Row> rows;
        fact->rows().each([&](const Row& row) { rows.push_back(row); });
        const std::lock_guard lock(writing_);
        writer.fact(fact->schema(), rows, store_->lookup());
    }
    for (const Table* table : store_->tables()) {
        if (!table->schema().is_state) continue;
        const Table::Snapshot standing = table->snapshot();
        std::vector<Row> rows;
        standing.each([&](const Row& row) { rows.push_back(row); });
        const std::lock_guard lock(writing_);
        writer.fact(table->schema(), rows, store_->lookup());
    }
    const std::lock_guard lock(writing_);
    writer.moment(kind, answer, topic, problems, store_->lookup());
    writer.flush();
}

}  // namespace waggle::agent
