// SPDX-License-Identifier: Apache-2.0
// A histogram put together of any number of rows' (model/histogram.h), asked for percentiles and for lines to
// draw.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/histogram.h"

namespace waggle::explain {

class Histogram {
  public:
    Histogram() = default;
    Histogram(HistogramForm form, std::span<const std::uint64_t> slots);

    // Adds a blob's values; false where it is none, and then nothing is added. Histograms of two forms are
    // added in the coarser one of the two: its slots hold whole slots of the other. Sums stop at the largest
    // u64.
    bool add(std::string_view blob);

    std::uint64_t total() const;
    const HistogramForm& form() const { return form_; }

    // The value of rank ceil(share * total), counted from the smallest; `share` lies between 0 and 1. Nothing
    // for an empty histogram.
    //
    // log-linear: where in its slot that value lies is taken from its rank in the slot, but never so near an
    // end that the figure could be further than 1/32 from the true value; below 16 units it is the slot's
    // middle. Of values beyond the end it is the end: they were at least that. log2: the slot's upper bound,
    // 2^(i+1) - 1: at most twice the true value, never below it.
    std::optional<std::int64_t> percentile(double share) const;

    // A line of a drawing: values from `from` to `to`, both in it. `open`: and all above.
    struct Line {
        std::uint64_t from;
        std::uint64_t to;
        std::uint64_t count;
        bool open;

        bool operator==(const Line&) const = default;
    };
    // From the first that is not empty to the last, `steps` (1, 2, 4, 8, 16) to an octave, or fewer where the
    // histogram has no more. With more than one, neighbours that are empty are one line.
    std::vector<Line> octaves(unsigned steps) const;
    // Lines of equal width, as narrow as the histogram is at its 99th percentile; what lies above that is one
    // line.
    std::vector<Line> linear() const;

    std::string blob() const;  // empty where it is

  private:
    void become(HistogramForm form);

    HistogramForm form_;
    std::vector<std::uint64_t> slots_;  // to the last that is not empty, or longer
};

}  // namespace waggle::explain
