// SPDX-License-Identifier: Apache-2.0
#include "store/fact_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "base/units.h"

namespace waggle::agent {
namespace {

// More than any machine's rules and sockets need, and than what 1,000 network namespaces count; a fact beyond it loses
// its first rows, and says so.
constexpr std::size_t fact_budget = 32u << 20;

}  // namespace

FactTable::FactTable(std::unique_ptr<facts::Fact> fact, facts::NamespaceTour* tour, const Clock* clock)
    : fact_(std::move(fact)), tour_(tour), clock_(clock), schema_(fact_->schema()) {
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

void FactTable::Reading::add_key(std::string_view key) {
    keys_ += key;
    ends_.push_back(keys_.size());
}

std::optional<std::size_t> FactTable::Reading::find(std::string_view wanted, std::size_t near) const {
    if (near < ends_.size() && key(near) == wanted) return near;
    if (places_.empty())
        for (std::size_t row = 0; row < ends_.size(); ++row) places_.emplace(key(row), row);
    const auto place = places_.find(wanted);
    if (place == places_.end()) return {};
    return place->second;
}

void FactTable::put_key(const Row& row, std::string& key) const {
    key.clear();
    for (const Field* field : keys_) {
        if (field->type == Type::text || field->type == Type::text_ref) {
            key += row.text(*field);
            key += '\0';
        } else {
            key.append(reinterpret_cast<const char*>(row.bytes().data()) + field->offset, field->size);
        }
    }
}

void FactTable::add(const Row& row) const {
    if (counters_.empty()) {
        table_->append(row);
        return;
    }
    // The widened record: fixed part, deltas, tail. Texts move by what was put before them.
    const std::size_t plain = fact_->schema().size;
    const std::size_t added = schema_.size - plain;
    const std::size_t size = row.bytes().size() + added;
    going_->record.resize((size + 7) / 8);
    auto* out = reinterpret_cast<std::byte*>(going_->record.data());
    std::memcpy(out, row.bytes().data(), plain);
    if (row.bytes().size() > plain)
        std::memcpy(out + schema_.size, row.bytes().data() + plain, row.bytes().size() - plain);
    for (const Field& field : fact_->schema().fields) {
        if (field.type != Type::text_ref) continue;
        auto ref = load<waggle_text>(row.bytes(), field.offset);
        if (ref.length > 0) ref.offset += static_cast<__u32>(added);
        std::memcpy(out + field.offset, &ref, sizeof ref);
    }
    put_key(row, going_->key);
    const Reading* before = readings_.empty() ? nullptr : &readings_.front();
    const std::optional<std::size_t> known =
        before ? before->find(going_->key, going_->near) : std::optional<std::size_t>();
    if (known) going_->near = *known + 1;
    going_->reading.add_key(going_->key);
    std::size_t offset = plain;
    for (std::size_t i = 0; i < counters_.size(); ++i, offset += 8) {
        const std::int64_t value = row.i64(*counters_[i]);
        going_->reading.add_value(value);
        // A row that was not there before has counted all it has since; a counter that fell was reset. A
        // negative or unknown value is no count at all.
        std::int64_t delta = null_i64;
        if (before && value >= 0) {
            const std::int64_t base = known ? before->value(*known, i, counters_.size()) : 0;
            delta = base >= 0 && value >= base ? value - base : value;
        }
        std::memcpy(out + offset, &delta, sizeof delta);
    }
    const double seconds = before ? static_cast<double>(going_->reading.time_ns - before->time_ns) / 1e9 : 0;
    std::memcpy(out + offset, &seconds, sizeof seconds);
    table_->append(Row(schema_, {out, size}));
}

void FactTable::begin_reading() const {
    read_ = true;
    indexes_.clear();
    table_ = std::make_unique<Table>(schema_, fact_budget);
    going_.emplace(Going{Reading(clock_ ? std::max(now_ns_, clock_->monotonic_ns()) : now_ns_), 0, {}, {}});
}

void FactTable::end_reading(const Result<void>& done) const {
    if (!done)
        problem_ = done.error().message;
    else if (table_->evicted() > 0)
        problem_ = fmt::format("{} has more rows than {} hold; {} are missing", schema_.name,
                               format_bytes(static_cast<double>(fact_budget)), table_->evicted());
    if (!counters_.empty()) readings_.push_back(std::move(going_->reading));
    going_.reset();
}

void FactTable::read() const {
    const FactTable* const alone = this;
    facts::NamespaceTour own;
    read_together({&alone, 1}, tour_ ? *tour_ : own);
}

void FactTable::read_together(std::span<const FactTable* const> tables, facts::NamespaceTour& tour) {
    std::vector<const FactTable*> due;
    std::vector<facts::FactReading> readings;
    for (const FactTable* table : tables) {
        if (table->read_) continue;
        table->begin_reading();
        due.push_back(table);
        readings.push_back({table->fact_.get(), [table](const Row& row) { table->add(row); }, {}});
    }
    facts::read_facts(readings, tour);
    for (std::size_t i = 0; i < due.size(); ++i) due[i]->end_reading(readings[i].result);
}

std::unique_ptr<Cursor> FactTable::open() const {
    read();
    return table_->open();
}

namespace {

class IndexCursor final : public Cursor {
  public:
    explicit IndexCursor(const std::vector<Row>& rows) : rows_(rows) {}
    bool next(Row& row) override {
        if (at_ == rows_.size()) return false;
        row = rows_[at_++];
        return true;
    }

  private:
    const std::vector<Row>& rows_;
    std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Cursor> FactTable::open_where(const Field& field, std::int64_t value) const {
    read();
    const auto [index, fresh] = indexes_.try_emplace(&field);
    if (fresh) table_->each([&](const Row& row) { index->second[row.i64(field)].push_back(row); });
    static const std::vector<Row> none;
    const auto rows = index->second.find(value);
    return std::make_unique<IndexCursor>(rows == index->second.end() ? none : rows->second);
}

std::uint64_t FactTable::row_count() const { return table_->row_count(); }

}  // namespace waggle::agent
