// SPDX-License-Identifier: Apache-2.0
// The order in which findings are told: causes before what they cause.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "explain/finding.h"

namespace waggle::explain {

// One finding's place among the others.
struct CauseLink {
    Severity severity = Severity::note;
    Confidence confidence = Confidence::low;
    std::optional<std::size_t> cause;  // index of the finding that causes it; these never form a circle
};

// Indices in the order to tell: each root followed by all that it causes, nearest first. Trees with the most
// severe finding come first, then the surer root, then the order given.
std::vector<std::size_t> order_by_cause(std::span<const CauseLink> links);

}  // namespace waggle::explain
