// SPDX-License-Identifier: Apache-2.0
// The order in which findings are told: causes before what they cause.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "explain/finding.h"

namespace waggle::explain {

// One finding's place among the others.
struct CauseLink {
    Severity severity = Severity::note;
    Confidence confidence = Confidence::low;
    // How much of it was seen, for what can be held against each other: those of the same `amount_of`.
    std::optional<double> amount;
    std::string_view amount_of;
    std::optional<std::size_t> cause;  // index of the finding that causes it; these never form a circle
};

// Indices in the order to tell: each root followed by all that it causes, nearest first. Trees with the most
// severe finding come first, then the surer root, then the order given; but of equally severe trees whose amounts
// can be compared, those with more stand before those with less, in the places that all of them have.
std::vector<std::size_t> order_by_cause(std::span<const CauseLink> links);

}  // namespace waggle::explain
