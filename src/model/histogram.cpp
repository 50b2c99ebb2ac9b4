// SPDX-License-Identifier: Apache-2.0
#include "model/histogram.h"

#include "bpf/event.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace waggle {
namespace {

constexpr std::size_t head_bytes = 8;
constexpr char head_mark = static_cast<char>(0xd7);
constexpr std::size_t steps = std::size_t{1} << WAGGLE_HIST_STEP_BITS;
constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

// How far a slot's step is shifted: 0 for the slots that hold one unit.
unsigned shift_of(std::size_t slot) {
    return slot < 2 * steps ? 0 : static_cast<unsigned>((slot >> WAGGLE_HIST_STEP_BITS) - 1);
}

void put_number(std::vector<std::byte>& out, std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) out.push_back(static_cast<std::byte>(number | 0x80));
    out.push_back(static_cast<std::byte>(number));
}

template <class Count>
void pack(std::vector<std::byte>& out, HistogramForm form, std::span<const Count> slots) {
    if (std::ranges::all_of(slots, [](Count count) { return count == 0; })) return;
    for (const unsigned byte :
         {unsigned{WAGGLE_HIST_STEP_BITS}, unsigned{form.unit}, unsigned{form.end}, 0u, 0u, 0u, 0u, 0xd7u})
        out.push_back(static_cast<std::byte>(byte));
    std::size_t next = 0;
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
        if (slots[slot] == 0) continue;
        put_number(out, slot - next);
        put_number(out, slots[slot]);
        next = slot + 1;
    }
}

}  // namespace

std::size_t HistogramForm::slots() const {
    if (kind == Kind::log2) return 64;
    return std::size_t{WAGGLE_HIST_SLOTS(unsigned{unit}, unsigned{end})} - (end == 64 ? 1 : 0);
}

std::uint64_t HistogramForm::lower_bound(std::size_t slot) const {
    if (kind == Kind::log2) return slot == 0 ? 0 : std::uint64_t{1} << std::min<std::size_t>(slot, 63);
    const unsigned shift = shift_of(slot);
    return static_cast<std::uint64_t>(slot - shift * steps) << (shift + unit);
}

std::uint64_t HistogramForm::upper_bound(std::size_t slot) const {
    if (is_open(slot) || slot + 1 >= slots()) return largest;
    return lower_bound(slot + 1) - 1;
}

std::size_t HistogramForm::slot_of(std::uint64_t value) const {
    if (kind == Kind::log2) return value == 0 ? 0 : static_cast<std::size_t>(std::bit_width(value) - 1);
    if (end < 64 && value >> end) return slots() - 1;
    value >>= unit;
    const int shift = std::max(static_cast<int>(std::bit_width(value)) - (WAGGLE_HIST_STEP_BITS + 1), 0);
    return static_cast<std::size_t>(shift) * steps + static_cast<std::size_t>(value >> shift);
}

bool HistogramForm::is_open(std::size_t slot) const {
    return kind == Kind::log_linear && end < 64 && slot + 1 == slots();
}

HistogramReader::HistogramReader(std::string_view blob) : rest_(blob) {
    if (blob.size() < head_bytes || blob[head_bytes - 1] != head_mark) {
        damaged_ = blob.size() % sizeof(std::uint64_t) != 0;
        return;
    }
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(blob[i]); };
    form_ = HistogramForm::log_linear(byte(1), byte(2));
    rest_.remove_prefix(head_bytes);
    // A later version's form is none of ours.
    damaged_ = byte(0) != WAGGLE_HIST_STEP_BITS || form_.end > 64 || form_.unit + 5 > form_.end || byte(3) ||
               byte(4) || byte(5) || byte(6);
}

bool HistogramReader::next(std::size_t& slot, std::uint64_t& count) {
    if (damaged_ || rest_.empty()) return false;
    if (form_.kind == HistogramForm::Kind::log2) {
        std::memcpy(&count, rest_.data(), sizeof count);
        rest_.remove_prefix(sizeof count);
        slot = slot_++;
        return true;
    }
    std::uint64_t gap = 0;
    if (!number(gap) || !number(count)) return damage();
    if (gap >= form_.slots() - slot_) return damage();
    slot = slot_ + static_cast<std::size_t>(gap);
    slot_ = slot + 1;
    return true;
}

bool HistogramReader::number(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (rest_.empty()) return false;
        const auto byte = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        if (shift == 63 && byte > 1) return false;
        out |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

bool HistogramReader::damage() {
    damaged_ = true;
    return false;
}

void pack_histogram(std::vector<std::byte>& out, HistogramForm form, std::span<const std::uint32_t> slots) {
    pack(out, form, slots);
}
void pack_histogram(std::vector<std::byte>& out, HistogramForm form, std::span<const std::uint64_t> slots) {
    pack(out, form, slots);
}

std::span<const Bytes> HistogramPacker::pack(std::span<const Bytes> values) {
    packed_.clear();
    records_.clear();
    struct Piece {
        std::size_t from, size;
    };
    std::vector<Piece> pieces;  // of packed_, which moves while it grows; size 0: the value as it is
    for (const Bytes value : values) {
        const auto header = load<waggle_event>(value);
        if (header.kind != kind_ || header.size > value.size()) {
            pieces.push_back({0, 0});
            continue;
        }
        const std::size_t from = packed_.size();
        packed_.insert(packed_.end(), value.begin(), value.begin() + header.size);
        for (const HistogramPlace& place : places_) {
            const std::size_t at = packed_.size();
            const auto* slots = reinterpret_cast<const std::uint32_t*>(value.data() + place.slots);
            pack_histogram(packed_, place.form, std::span(slots, place.form.slots()));
            const waggle_histogram where{static_cast<__u32>(at - from),
                                         static_cast<__u32>(packed_.size() - at)};
            std::memcpy(packed_.data() + from + place.field, &where, sizeof where);
        }
        const auto size = static_cast<__u32>(packed_.size() - from);
        std::memcpy(packed_.data() + from + offsetof(waggle_event, size), &size, sizeof size);
        pieces.push_back({from, size});
        packed_.resize((packed_.size() + 7) & ~std::size_t{7});
    }
    for (std::size_t i = 0; i < pieces.size(); ++i)
        records_.push_back(pieces[i].size ? Bytes(packed_).subspan(pieces[i].from, pieces[i].size)
                                          : values[i]);
    return records_;
}

}  // namespace waggle
