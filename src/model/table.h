// SPDX-License-Identifier: Apache-2.0
// Relation: rows that can be scanned, live or read at the moment of asking. Table: the recent rows of one
// schema, bounded in bytes. TableView: the rows a table held at one moment, for who asks while it is filled.
#pragma once

#include <atomic>
#include <cstdint>
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
// Appending copies each record once; scanning copies nothing.
//
// One thread appends; any number may take snapshots, open cursors and read the counts meanwhile, and hold up
// nobody: a block is only ever written behind its mark, and a snapshot keeps its blocks alive. What a
// snapshot holds of rows that have left the table since comes on top of the budget.
class Table final : public Relation {
    struct Block {
        explicit Block(std::size_t size)
            : bytes(std::make_unique_for_overwrite<std::byte[]>(size)), capacity(size) {}
        const std::unique_ptr<std::byte[]> bytes;  // u64 size, record padded to 8, u64 size, …
        const std::size_t capacity;
        std::atomic<std::size_t> used{0};
        std::atomic<std::uint64_t> rows{0};
    };
    using Blocks = std::vector<std::shared_ptr<Block>>;

  public:
    // The rows held at one moment, oldest first.
    class Snapshot {
      public:
        Snapshot() = default;
        std::uint64_t row_count() const { return rows_; }
        std::unique_ptr<Cursor> open() const;

        // Calls `visit` for each row, oldest first.
        template <class Visit>
        void each(Visit&& visit) const {
            const std::unique_ptr<Cursor> cursor = open();
            for (Row row; cursor->next(row);) visit(row);
        }

      private:
        friend class Table;
        friend class TableCursor;
        const Schema* schema_ = nullptr;
        std::shared_ptr<const Blocks> blocks_;
        std::size_t last_used_ = 0;  // of the newest block; the others are full
        std::uint64_t rows_ = 0;
    };

    // The least budget that is kept: at least two blocks are held, whatever it is.
    static constexpr std::size_t smallest_block = 4096;
    static constexpr std::size_t smallest_budget = 2 * smallest_block;

    // `budget_bytes` bounds the blocks held; at least two blocks are.
    Table(const Schema& schema, std::size_t budget_bytes);
    Table(Table&& other) noexcept;  // while nobody else uses it
    Table& operator=(Table&&) = delete;

    // For the thread that appends. What is held above a smaller budget leaves as new rows come.
    void set_budget(std::size_t bytes);
    void append(const Row& row);
    void append(std::span<const Row> rows) {
        for (const Row& row : rows) append(row);
    }
    void clear();
    // All rows at once: whoever looks sees those before or these. The ones before do not count as evicted.
    void replace(std::span<const Row> rows);

    const Schema& schema() const override { return *schema_; }
    std::unique_ptr<Cursor> open() const override { return snapshot().open(); }
    std::uint64_t row_count() const override {
        return appended() - evicted() - replaced_.load(std::memory_order_relaxed);
    }
    Snapshot snapshot() const;

    std::uint64_t appended() const { return appended_.load(std::memory_order_relaxed); }
    std::uint64_t evicted() const { return evicted_.load(std::memory_order_relaxed); }
    std::size_t held_bytes() const { return held_bytes_; }  // for the thread that appends

    // Calls `visit` for each row, oldest first.
    template <class Visit>
    void each(Visit&& visit) const {
        snapshot().each(visit);
    }

  private:
    friend class TableCursor;
    static std::size_t padded(std::size_t size) { return (size + 7) & ~std::size_t{7}; }
    void make_room(std::size_t need);
    void publish();

    const Schema* schema_;
    std::size_t budget_bytes_;
    std::size_t block_bytes_;
    Blocks blocks_;                                         // the appending thread's own list, and
    std::atomic<std::shared_ptr<const Blocks>> published_;  // the same for everybody else
    std::size_t held_bytes_ = 0;
    std::atomic<std::uint64_t> appended_{0};
    std::atomic<std::uint64_t> evicted_{0};
    std::atomic<std::uint64_t> replaced_{0};
    bool replacing_ = false;  // nothing is published until it is whole
};

// A table as it was at a moment: every cursor opened until the next begin_moment() sees the same rows. Before
// the first moment each sees what is there when it is opened. For one thread, which need not be the one that
// appends. The table outlives it.
class TableView final : public Relation {
  public:
    explicit TableView(const Table& table) : table_(table) {}
    void begin_moment() {
        moment_ = table_.snapshot();
        begun_ = true;
    }
    const Schema& schema() const override { return table_.schema(); }
    std::unique_ptr<Cursor> open() const override { return begun_ ? moment_.open() : table_.open(); }
    std::uint64_t row_count() const override { return begun_ ? moment_.row_count() : table_.row_count(); }

  private:
    const Table& table_;
    Table::Snapshot moment_;
    bool begun_ = false;
};

}  // namespace waggle
