// SPDX-License-Identifier: Apache-2.0
// Recording: everything an answer rests on, in one file: rows of every schema, the facts that were read,
// names, subjects, coverage and window. Replayed anywhere, without root, it gives the same answer byte for
// byte.
//
// Format: 16 bytes of magic, then frames: {u32 type, u32 payload bytes, u32 CRC-32C of type, length and
// payload, u32 0}, payload, zeros to a multiple of 8. Rows are the kernel's bytes; everything else is JSON.
// Little endian. A frame that is cut or damaged ends the reading: what stands before it is served, and the
// problem names its offset. Facts and an interim moment stand at the beginning and again while it goes; the
// last count. So a recorder that is killed leaves a file that answers for what it saw.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "explain/finding.h"
#include "explain/rules/rule_files.h"
#include "model/columns.h"
#include "waggle/bytes.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::agent {

// Whose subject it is: a process, or, where no process is meant (pid 0), a control group.
struct SubjectKey {
    std::uint32_t pid;
    std::uint64_t start_ns;
    std::uint64_t cgroup_id;  // 0 unless pid is

    static SubjectKey of(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id) {
        return {pid, start_ns, pid == 0 ? cgroup_id : 0};
    }
    auto operator<=>(const SubjectKey&) const = default;
};

// Writes a recording as it happens. A file that could not be written whole is reported by close(). Not
// thread-safe.
class RecordingWriter {
  public:
    // `path` "-" is standard output. `memory_bytes` is the store's bound: a replay lets the same rows leave.
    static Result<RecordingWriter> create(const std::string& path, std::size_t memory_bytes);

    // Rows of one schema; the names and subjects they need are written before them, each once.
    void rows(const Schema& schema, bool is_fact, std::span<const Row> rows, const Lookup& lookup);
    // A file of the user's rules that is in force.
    void user_rules(const explain::OwnedRuleFile& file);
    // All rows of a fact, as it was read now: they replace those written before.
    void fact(const Schema& schema, std::span<const Row> rows, const Lookup& lookup);
    // A text that whoever records wants to keep; no answer rests on it.
    void note(std::string_view name, std::string_view text);
    // What an answer about `topic` rests on besides rows. The closing one is the last: subjects are written
    // again as they are then. An interim one serves only where no closing one follows.
    enum class Moment : std::uint8_t { interim, closing };
    void moment(Moment kind, const explain::Answer& answer, std::string_view topic,
                std::span<const std::string> problems, const Lookup& lookup);
    // What was told so far is in the file when this returns, and stays there if the program is killed.
    void flush();
    Result<void> close();
    std::uint64_t bytes_written() const { return written_; }
    bool failed() const { return !failure_.empty(); }

    // The file becomes FILE.1, the one of that name FILE.2 and so on; of more than `parts` files the oldest is removed.
    // Gives the writer of a new FILE, empty but for its head; this one goes on writing to what is FILE.1 now.
    Result<RecordingWriter> next_part(unsigned parts) const;

  private:
    void frame(std::uint32_t type, Bytes payload);
    void text_frame(std::uint32_t type, std::string_view payload);
    std::uint32_t schema_id(const Schema& schema, bool is_fact);
    void names_of(const Row& row, const Lookup& lookup);
    void introduce(const SubjectKey& who, const Lookup& lookup);

    OwnedFd fd_;
    std::string path_;
    std::vector<std::byte> buffer_;
    std::uint64_t written_ = 0;
    std::size_t memory_bytes_ = 0;
    std::string failure_;
    std::map<std::string, std::uint32_t, std::less<>> schemas_;
    std::set<std::pair<std::string_view, std::uint64_t>> named_;
    std::set<SubjectKey> introduced_;
};

// A schema that came from a file and owns its texts.
struct OwnedSchema {
    std::deque<std::string> texts;
    std::vector<Field> fields;
    Schema schema;
    bool is_fact = false;
};

struct RecordedMoment {
    bool closing = false;  // an interim one: the recorder was stopped some time after it
    explain::Window window;
    std::string topic;
    std::vector<explain::SensorCoverage> coverage;
    std::vector<std::string> problems;
};

// What a reader of recordings is told, in file order.
class RecordingVisitor {
  public:
    virtual ~RecordingVisitor() = default;
    virtual void on_schema(const Schema& schema,
                           bool is_fact) = 0;  // lives as long as the reading's RecordingReader
    virtual void on_row(const Row& row) = 0;   // lives until it returns
    virtual void on_name(std::string_view dictionary, std::uint64_t value, std::string_view name) = 0;
    virtual void on_subject(const SubjectKey& who, Subject subject) = 0;
    virtual void on_memory(std::size_t bytes) = 0;       // the bound of the recorder's store; before any row
    virtual void on_fact_again(const Schema& fact) = 0;  // its rows so far are replaced by those that follow
    virtual void on_user_rules(const explain::OwnedRuleFile&) {}
    virtual void on_note(std::string_view /*name*/, std::string_view /*text*/) {}
    virtual void on_moment(RecordedMoment moment) = 0;  // the last one counts
};

class RecordingReader {
  public:
    // `file` is the whole file and outlives the reader. An error only when it is no recording at all.
    static Result<RecordingReader> open(Bytes file);

    // Reads to the end or to the first damage. Returns what is wrong with the file, naming the offset; empty
    // if whole.
    std::string read(RecordingVisitor& visitor);

  private:
    explicit RecordingReader(Bytes file) : file_(file) {}
    std::string read_control(std::uint32_t type, std::string_view text, RecordingVisitor& visitor);
    std::string read_frame(std::uint32_t type, Bytes payload, RecordingVisitor& visitor);
    std::string read_schema(std::string_view text, RecordingVisitor& visitor);
    std::string read_rows(Bytes payload, RecordingVisitor& visitor);

    Bytes file_;
    std::map<std::uint32_t, std::unique_ptr<OwnedSchema>> schemas_;
    bool closing_ = false;  // the moment read last
};

}  // namespace waggle::agent
