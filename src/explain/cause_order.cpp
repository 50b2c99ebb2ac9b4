// SPDX-License-Identifier: Apache-2.0
#include "explain/cause_order.h"

#include <algorithm>

namespace waggle::explain {

std::vector<std::size_t> order_by_cause(std::span<const CauseLink> links) {
    std::vector<std::vector<std::size_t>> caused(links.size());
    std::vector<Severity> worst(links.size());
    std::vector<std::size_t> roots;
    for (std::size_t i = 0; i < links.size(); ++i) {
        if (links[i].cause)
            caused[*links[i].cause].push_back(i);
        else
            roots.push_back(i);
        // What a finding causes counts for each of its causes up to the root.
        for (std::optional<std::size_t> up = i; up; up = links[*up].cause)
            worst[*up] = std::max(worst[*up], links[i].severity);
    }
    const auto before = [&](std::size_t a, std::size_t b) {
        if (worst[a] != worst[b]) return worst[a] > worst[b];
        return links[a].confidence > links[b].confidence;
    };
    std::stable_sort(roots.begin(), roots.end(), before);
    for (std::vector<std::size_t>& effects : caused) std::stable_sort(effects.begin(), effects.end(), before);

    std::vector<std::size_t> order;
    std::vector<std::size_t> waiting(roots.rbegin(), roots.rend());
    while (!waiting.empty()) {
        const std::size_t next = waiting.back();
        waiting.pop_back();
        order.push_back(next);
        waiting.insert(waiting.end(), caused[next].rbegin(), caused[next].rend());
    }
    return order;
}

}  // namespace waggle::explain
