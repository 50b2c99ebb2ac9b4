// SPDX-License-Identifier: Apache-2.0
// Recording: everything an answer rests on, in one file: rows of every schema, the facts that were read,
// names, subjects, coverage and window. Replayed anywhere, without root, it gives the same answer byte for
// byte.
//
// Format: 16 bytes of magic, then frames: {u32 type, u32 payload bytes, u32 CRC-32C of type, length and
// payload, u32 0}, payload, zeros to a multiple of 8. Rows are the kernel's bytes; everything else is JSON.
// Little endian. A frame that is cut or damaged ends the reading: what stands before it is served, and the
// problem names its offset.
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
    // `memory_bytes` is the store's bound: a replay lets the same rows leave.
    static Result<RecordingWriter> create(const std::string& path, std::size_t memory_bytes);

    // Rows of one schema; the names and subjects they need are written before them, each once.
    void rows(const Schema& schema, bool is_fact, std::span<const Row> rows, const Lookup& lookup);
    // The closing moment: what the answer about `topic` rested on besides rows. Subjects are written again as
    // they are now.
    void moment(const explain::Answer& answer, std::string_view topic, std::span<const std::string> problems,
                const Lookup& lookup);
    Result<void> close();
    std::uint64_t bytes_written() const { return written_; }

  private:
    void frame(std::uint32_t type, Bytes payload);
    void text_frame(std::uint32_t type, std::string_view payload);
    std::uint32_t schema_id(const Schema& schema, bool is_fact);
    void names_of(const Row& row, const Lookup& lookup);
    void introduce(const SubjectKey& who, const Lookup& lookup);
    void flush();

    OwnedFd fd_;
    std::string path_;
    std::vector<std::byte> buffer_;
    std::uint64_t written_ = 0;
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
    virtual void on_memory(std::size_t bytes) = 0;  // the bound of the recorder's store; before any row
    virtual void on_moment(RecordedMoment moment) = 0;
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
};

}  // namespace waggle::agent
