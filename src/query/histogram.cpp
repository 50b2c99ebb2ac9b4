// SPDX-License-Identifier: Apache-2.0
#include "query/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace waggle::explain {
namespace {

using Kind = HistogramForm::Kind;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
constexpr double precision = 1.0 / 32;  // half a step of the widest kind: 17/16 of its lower bound

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t sum = a + b;
    return sum < a ? largest : sum;
}

std::int64_t as_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(
        std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

HistogramForm coarser(const HistogramForm& a, const HistogramForm& b) {
    if (a.kind == Kind::log2 || b.kind == Kind::log2) return {};
    return HistogramForm::log_linear(std::max(a.unit, b.unit), std::min(a.end, b.end));
}

// The slot of `to` that holds the whole slot of `from`. The lowest slot of a log-linear one spans several
// octaves: it goes to the highest of them, so that no value is said to be smaller than it was.
std::size_t slot_in(const HistogramForm& to, const HistogramForm& from, std::size_t slot) {
    const bool lowest = to.kind == Kind::log2 && slot == 0;
    return to.slot_of(lowest ? from.upper_bound(0) : from.lower_bound(slot));
}

// The value at `position` (0 to 1) of a slot, within `precision` of every value of the slot.
double inside(double lower, double upper, double position) {
    const double from = std::ceil(std::max(lower, (1 - precision) * upper));
    const double to = std::floor(std::min(upper, (1 + precision) * lower));
    if (from > to) return (lower + upper) / 2;  // below 16 units, where a slot is wider than that
    return std::clamp(lower + position * (upper - lower), from, to);
}

// Neighbours that are empty become one line.
void join_empty(std::vector<Histogram::Line>& lines) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (kept > 0 && lines[i].count == 0 && lines[kept - 1].count == 0)
            lines[kept - 1].to = lines[i].to;
        else
            lines[kept++] = lines[i];
    }
    lines.resize(kept);
}

}  // namespace

Histogram::Histogram(HistogramForm form, std::span<const std::uint64_t> slots)
    : form_(form), slots_(slots.begin(), slots.end()) {}

void Histogram::become(HistogramForm form) {
    if (form == form_) return;
    std::vector<std::uint64_t> slots(form.slots());
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        std::uint64_t& slot = slots[slot_in(form, form_, i)];
        slot = saturating_add(slot, slots_[i]);
    }
    form_ = form;
    slots_ = std::move(slots);
}

bool Histogram::add(std::string_view blob) {
    HistogramReader whole(blob);
    std::size_t slot = 0;
    std::uint64_t count = 0;
    bool any = false;
    while (whole.next(slot, count)) any |= count != 0;
    if (whole.damaged()) return false;
    if (!any) return true;
    HistogramReader reader(blob);
    if (slots_.empty()) form_ = reader.form();
    become(coarser(form_, reader.form()));
    const bool same = form_ == reader.form();
    while (reader.next(slot, count)) {
        const std::size_t at = same ? slot : slot_in(form_, reader.form(), slot);
        if (at >= slots_.size()) slots_.resize(at + 1);
        slots_[at] = saturating_add(slots_[at], count);
    }
    return true;
}

std::uint64_t Histogram::total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : slots_) total = saturating_add(total, count);
    return total;
}

std::optional<std::int64_t> Histogram::percentile(double share) const {
    const std::uint64_t total = this->total();
    if (total == 0) return std::nullopt;
    // 0.07 of 100 values is 7, although 0.07 * 100 is a little more than 7 in binary.
    const double exact = share * static_cast<double>(total);
    const double nearest = std::round(exact);
    double rank = std::fabs(exact - nearest) <= 1e-9 * std::fmax(1.0, nearest) ? nearest : std::ceil(exact);
    rank = std::fmin(std::fmax(rank, 1.0), static_cast<double>(total));
    std::uint64_t before = 0, seen = 0;
    std::size_t last = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i] == 0) continue;
        last = i;
        before = seen;
        seen = saturating_add(seen, slots_[i]);
        if (static_cast<double>(seen) >= rank) break;
    }
    if (form_.kind == Kind::log2) return as_signed(form_.upper_bound(last));
    const std::uint64_t lower = form_.lower_bound(last);
    if (form_.is_open(last)) return as_signed(lower);
    const double position = (rank - static_cast<double>(before) - 0.5) / static_cast<double>(slots_[last]);
    const double value = inside(static_cast<double>(lower), static_cast<double>(form_.upper_bound(last)),
                                std::clamp(position, 0.0, 1.0));
    if (value >= 9.2e18) return as_signed(lower);
    return static_cast<std::int64_t>(std::llround(value));
}

