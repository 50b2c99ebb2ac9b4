// SPDX-License-Identifier: Apache-2.0
// Relation: rows that can be scanned, live or read at the moment of asking. Table: the recent rows of one
// schema, bounded in bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/row.h"

namespace waggle {

// One pass over a relation. Rows stay valid until the relation is next changed.
class Cursor {
  public:
    virtual ~Cursor() = default;
    virtual bool next(Row& row) = 0;  // false at the end
};

class Relation {
  public:
    virtual ~Relation() = default;
    virtual const Schema& schema() const = 0;
    virtual std::unique_ptr<Cursor> open() const = 0;
    virtual std::uint64_t row_count() const = 0;
    // Whether open() first reads the system. A query then looks elsewhere first and opens this only for rows
    // that need it.
    virtual bool read_when_opened() const { return false; }
};

// Rows in the order they came. When the budget is full the oldest leave, a block at a time, and are counted.
// Not thread-safe; one owner. Appending copies each record once; scanning copies nothing.
class Table final : public Relation {
  public:
    // `budget_bytes` bounds the blocks held; at least two blocks are.
    Table(const Schema& schema, std::size_t budget_bytes);

    void append(const Row& row);
    void append(std::span<const Row> rows) {
        for (const Row& row : rows) append(row);
    }
    void clear();

    const Schema& schema() const override { return *schema_; }
    std::unique_ptr<Cursor> open() const override;
    std::uint64_t row_count() const override { return appended_ - evicted_; }

    std::uint64_t appended() const { return appended_; }
    std::uint64_t evicted() const { return evicted_; }
    std::size_t held_bytes() const { return held_bytes_; }

    // Calls `visit` for each row, oldest first.
    template <class Visit>
    void each(Visit&& visit) const {
        for (const Block& block : blocks_)
            for (std::size_t at = 0; at < block.used;) {
                const auto size = load<std::uint64_t>({block.bytes.get(), block.used}, at);
                visit(Row(*schema_, {block.bytes.get() + at + sizeof size, static_cast<std::size_t>(size)}));
                at += sizeof size + padded(static_cast<std::size_t>(size));
            }
    }

  private:
    friend class TableCursor;
    struct Block {
        std::unique_ptr<std::byte[]> bytes;  // u64 size, record padded to 8, u64 size, …
        std::size_t capacity = 0;
        std::size_t used = 0;
        std::uint64_t rows = 0;
    };
    static std::size_t padded(std::size_t size) { return (size + 7) & ~std::size_t{7}; }
    void make_room(std::size_t need);

    const Schema* schema_;
    std::size_t budget_bytes_;
    std::size_t block_bytes_;
    std::deque<Block> blocks_;
    std::size_t held_bytes_ = 0;
    std::uint64_t appended_ = 0;
    std::uint64_t evicted_ = 0;
};

}  // namespace waggle
