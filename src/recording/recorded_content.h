// SPDX-License-Identifier: Apache-2.0
// RecordedContent: a whole recording in memory, so that a part of it can be written as a recording of its
// own: a smaller one, and one that tells of nobody it is not about.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/columns.h"
#include "recording/recording.h"
#include "waggle/result.h"

namespace waggle::agent {

// Those that a recording names.
class RecordedSubjects final : public Subjects {
  public:
    void add(const SubjectKey& who, Subject subject) { subjects_[who] = std::move(subject); }

  private:
    bool look_up(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id, Visitor visit,
                 void* to) const override {
        const auto found = subjects_.find(SubjectKey::of(pid, start_ns, cgroup_id));
        if (found == subjects_.end()) return false;
        visit(to, found->second);
        return true;
    }

    std::map<SubjectKey, Subject> subjects_;
};

class RecordedContent final : private RecordingVisitor {
  public:
    // An error when the file cannot be read, is no recording, or is damaged.
    static Result<std::unique_ptr<RecordedContent>> read(const std::string& path);

    // The rows in file order, and of each fact those that were read last. They borrow from this object.
    const std::vector<Row>& rows() const { return rows_; }
    const std::map<std::string, std::vector<Row>, std::less<>>& facts() const { return facts_; }
    Lookup lookup() const { return {&names_, &subjects_}; }

    // Only these rows stay, those of facts too.
    void keep(const std::function<bool(const Row&)>& wanted);
    // The row no longer tells whose process it was.
    void forget_process(const Row& row);
    // What whoever makes the recording wants to keep beside the rows.
    void note(const std::string& name, std::string text) { notes_[name] = std::move(text); }

    // As a recording: with the names and subjects that its rows need, and without the user's rules.
    Result<void> write(const std::string& path) const;

  private:
    RecordedContent() = default;
    void on_schema(const Schema& schema, bool is_fact) override;
    void on_row(const Row& row) override;
    void on_name(std::string_view dictionary, std::uint64_t value, std::string_view name) override;
    void on_subject(const SubjectKey& who, Subject subject) override;
    void on_memory(std::size_t bytes) override { memory_bytes_ = bytes; }
    void on_fact_again(const Schema& fact) override { facts_[std::string(fact.name)].clear(); }
    void on_note(std::string_view name, std::string_view text) override {
        note(std::string(name), std::string(text));
    }
    void on_moment(RecordedMoment moment) override { moment_ = std::move(moment); }

    std::vector<std::uint64_t> words_;         // the file
    std::unique_ptr<RecordingReader> reader_;  // owns the schemas
    std::vector<Row> rows_;
    std::map<std::string, std::vector<Row>, std::less<>> facts_;
    Names names_;
    RecordedSubjects subjects_;
    std::map<std::string, std::string> notes_;
    std::size_t memory_bytes_ = 64u << 20;
    RecordedMoment moment_;
};

}  // namespace waggle::agent
