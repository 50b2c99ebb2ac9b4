// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/neighbours.h"

#include <algorithm>
#include <charconv>

namespace waggle::agent {
namespace {

// 0xca387066ad4f of "ca:38:70:66:ad:4f".
std::optional<std::uint64_t> hardware_number(std::string text) {
    std::erase(text, ':');
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    return text.size() == 12 && error == std::errc() && end == text.data() + text.size()
               ? std::optional(number)
               : std::nullopt;
}

}  // namespace

void Neighbours::read(const DropTables& tables) {
    tables.each("neighbours", [&](const TableRow& row) {
        by_address_[{static_cast<std::uint32_t>(row.number_or_0("netns")), row.text("address")}].push_back(
            {row.text("interface"), row.text("state"), hardware_number(row.text("link_address"))});
    });
}

const Neighbour* Neighbours::find(std::uint32_t netns, const std::string& address,
                                  const std::string& device) const {
    const auto all = by_address_.find({netns, address});
    if (all == by_address_.end()) return nullptr;
    for (const Neighbour& one : all->second)
        if (device.empty() || one.device == device) return &one;
    return nullptr;
}

std::set<std::string> next_machines(const DropScene& scene, std::uint32_t netns, const std::string& address,
                                    const std::string& device) {
    const std::vector<const Route*> all = scene.routes_to(netns, address);
    std::map<std::int64_t, unsigned> best;  // by table, its longest prefix
    for (const Route* route : all) best[route->table] = std::max(best[route->table], route->bits);
    std::set<std::string> found;
    for (const Route* route : all)
        if (route->kind == "unicast" && route->bits == best[route->table] &&
            (device.empty() || route->interface.empty() || route->interface == device))
            found.insert(route->gateway.empty() ? address : route->gateway);
    if (found.empty()) found.insert(address);
    return found;
}

}  // namespace waggle::agent
