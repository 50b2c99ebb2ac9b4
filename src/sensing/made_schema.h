// SPDX-License-Identifier: Apache-2.0
// MadeSchema: a schema that is made while the program runs, of what a place or a foreign object turns out to
// have; it owns its texts. MadeRecords: its records. A record is the head that every record has, eight bytes
// for each field, and the texts behind.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"
#include "waggle/bytes.h"
#include "waggle/coverage.h"

namespace waggle::sensors {

class MadeSchema {
  public:
    struct Form {
        std::uint16_t kind = 0;         // which of its source's schemas it is
        bool of_process = false;        // its head says whose record it is; else only when it came
        bool is_state = false;          // see Schema
        std::string_view renamed = {};  // stands before a field's name that is taken: "arg_"
    };
    MadeSchema(std::string_view name, std::string_view meaning, const Form& form);
    MadeSchema(const MadeSchema&) = delete;
    MadeSchema& operator=(const MadeSchema&) = delete;

    struct About {
        std::string_view meaning;
        Unit unit = Unit::none;
        unsigned traits = trait_none;
        std::string_view dictionary = {};
    };
    // `type` is one that eight bytes hold: u64, i64, real, flag, text_ref or distribution. Gives the field's
    // number.
    std::size_t add(std::string_view name, Type type, const About& about);

    const Schema& schema() const { return schema_; }
    std::string_view name_of(std::size_t field) const { return fields_[head_fields_ + field].name; }
    std::size_t fields() const { return fields_.size() - head_fields_; }
    std::uint16_t kind() const { return kind_; }

  private:
    std::string_view own(std::string_view text) { return texts_.emplace_back(text); }
    bool is_taken(std::string_view name) const;

    std::deque<std::string> texts_;
    std::vector<Field> fields_;
    Schema schema_;
    std::size_t head_fields_ = 0;
    std::uint16_t kind_;
    std::string renamed_;
};

class MadeRecords {
  public:
    // The fields of this record are told until the next one begins; those that are not are 0 or empty. The
    // schema outlives the record's handing over.
    void begin(const MadeSchema& schema, std::uint64_t time_ns);
    // The same for a record of a process: its head is taken over.
    void begin(const MadeSchema& schema, const waggle_event& head);
    void number(std::size_t field, std::uint64_t value);
    void real(std::size_t field, double value);
    void text(std::size_t field, std::string_view value);

    std::size_t count() const { return starts_.size(); }
    std::size_t bytes() const { return words_.size() * 8; }
    // All records since the last time; their bytes live until the next one begins.
    std::vector<Bytes> take();

  private:
    void end();
    std::byte* slot(std::size_t field);

    std::vector<std::uint64_t> words_;
    std::vector<std::size_t> starts_;  // in words
    std::string tail_;                 // of the record at work
    bool open_ = false;
    bool taken_ = false;
};

}  // namespace waggle::sensors
