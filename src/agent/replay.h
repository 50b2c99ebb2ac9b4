// SPDX-License-Identifier: Apache-2.0
// Replay: a recording as a store. Needs no kernel, no root, and nothing of the machine it was made on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "explain/rules.h"
#include "facts/fact.h"
#include "recording/recorded_content.h"
#include "recording/recording.h"
#include "store/store.h"

namespace waggle::agent {

class Replay {
  public:
    // An error when the file cannot be read or is no recording; a damaged one is served as far as it is
    // whole, and says so in problem().
    static Result<std::unique_ptr<Replay>> open(const std::string& path, std::string_view language = "en");
    // To ask every row of the file in SQL, also those that had left the recorder's memory. The rows are read where
    // they lie and take no memory; whoever cuts the file meanwhile ends the process with SIGBUS.
    static Result<std::unique_ptr<Replay>> open_whole(const std::string& path);
    // The same for the bytes of a file; `words` keeps them 8-byte aligned, `size` counts bytes.
    static Result<std::unique_ptr<Replay>> read(std::vector<std::uint64_t> words, std::size_t size,
                                                std::string_view language = "en");
    ~Replay();

    Store& store() { return *store_; }
    const std::string& problem() const { return problem_; }
    // The topic the recording was made for; "" = all.
    const std::string& topic() const { return moment_.topic; }
    const explain::Window& window() const { return moment_.window; }
    explain::Answer answer(std::string_view topic);
    // What the recorder kept under this name; empty where nothing.
    const std::string& note(std::string_view name) const;
    const explain::RuleBook& rules() const { return *rules_; }

  private:
    class Filler;
    // A recorded schema with what today's has besides it.
    struct GrownSchema {
        std::vector<Field> fields;
        Schema schema;
    };
    Replay() = default;
    // The schema itself, or one that has besides it the fields of today's schema of that name, as absent: a
    // recording stays readable when a schema grows.
    const Schema* with_absent_fields(const Schema* recorded);

    // The file, mapped into the address space.
    class Mapping {
      public:
        Mapping() = default;
        Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
        Mapping& operator=(Mapping&& other) noexcept {
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~Mapping();
        static Result<Mapping> of(const std::string& path);
        Bytes bytes() const { return bytes_; }

      private:
        Bytes bytes_;
    };
    // Fills it from what words_ or mapping_ holds.
    static Result<std::unique_ptr<Replay>> fill(std::unique_ptr<Replay> replay, Bytes file,
                                                std::string_view language);

    std::vector<std::uint64_t> words_;
    Mapping mapping_;
    bool whole_ = false;  // every row of the file, and not what the recorder's memory held
    std::unique_ptr<RecordingReader> reader_;  // owns the schemas
    RecordedSubjects subjects_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<explain::RuleBook> rules_;
    std::vector<explain::OwnedRuleFile> user_rules_;        // that were in force
    std::vector<std::unique_ptr<FactTable>> absent_facts_;  // own the schemas of facts the recording lacks
    std::vector<std::unique_ptr<GrownSchema>> grown_schemas_;
    std::map<std::string, std::string, std::less<>> notes_;
    RecordedMoment moment_;
    std::string problem_;
};

}  // namespace waggle::agent
