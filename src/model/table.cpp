// SPDX-License-Identifier: Apache-2.0
#include "model/table.h"

#include <algorithm>
#include <cstring>

namespace waggle {

class TableCursor final : public Cursor {
  public:
    explicit TableCursor(const Table& table) : table_(table) {}

    bool next(Row& row) override {
        while (block_ < table_.blocks_.size()) {
            const Table::Block& block = table_.blocks_[block_];
            if (at_ < block.used) {
                const auto size = load<std::uint64_t>({block.bytes.get(), block.used}, at_);
                row = Row(*table_.schema_,
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
    const Table& table_;
    std::size_t block_ = 0;
    std::size_t at_ = 0;
};

Table::Table(const Schema& schema, std::size_t budget_bytes)
    : schema_(&schema),
      budget_bytes_(budget_bytes),
      block_bytes_(std::clamp<std::size_t>(budget_bytes / 16, 4096, 256u << 10)) {}

void Table::make_room(std::size_t need) {
    if (!blocks_.empty() && blocks_.back().capacity - blocks_.back().used >= need) return;
    const std::size_t capacity = std::max(block_bytes_, need);
    while (blocks_.size() > 1 && held_bytes_ + capacity > budget_bytes_) {
        evicted_ += blocks_.front().rows;
        held_bytes_ -= blocks_.front().capacity;
        blocks_.pop_front();
    }
    blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(capacity), capacity, 0, 0});
    held_bytes_ += capacity;
}

void Table::append(const Row& row) {
    const std::uint64_t size = row.bytes().size();
    make_room(sizeof size + padded(row.bytes().size()));
    Block& block = blocks_.back();
    std::memcpy(block.bytes.get() + block.used, &size, sizeof size);
    std::memcpy(block.bytes.get() + block.used + sizeof size, row.bytes().data(), row.bytes().size());
    block.used += sizeof size + padded(row.bytes().size());
    ++block.rows;
    ++appended_;
}

void Table::clear() {
    evicted_ += row_count();
    blocks_.clear();
    held_bytes_ = 0;
}

std::unique_ptr<Cursor> Table::open() const { return std::make_unique<TableCursor>(*this); }

}  // namespace waggle
