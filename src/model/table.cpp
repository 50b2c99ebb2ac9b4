// SPDX-License-Identifier: Apache-2.0
#include "model/table.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace waggle {

class TableCursor final : public Cursor {
  public:
    explicit TableCursor(Table::Snapshot snapshot) : snapshot_(std::move(snapshot)) {}

    bool next(Row& row) override {
        if (!snapshot_.blocks_) return false;
        const Table::Blocks& blocks = *snapshot_.blocks_;
        while (block_ < blocks.size()) {
            const Table::Block& block = *blocks[block_];
            const bool newest = block_ + 1 == blocks.size();
            const std::size_t used =
                newest ? snapshot_.last_used_ : block.used.load(std::memory_order_acquire);
            if (at_ < used) {
                const auto size = load<std::uint64_t>({block.bytes.get(), used}, at_);
                row = Row(*snapshot_.schema_,
                          {block.bytes.get() + at_ + sizeof size, static_cast<std::size_t>(size)});
                at_ += sizeof size + Table::padded(static_cast<std::size_t>(size));
                return true;
            }
            ++block_;
            at_ = 0;
        }
        return false;
    }

  private:
    const Table::Snapshot snapshot_;
    std::size_t block_ = 0;
    std::size_t at_ = 0;
};

std::unique_ptr<Cursor> Table::Snapshot::open() const { return std::make_unique<TableCursor>(*this); }

Table::Table(const Schema& schema, std::size_t budget_bytes) : schema_(&schema) { set_budget(budget_bytes); }

Table::Table(Table&& other) noexcept
    : schema_(other.schema_),
      budget_bytes_(other.budget_bytes_),
      block_bytes_(other.block_bytes_),
      blocks_(std::move(other.blocks_)),
      published_(other.published_.exchange(nullptr)),
      held_bytes_(std::exchange(other.held_bytes_, 0)),
      appended_(other.appended_.exchange(0)),
      evicted_(other.evicted_.exchange(0)),
      replaced_(other.replaced_.exchange(0)) {}

void Table::set_budget(std::size_t bytes) {
    budget_bytes_ = bytes;
    block_bytes_ = std::clamp<std::size_t>(bytes / 16, smallest_block, 256u << 10);
}

void Table::publish() {
    if (replacing_) return;
    published_.store(std::make_shared<const Blocks>(blocks_), std::memory_order_release);
}

Table::Snapshot Table::snapshot() const {
    Snapshot out;
    out.schema_ = schema_;
    out.blocks_ = published_.load(std::memory_order_acquire);
    if (!out.blocks_ || out.blocks_->empty()) return out;
    // The rows before the mark: the mark is moved before the count, so the count can only be short of it.
    for (const std::shared_ptr<Block>& block : *out.blocks_)
        out.rows_ += block->rows.load(std::memory_order_relaxed);
    out.last_used_ = out.blocks_->back()->used.load(std::memory_order_acquire);
    return out;
}

void Table::make_room(std::size_t need) {
    if (!blocks_.empty()) {
        const Block& newest = *blocks_.back();
        if (newest.capacity - newest.used.load(std::memory_order_relaxed) >= need) return;
    }
    // Each as large as all before it, up to the largest, so that a table of few rows takes little.
    const std::size_t capacity = std::max(need, std::clamp(held_bytes_, smallest_block, block_bytes_));
    std::size_t leaving = 0;
    while (blocks_.size() - leaving > 1 && held_bytes_ + capacity > budget_bytes_) {
        evicted_.fetch_add(blocks_[leaving]->rows.load(std::memory_order_relaxed), std::memory_order_relaxed);
        held_bytes_ -= blocks_[leaving]->capacity;
        ++leaving;
    }
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(leaving));
    blocks_.push_back(std::make_shared<Block>(capacity));
    held_bytes_ += capacity;
    publish();
}

void Table::append(const Row& row) {
    const std::uint64_t size = row.bytes().size();
    make_room(sizeof size + padded(row.bytes().size()));
    Block& block = *blocks_.back();
    const std::size_t at = block.used.load(std::memory_order_relaxed);
    std::memcpy(block.bytes.get() + at, &size, sizeof size);
    std::memcpy(block.bytes.get() + at + sizeof size, row.bytes().data(), row.bytes().size());
    block.used.store(at + sizeof size + padded(row.bytes().size()), std::memory_order_release);
    block.rows.store(block.rows.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    appended_.store(appended_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Table::replace(std::span<const Row> rows) {
    replaced_.fetch_add(row_count(), std::memory_order_relaxed);
    blocks_.clear();
    held_bytes_ = 0;
    replacing_ = true;
    append(rows);
    replacing_ = false;
    publish();
}

void Table::clear() {
    evicted_.fetch_add(row_count(), std::memory_order_relaxed);
    blocks_.clear();
    held_bytes_ = 0;
    publish();
}

}  // namespace waggle
