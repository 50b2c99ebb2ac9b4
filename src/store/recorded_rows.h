// SPDX-License-Identifier: Apache-2.0
// RecordedRows: the rows of one schema where they lie in a recording, all of them, whatever the memory: for who
// asks a recording rather than replays what its recorder remembered.
#pragma once

#include <vector>

#include "model/table.h"

namespace waggle::agent {

class RecordedRows final : public Relation {
  public:
    explicit RecordedRows(const Schema& schema) : schema_(schema) {}

    // `bytes` is a record as a recording holds it: behind its size in eight bytes, and outlives this object. Rows that
    // lie behind each other take no room here.
    void add(Bytes bytes) {
        const std::byte* begin = bytes.data() - sizeof(std::uint64_t);
        const std::byte* end = bytes.data() + padded(bytes.size());
        if (!runs_.empty() && runs_.back().end == begin)
            runs_.back().end = end;
        else
            runs_.push_back({begin, end});
        ++rows_;
    }

    const Schema& schema() const override { return schema_; }
    std::uint64_t row_count() const override { return rows_; }
    std::unique_ptr<Cursor> open() const override { return std::make_unique<Walk>(*this); }

  private:
    struct Run {
        const std::byte* begin;
        const std::byte* end;
    };
    class Walk final : public Cursor {
      public:
        explicit Walk(const RecordedRows& rows) : rows_(rows) {}
        bool next(Row& row) override {
            if (at_ == end_) {
                if (run_ == rows_.runs_.size()) return false;
                at_ = rows_.runs_[run_].begin;
                end_ = rows_.runs_[run_++].end;
            }
            const auto size =
                static_cast<std::size_t>(load<std::uint64_t>(Bytes(at_, sizeof(std::uint64_t))));
            row = Row(rows_.schema_, Bytes(at_ + sizeof(std::uint64_t), size));
            at_ += sizeof(std::uint64_t) + padded(size);
            return true;
        }

      private:
        const RecordedRows& rows_;
        std::size_t run_ = 0;
        const std::byte* at_ = nullptr;
        const std::byte* end_ = nullptr;
    };
    static std::size_t padded(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

    const Schema& schema_;
    std::vector<Run> runs_;
    std::uint64_t rows_ = 0;
};

}  // namespace waggle::agent
