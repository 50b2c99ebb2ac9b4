// SPDX-License-Identifier: Apache-2.0
#include "sensing/made_schema.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "model/subject.h"

namespace waggle::sensors {
namespace {

constexpr Field process_head[] = {WAGGLE_HEADER_FIELDS_AT(0, trait_filtered)};

}  // namespace

MadeSchema::MadeSchema(std::string_view name, std::string_view meaning, const Form& form)
    : schema_{own(name), own(meaning), sizeof(waggle_event), {}, form.of_process, 4, form.is_state},
      kind_(form.kind),
      renamed_(form.renamed) {
    if (form.of_process)
        fields_.assign(std::begin(process_head), std::end(process_head));
    else
        fields_.push_back(make_field("time_ns", Type::u64, Unit::nanoseconds, offsetof(waggle_event, time_ns),
                                     8, "When waggle read it, by the clock CLOCK_MONOTONIC."));
    if (form.is_state) schema_.memory_weight = 1;
    head_fields_ = fields_.size();
    schema_.fields = fields_;
}

// SQL knows no small and large letters, and a column of the subject would be hidden.
bool MadeSchema::is_taken(std::string_view name) const {
    const std::string wanted = to_lower(name);
    if (schema_.has_subject &&
        std::ranges::any_of(subject_columns, [&](const auto& column) { return column.name == wanted; }))
        return true;
    return std::ranges::any_of(fields_, [&](const Field& field) { return to_lower(field.name) == wanted; });
}

std::size_t MadeSchema::add(std::string_view name, Type type, const About& about) {
    std::string free(name);
    for (int i = 2; is_taken(free); ++i)
        free = i == 2 && !renamed_.empty() ? renamed_ + std::string(name) : fmt::format("{}_{}", name, i);
    const std::uint32_t size = type == Type::flag ? 1 : 8;
    fields_.push_back(make_field(own(free), type, about.unit, schema_.size, size, own(about.meaning),
                                 about.traits, own(about.dictionary)));
    schema_.size += 8;
    schema_.fields = fields_;
    return fields() - 1;
}

void MadeRecords::begin(const MadeSchema& schema, const waggle_event& head) {
    end();
    if (taken_) {
        words_.clear();
        starts_.clear();
        taken_ = false;
    }
    starts_.push_back(words_.size());
    words_.resize(words_.size() + schema.schema().size / 8);
    waggle_event own = head;
    own.kind = schema.kind();
    own.size = schema.schema().size;
    std::memcpy(words_.data() + starts_.back(), &own, sizeof own);
    open_ = true;
}

void MadeRecords::begin(const MadeSchema& schema, std::uint64_t time_ns) {
    waggle_event head{};
    head.time_ns = time_ns;
    begin(schema, head);
}

std::byte* MadeRecords::slot(std::size_t field) {
    return reinterpret_cast<std::byte*>(words_.data() + starts_.back()) + sizeof(waggle_event) + 8 * field;
}

void MadeRecords::number(std::size_t field, std::uint64_t value) {
    std::memcpy(slot(field), &value, sizeof value);
}

void MadeRecords::real(std::size_t field, double value) { std::memcpy(slot(field), &value, sizeof value); }

void MadeRecords::text(std::size_t field, std::string_view value) {
    waggle_event head;
    std::memcpy(&head, words_.data() + starts_.back(), sizeof head);
    const waggle_text place{static_cast<__u32>(head.size + tail_.size()), static_cast<__u32>(value.size())};
    std::memcpy(slot(field), &place, sizeof place);
    tail_.append(value);
}

void MadeRecords::end() {
    if (!open_) return;
    open_ = false;
    if (tail_.empty()) return;
    const std::size_t fixed = words_.size();
    words_.resize(fixed + (tail_.size() + 7) / 8);
    std::memcpy(words_.data() + fixed, tail_.data(), tail_.size());
    auto* head = reinterpret_cast<waggle_event*>(words_.data() + starts_.back());
    head->size += static_cast<__u32>(tail_.size());
    tail_.clear();
}

std::vector<Bytes> MadeRecords::take() {
    end();
    std::vector<Bytes> out;
    if (taken_) return out;
    taken_ = true;
    for (const std::size_t start : starts_) {
        const auto* record = reinterpret_cast<const std::byte*>(words_.data() + start);
        out.emplace_back(record, reinterpret_cast<const waggle_event*>(record)->size);
    }
    return out;
}

}  // namespace waggle::sensors
