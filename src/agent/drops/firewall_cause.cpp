// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/firewall_cause.h"

#include <algorithm>
#include <set>

namespace waggle::agent {
namespace {

// What all of them have in common; packets of both directions have no device in common.
void put_place(const DropInquiry& inquiry, const DropGroup& group, DropCause& cause) {
    const Drop& first = *group.drops().front();
    cause["reason"] = first.reason;
    if (first.samples.empty()) return;
    const DropSample& sample = first.samples.front();
    if (!sample.packet.place.hook.empty()) cause["hook"] = sample.packet.place.hook;
    const auto all_have = [&](std::uint32_t DropSample::* ifindex) {
        return std::all_of(group.drops().begin(), group.drops().end(), [&](const Drop* drop) {
            return std::all_of(drop->samples.begin(), drop->samples.end(), [&](const DropSample& other) {
                return other.*ifindex == sample.*ifindex && drop->netns == first.netns;
            });
        });
    };
    if (sample.out_ifindex && first.direction != "in" && all_have(&DropSample::out_ifindex))
        cause["out_device"] = inquiry.scene.interface(first.netns, sample.out_ifindex);
    if (!sample.in_ifindex || first.direction == "out") return;
    if (all_have(&DropSample::in_ifindex))
        cause["device"] = inquiry.scene.interface(first.netns, sample.in_ifindex);
    else
        cause.erase("device");
}

}  // namespace

bool is_noise(const DropInquiry& inquiry, const DropGroup& group) {
    const auto& drops = group.drops();
    const auto local = [&](const Drop* drop) { return inquiry.scene.is_local(*drop); };
    if (std::all_of(drops.begin(), drops.end(), [&](const Drop* drop) {
            const auto type = inquiry.scene.address_type(drop->netns, drop->destination);
            return drop->direction == "in" && (type == 3 || type == 5);
        }))
        return true;
    if (!group.is_scattered()) return false;
    if (std::none_of(drops.begin(), drops.end(), local)) return drops.front()->direction != "out";
    return std::all_of(drops.begin(), drops.end(), [&](const Drop* drop) {
        return local(drop) && drop->has_port() &&
               inquiry.scene.is_serving(drop->netns, drop->protocol, drop->port);
    });
}

DropCause begin_cause(const DropInquiry& inquiry, const DropGroup& group, const char* kind,
                      const char* severity, const char* confidence) {
    DropCause cause;
    cause["kind"] = kind;
    cause["severity"] = severity;
    cause["confidence"] = confidence;
    group.describe(cause, inquiry.window_seconds);
    const auto alone = cause.find("alone_in");
    if (alone != cause.end() && alone->second == DropCause::mapped_type(std::int64_t{0}))
        alone->second = std::int64_t{inquiry.scene.joined(group.drops().front()->netns)};
    group.name_owner(cause, inquiry.scene);
    put_place(inquiry, group, cause);
    return cause;
}

void put_way_back(const DropInquiry& inquiry, const std::string& rule, const Drop& drop, DropCause& cause) {
    const auto has = [&](std::string_view words) { return rule.find(words) != std::string::npos; };
    const bool nft = has("fib saddr") && (has("oif missing") || has("oif 0 ") || has("oif == 0 "));
    const bool iptables = has("-m rpfilter") && has("--invert");
    if (!cause.contains("source") || !(nft || iptables)) return;
    std::set<std::string> devices;
    for (const Route* route : inquiry.scene.routes_to(drop.netns, drop.source))
        if (route->kind == "unicast" || route->kind == "local") devices.insert(route->interface);
    const bool by_device = nft ? has(". iif") : !has("--loose");
    if (devices.empty() && inquiry.scene.has_routes(drop.netns))
        cause["no_way_back"] = std::int64_t{1};
    else if (by_device && devices.size() == 1 && cause.contains("device") &&
             std::get<std::string>(cause["device"]) != *devices.begin())
        cause["back_device"] = *devices.begin();
}

}  // namespace waggle::agent
