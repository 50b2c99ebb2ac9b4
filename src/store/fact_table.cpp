// SPDX-License-Identifier: Apache-2.0
#include "store/fact_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace waggle::agent {
namespace {

// More than any machine's rules and sockets need; a fact beyond it loses its first rows, which are then
// missing.
constexpr std::size_t fact_budget = 32u << 20;

}  // namespace

FactTable::FactTable(std::unique_ptr<facts::Fact> fact, const Clock* clock)
    : fact_(std::move(fact)), clock_(clock), schema_(fact_->schema()) {
    const Schema& plain = fact_->schema();
    for (const Field& field : plain.fields) {
        if (field.traits & trait_key) keys_.push_back(&field);
        if (field.traits & trait_cumulative) counters_.push_back(&field);
    }
    if (counters_.empty()) {
        table_ = std::make_unique<Table>(schema_, fact_budget);
        return;
    }
    const std::uint32_t added = static_cast<std::uint32_t>(counters_.size() + 1) * 8;
    names_.reserve(counters_.size());
    meanings_.reserve(counters_.size());
    fields_.assign(plain.fields.begin(), plain.fields.end());
    std::uint32_t offset = plain.size;
    for (const Field* counter : counters_) {
        names_.push_back(fmt::format("{}_delta", counter->name));
        meanings_.push_back(fmt::format("How much {} grew within delta_seconds.", counter->name));
        fields_.push_back(
            make_field(names_.back(), Type::i64, counter->unit, offset, 8, meanings_.back(), trait_nullable));
        offset += 8;
    }
    fields_.push_back(
        make_field("delta_seconds", Type::real, Unit::seconds, offset, 8,
                   "How long the _delta columns reach back; 0 where there was no earlier reading."));
    schema_.size = plain.size + added;
    schema_.fields = fields_;
    table_ = std::make_unique<Table>(schema_, fact_budget);
}

void FactTable::begin_moment(std::uint64_t now_ns, std::uint64_t oldest_ns) {
    now_ns_ = now_ns;
    read_ = false;
    problem_.clear();
    while (!readings_.empty() && readings_.front().time_ns < oldest_ns) readings_.pop_front();
}

std::string FactTable::key_of(const Row& row) const {
    std::string key;
    for (const Field* field : keys_) {
        if (field->type == Type::text || field->type == Type::text_ref) {
            key += row.text(*field);
            key += '\0';
        } else {
            key.append(reinterpret_cast<const char*>(row.bytes().data()) + field->offset, field->size);
        }
    }
    return key;
}

void FactTable::add(const Row& row, Reading& reading) const {
    if (counters_.empty()) {
        table_->append(row);
        return;
    }
    // The widened record: fixed part, deltas, tail. Texts move by what was put before them.
    const std::size_t plain = fact_->schema().size;
    const std::size_t added = schema_.size - plain;
    const std::size_t size = row.bytes().size() + added;
    std::vector<std::uint64_t> record((size + 7) / 8);
    auto* out = reinterpret_cast<std::byte*>(record.data());
    std::memcpy(out, row.bytes().data(), plain);
    if (row.bytes().size() > plain)
        std::memcpy(out + schema_.size, row.bytes().data() + plain, row.bytes().size() - plain);
    for (const Field& field : fact_->schema().fields) {
        if (field.type != Type::text_ref) continue;
        auto ref = load<waggle_text>(row.bytes(), field.offset);
        if (ref.length > 0) ref.offset += static_cast<__u32>(added);
        std::memcpy(out + field.offset, &ref, sizeof ref);
    }
    const std::string key = key_of(row);
    const Reading* before = readings_.empty() ? nullptr : &readings_.front();
    const auto then = before ? before->counters.find(key) : decltype(before->counters.find(key)){};
    const bool known = before && then != before->counters.end();
    std::vector<std::int64_t>& now = reading.counters[key];
    std::size_t offset = plain;
    for (std::size_t i = 0; i < counters_.size(); ++i, offset += 8) {
        const std::int64_t value = row.i64(*counters_[i]);
        now.push_back(value);
        // A row that was not there before has counted all it has since; a counter that fell was reset. A
        // negative or unknown value is no count at all.
        std::int64_t delta = null_i64;
        if (before && value >= 0) {
            const std::int64_t base = known ? then->second[i] : 0;
            delta = base >= 0 && value >= base ? value - base : value;
        }
        std::memcpy(out + offset, &delta, sizeof delta);
    }
    const double seconds = before ? static_cast<double>(reading.time_ns - before->time_ns) / 1e9 : 0;
    std::memcpy(out + offset, &seconds, sizeof seconds);
    table_->append(Row(schema_, {out, size}));
}

void FactTable::read() const {
    if (read_) return;
    read_ = true;
    table_ = std::make_unique<Table>(schema_, fact_budget);
    Reading reading{clock_ ? std::max(now_ns_, clock_->monotonic_ns()) : now_ns_, {}};
    const Result<void> done = fact_->read([&](const Row& row) { add(row, reading); });
    if (!done) problem_ = done.error().message;
    if (counters_.empty()) return;
    readings_.push_back(std::move(reading));
}

std::unique_ptr<Cursor> FactTable::open() const {
    read();
    return table_->open();
}

std::uint64_t FactTable::row_count() const { return table_->row_count(); }

}  // namespace waggle::agent
