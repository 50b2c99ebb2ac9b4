// SPDX-License-Identifier: Apache-2.0
// Histograms as rows and SQL carry them: a blob that says how it counts. Two forms:
//
//   log-linear  bpf/histogram.h, 16 steps an octave: a head of 8 bytes (step bits, unit, end, 0, 0, 0, 0,
//               0xd7), then for each slot that is not empty how many slots lie between it and the last one, and its
//               count, both as LEB128
//   log2        an array of u64 in the machine's byte order: slot i counts the values v with
//               floor(log2(v)) == i, slot 0 also 0. Recordings of before have them, and foreign objects.
//
// The last byte of a log-linear head would be a count of 2^56 and more in the other form, so none is taken
// for the other.
#pragma once

#include "bpf/histogram.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"

namespace waggle {

struct HistogramForm {
    enum class Kind : std::uint8_t { log2, log_linear };
    Kind kind = Kind::log2;
    // log-linear: values are counted in units of 2^unit; the last slot holds all from 2^end on, 64 = there is
    // none.
    std::uint8_t unit = 0;
    std::uint8_t end = 64;

    static constexpr HistogramForm log_linear(std::uint8_t unit, std::uint8_t end) {
        return {Kind::log_linear, unit, end};
    }
    std::size_t slots() const;  // how many it has
    // Values of a slot, both ends in it. The upper one of the last slot is the largest u64.
    std::uint64_t lower_bound(std::size_t slot) const;
    std::uint64_t upper_bound(std::size_t slot) const;
    std::size_t slot_of(std::uint64_t value) const;
    // Whether the slot holds all from here on, so that its upper bound says nothing.
    bool is_open(std::size_t slot) const;

    bool operator==(const HistogramForm&) const = default;
};

// Reads a blob slot by slot, none twice, in rising order; empty ones are passed over in the log-linear form.
class HistogramReader {
  public:
    explicit HistogramReader(std::string_view blob);

    HistogramForm form() const { return form_; }
    // False at the end, and where the blob is none.
    bool next(std::size_t& slot, std::uint64_t& count);
    bool damaged() const { return damaged_; }

  private:
    bool number(std::uint64_t& out);
    bool damage();

    std::string_view rest_;
    HistogramForm form_;
    std::size_t slot_ = 0;
    bool damaged_ = false;
};

// Appends the slots as a log-linear blob; nothing where all are empty.
void pack_histogram(std::vector<std::byte>& out, HistogramForm form, std::span<const std::uint32_t> slots);
void pack_histogram(std::vector<std::byte>& out, HistogramForm form, std::span<const std::uint64_t> slots);

// Where a kernel side's value holds a histogram's slots, and where the row at its beginning points to them.
struct HistogramPlace {
    std::uint32_t slots;  // offset of the first
    std::uint32_t field;  // offset of the waggle_histogram
    HistogramForm form;
};
// WAGGLE_HISTOGRAM_PLACE(block_io_total_state, device_slots, row.device_histogram, unit, end)
#define WAGGLE_HISTOGRAM_PLACE(Value, slots, field, unit, end)                                         \
    ::waggle::HistogramPlace {                                                                         \
        offsetof(Value, slots), offsetof(Value, field), ::waggle::HistogramForm::log_linear(unit, end) \
    }

// Makes rows of a kernel side's values: the row at the value's beginning (its header says how long it is),
// and behind it the slots that are not empty. A value of another kind passes as it is.
class HistogramPacker {
  public:
    HistogramPacker(std::uint16_t kind, std::vector<HistogramPlace> places)
        : kind_(kind), places_(std::move(places)) {}

    // Valid until the next call.
    std::span<const Bytes> pack(std::span<const Bytes> values);

  private:
    std::uint16_t kind_;
    std::vector<HistogramPlace> places_;
    std::vector<std::byte> packed_;  // rows at multiples of 8
    std::vector<Bytes> records_;
};

}  // namespace waggle
