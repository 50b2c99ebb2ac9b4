// SPDX-License-Identifier: Apache-2.0
// Replay: a recording as a store. Needs no kernel, no root, and nothing of the machine it was made on.
#pragma once

#include <memory>
#include <string>

#include "agent/recording.h"
#include "agent/store.h"
#include "explain/rules.h"
#include "facts/fact.h"
#include "model/sensor.h"

namespace waggle::agent {

class RecordedSubjects final : public Subjects {
  public:
    void add(const SubjectKey& who, Subject subject) { subjects_[who] = std::move(subject); }
    const Subject* find(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id) const override {
        const auto found = subjects_.find(SubjectKey::of(pid, start_ns, cgroup_id));
        return found == subjects_.end() ? nullptr : &found->second;
    }

  private:
    std::map<SubjectKey, Subject> subjects_;
};

class Replay {
  public:
    // An error when the file cannot be read or is no recording; a damaged one is served as far as it is
    // whole, and says so in problem().
    static Result<std::unique_ptr<Replay>> open(const std::string& path);
    // The same for the bytes of a file; `words` keeps them 8-byte aligned, `size` counts bytes.
    static Result<std::unique_ptr<Replay>> read(std::vector<std::uint64_t> words, std::size_t size);
    ~Replay();

    Store& store() { return *store_; }
    const std::string& problem() const { return problem_; }
    // The topic the recording was made for; "" = all.
    const std::string& topic() const { return moment_.topic; }
    const explain::Window& window() const { return moment_.window; }
    explain::Answer answer(std::string_view topic);
    const explain::RuleBook& rules() const { return *rules_; }

  private:
    class Filler;
    Replay() = default;

    std::vector<std::uint64_t> words_;
    std::unique_ptr<RecordingReader> reader_;  // owns the schemas
    RecordedSubjects subjects_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<explain::RuleBook> rules_;
    std::vector<std::string> rule_texts_;
    std::vector<std::unique_ptr<FactTable>> absent_facts_;  // own the schemas of facts the recording lacks
    std::vector<std::unique_ptr<Sensor>> sensors_;          // the same for rows
    RecordedMoment moment_;
    std::string problem_;
};

// Reads every built-in rule against every table, without touching the system; gives how many there are.
Result<std::size_t> check_rules();

}  // namespace waggle::agent
