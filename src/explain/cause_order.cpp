// SPDX-License-Identifier: Apache-2.0
#include "explain/cause_order.h"

#include <algorithm>
#include <map>
#include <utility>

namespace waggle::explain {

namespace {

// `order` from the most severe down; `worst` by index.
void put_more_before_less(std::span<const CauseLink> links, const std::vector<Severity>& worst,
                          std::vector<std::size_t>& order) {
    std::map<std::pair<Severity, std::string_view>, std::vector<std::size_t>> places;
    for (std::size_t place = 0; place < order.size(); ++place) {
        const CauseLink& link = links[order[place]];
        if (link.amount) places[{worst[order[place]], link.amount_of}].push_back(place);
    }
    for (const auto& [kind, of_kind] : places) {
        std::vector<std::size_t> alike;
        for (const std::size_t place : of_kind) alike.push_back(order[place]);
        std::stable_sort(alike.begin(), alike.end(),
                         [&](std::size_t a, std::size_t b) { return *links[a].amount > *links[b].amount; });
        for (std::size_t i = 0; i < alike.size(); ++i) order[of_kind[i]] = alike[i];
    }
}

}  // namespace

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
    put_more_before_less(links, worst, roots);
    for (std::vector<std::size_t>& effects : caused) {
        std::stable_sort(effects.begin(), effects.end(), before);
        put_more_before_less(links, worst, effects);
    }

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