std::vector<Histogram::Line> Histogram::octaves(unsigned steps) const {
    std::vector<Line> lines;
    // Where a slot's line begins: the step of its octave that holds it.
    const auto line_of = [&](std::size_t slot) {
        const std::uint64_t units = form_.lower_bound(slot) >> form_.unit;
        if (units < 2) return units;
        const int octave = static_cast<int>(std::bit_width(units)) - 1;
        const int step_bits = std::min(octave, static_cast<int>(std::bit_width(steps)) - 1);
        return units >> (octave - step_bits) << (octave - step_bits);
    };
    std::optional<std::uint64_t> current;
    for (std::size_t slot = 0; slot < form_.slots(); ++slot) {
        const bool open = form_.is_open(slot);
        const bool is_held = slot < slots_.size();  // the last line goes on to its end all the same
        if (!is_held && (lines.empty() || open || line_of(slot) != current)) break;
        if (lines.empty() || open || line_of(slot) != current)
            lines.push_back({form_.lower_bound(slot), 0, 0, open});
        current = line_of(slot);
        lines.back().to = form_.upper_bound(slot);
        if (is_held) lines.back().count = saturating_add(lines.back().count, slots_[slot]);
    }
    const auto holds = [](const Line& line) { return line.count != 0; };
    const auto first = std::ranges::find_if(lines, holds);
    lines.erase(lines.begin(), first);
    while (!lines.empty() && !holds(lines.back())) lines.pop_back();
    if (steps > 1) join_empty(lines);
    return lines;
}

std::vector<Histogram::Line> Histogram::linear() const {
    const std::uint64_t total = this->total();
    if (total == 0) return {};
    std::size_t first = 0, last = slots_.size() - 1;
    while (slots_[first] == 0) ++first;
    while (slots_[last] == 0) --last;
    if (form_.is_open(first)) return {{form_.lower_bound(first), form_.upper_bound(first), total, true}};
    std::uint64_t seen = 0;
    std::size_t high = first;  // the slot of the 99th percentile
    for (std::size_t i = first; i <= last; ++i) {
        seen = saturating_add(seen, slots_[i]);
        high = i;
        if (static_cast<double>(seen) >= 0.99 * static_cast<double>(total)) break;
    }
    if (form_.is_open(high)) --high;
    const std::uint64_t width = form_.upper_bound(high) - form_.lower_bound(high) + 1;
    std::vector<Line> lines;
    for (std::size_t slot = first; slot <= last; ++slot) {
        const std::uint64_t from = form_.lower_bound(slot) / width * width;
        const bool above = slot > high;
        if (!lines.empty() && !above)  // lines without a slot of their own
            while (lines.back().to < from && from - lines.back().to > 1) {
                const std::uint64_t next = lines.back().to + 1;
                lines.push_back({next, next + width - 1, 0, false});
            }
        if (lines.empty() || slot == high + 1 || (!above && lines.back().to < from))
            lines.push_back({above ? form_.lower_bound(slot) : from, from + width - 1, 0, false});
        if (above || form_.is_open(slot)) lines.back().to = form_.upper_bound(slot);
        lines.back().open |= form_.is_open(slot);
        lines.back().count = saturating_add(lines.back().count, slots_[slot]);
    }
    join_empty(lines);
    return lines;
}

std::string Histogram::blob() const {
    if (form_.kind == Kind::log2) {
        const auto* bytes = reinterpret_cast<const char*>(slots_.data());
        return {bytes, slots_.size() * sizeof(std::uint64_t)};
    }
    std::vector<std::byte> out;
    pack_histogram(out, form_, slots_);
    return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace waggle::explain
