// SPDX-License-Identifier: Apache-2.0
// What was dropped elsewhere than in netfilter: by programs at devices and control groups, by routes, queues,
// settings, or for what the packet itself is. What no object is found for is told with its reason and place.
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "agent/drops/drop_cause.h"
#include "agent/drops/neighbours.h"
#include "agent/drops/routing_walk.h"
#include "agent/drops/sending_queue.h"
#include "facts/firewall/firewall_packet.h"

namespace waggle::agent {
namespace {

const std::string forwarding_of_ipv6 = "net.ipv6.conf.all.forwarding";  // for all devices together
struct PacketProgram {
    std::string place, interface, kind, name, cgroup;
    std::uint32_t netns = 0, ifindex = 0;
    std::int64_t id = 0, preference = 0;
    std::uint64_t cgroup_id = 0;
    std::optional<std::int64_t> drops;
};

using Device = std::pair<std::uint32_t, std::uint32_t>;  // netns, ifindex

class OtherJudge {
  public:
    OtherJudge(const DropInquiry& inquiry, std::vector<DropCause>& causes)
        : inquiry_(inquiry), causes_(causes) {}

    void judge() {
        for (const Drop& drop : inquiry_.scene.drops())
            if (is_loss(drop, inquiry_.scene)) groups_[key_of(drop)].add(drop);
        std::erase_if(groups_, [&](const auto& entry) {
            return !is_enough(entry.second, inquiry_.window_seconds) ||
                   is_noise(entry.second, inquiry_.window_seconds);
        });
        if (groups_.empty()) return;  // then nothing of the machine is read
        read_programs();
        read_network();
        for (const auto& [key, group] : groups_) tell(group);
    }

  private:
    // By namespace, reason, device and direction; where the kernel gives no reason, its place stands for it.
    using Key = std::tuple<std::uint32_t, std::string, std::uint32_t, std::string, std::string>;
    static Key key_of(const Drop& drop) {
        // What the kernel itself tells its neighbours (MLD, neighbour discovery) waits in the same queues as what
        // programs send, and is none of it.
        const bool own_talk = drop.reason.starts_with("QDISC") && drop.destination.starts_with("ff02:");
        return {drop.netns, drop.reason, drop.ifindex, drop.direction,
                drop.reason == "NOT_SPECIFIED" ? drop.function()
                : own_talk                     ? "ff02:"
                                               : std::string()};
    }

    void read_programs() {
        inquiry_.tables.each("packet_programs", [&](const TableRow& row) {
            programs_.push_back({row.text("place"), row.text("interface"), row.text("kind"), row.text("name"),
                                 row.text("cgroup"), static_cast<std::uint32_t>(row.number_or_0("netns")),
                                 static_cast<std::uint32_t>(row.number_or_0("ifindex")),
                                 row.number_or_0("program_id"), row.number_or_0("preference"),
                                 static_cast<std::uint64_t>(row.number_or_0("cgroup_id")),
                                 row.number("drops_delta")});
        });
        inquiry_.tables.each("cgroups", [&](const TableRow& row) {
            cgroups_[static_cast<std::uint64_t>(row.number_or_0("cgroup_id"))] = row.text("path");
        });
    }

    void read_network() {
        const auto device = [](const TableRow& row) {
            return Device{static_cast<std::uint32_t>(row.number_or_0("netns")),
                          static_cast<std::uint32_t>(row.number_or_0("ifindex"))};
        };
        inquiry_.tables.each("qdiscs", [&](const TableRow& row) {
            qdiscs_[device(row)].push_back(
                {row.text("kind"), row.text("handle"), row.text("parent"), row.number_or_0("drops_delta")});
        });
        inquiry_.tables.each("interfaces",
                             [&](const TableRow& row) { mtus_[device(row)] = row.number_or_0("mtu"); });
        inquiry_.tables.each("sysctls", [&](const TableRow& row) {
            sysctls_[{static_cast<std::uint32_t>(row.number_or_0("netns")), row.text("name")}] =
                row.number_or_0("number");
        });
        neighbours_.read(inquiry_.tables);
    }

    void tell(const DropGroup& group) {
        DropCause cause;
        const Drop& first = *group.drops().front();
        cause["severity"] = "warning";
        cause["confidence"] = "high";
        cause["reason"] = first.reason;
        cause["function"] = first.function();
        group.describe(cause, inquiry_.window_seconds);
        group.name_owner(cause, inquiry_.scene);
        name_devices(cause, first);
        if (!name_cause(cause, group, first)) {
            cause["kind"] = "other";
            cause["confidence"] = "low";
            cause["severity"] = group.packets_per_second(inquiry_.window_seconds) >= 10 ? "warning" : "note";
        }
        causes_.push_back(std::move(cause));
    }

    // Of what is dropped at a device (skb->dev), that is the device; of what is dropped between two, the one
    // it came by.
    void name_devices(DropCause& cause, const Drop& drop) const {
        if (drop.reason == "TC_EGRESS" || drop.reason.starts_with("QDISC")) {
            if (!drop.device.empty()) cause["out_device"] = drop.device;
            return;
        }
        if (drop.reason == "TC_INGRESS" || drop.reason == "XDP" || drop.samples.empty()) return;
        const DropSample& sample = drop.samples.front();
        if (sample.in_ifindex && drop.direction != "out") {
            const std::string device = inquiry_.scene.interface(drop.netns, sample.in_ifindex);
            if (!device.empty()) cause["device"] = device;
        }
        if (sample.out_ifindex && drop.direction != "in")
            cause["out_device"] = inquiry_.scene.interface(drop.netns, sample.out_ifindex);
    }

    bool name_cause(DropCause& cause, const DropGroup& group, const Drop& first) {
        const std::string& reason = first.reason;
        const std::string function = first.function();
        if (reason == "IP_RPFILTER") return name_rp_filter(cause, first);
        if (reason == "IP_INADDRERRORS" && function == "ip_error")
            return name_forwarding(cause, group, first);
        if (function == "ip6_forward" && !forwards_ipv6(first)) return name_forwarding(cause, group, first);
        if (reason == "IP_LOCALNET" || is_localnet_unsaid(group)) return name_localnet(cause, group, first);
        if (reason == "XDP" || function.find("xdp") != std::string::npos)
            return name_program(cause, first, "xdp", "xdp");
        if (reason == "TC_INGRESS") return name_program(cause, first, "tc ingress", "tc");
        if (reason == "TC_EGRESS") return name_program(cause, first, "tc egress", "tc");
        if (reason == "SOCKET_FILTER") return name_cgroup_program(cause, group);
        if (reason == "BPF_CGROUP_EGRESS") return name_egress_program(cause, group);
        if (reason.starts_with("QDISC")) return name_qdisc(cause, group, first);
        if (reason == "PKT_TOO_BIG") return name_mtu(cause, group, first);
        if (is_of_a_neighbour(reason) || function == "neigh_invalidate")
            return name_neighbour(cause, group, first);
        if (reason.ends_with("_CSUM")) return name_checksum(cause);
        // A rule handed them to a program's queue (NFQUEUE), and they did not get into it.
        if (function == "nf_queue") {
            cause["kind"] = "packet queue";
            return true;
        }
        if (reason == "IP_INHDR" && function.find("forward") != std::string::npos)
            return name_ttl(cause, group);
        if (function == "ip_error" || function.starts_with("ip6_pkt_") ||
            function.starts_with("dst_discard") || reason == "IP_OUTNOROUTES")
            return name_route(cause, group, first);
        return false;
    }

    std::optional<std::int64_t> setting(std::uint32_t netns, const std::string& name) const {
        const auto found = sysctls_.find({netns, name});
        return found == sysctls_.end() ? std::nullopt : std::optional(found->second);
    }

    // The first thing the kernel asks in ip6_forward; where it does not forward, it drops all there.
    bool forwards_ipv6(const Drop& drop) const {
        return setting(drop.netns, forwarding_of_ipv6) != 0 ||
               setting(drop.netns, "net.ipv6.conf." + drop.device + ".force_forwarding").value_or(0) != 0;
    }

    // What is for another machine and came by a device that does not forward: for this reason there the kernel drops
    // nothing else. Of all devices together one setting tells; where that of IPv4 is 1, it is the device's own.
    bool name_forwarding(DropCause& cause, const DropGroup& group, const Drop& first) const {
        if (first.device.empty()) return false;
        const bool ipv6 = first.function() == "ip6_forward";
        const std::string every = ipv6 ? forwarding_of_ipv6 : "net.ipv4.ip_forward";
        const std::string own = "net.ipv4.conf." + first.device + ".forwarding";
        cause["kind"] = "forwarding off";
        // Whoever has the port here is not meant.
        for (const char* owner : {"pid", "comm", "exe", "listens"}) cause.erase(owner);
        cause["sysctl"] = ipv6 || setting(first.netns, every) == 0 ? every : own;
        cause["sysctl_value"] = "0";
        const auto goal = cause.find("destination");
        if (goal != cause.end() && inquiry_.scene.is_held(first.netns, first.destination)) {
            cause["missing_address"] = cause["held_address"] = first.destination;
            return true;
        }
        std::string onward;
        bool beside = true;  // on the network of that device itself, behind no router
        for (const Drop* drop : group.drops()) {
            const Route* route = route_to(first.netns, drop->destination);
            if (!route || route->interface.empty() || (!onward.empty() && route->interface != onward))
                return true;
            onward = route->interface;
            beside &= route->gateway.empty();
        }
        if (onward != first.device)
            cause["onward_device"] = onward;
        else if (beside && goal != cause.end())
            cause["missing_address"] = goal->second;
        return true;
    }

    // Before 6.13 the kernel gives no reason there. Who comes from outside for 127.0.0.0/8 with an ordinary address that
    // is not this machine's own fails at nothing else in that place.
    bool is_localnet_unsaid(const DropGroup& group) const {
        return std::ranges::all_of(group.drops(), [&](const Drop* drop) {
            const std::string& source = drop->source;
            in_addr parsed;
            return drop->reason == "NOT_SPECIFIED" && drop->function().starts_with("ip_rcv_finish_core") &&
                   drop->destination.starts_with("127.") &&
                   ::inet_pton(AF_INET, source.c_str(), &parsed) == 1 && ntohl(parsed.s_addr) >> 24 != 0 &&
                   ntohl(parsed.s_addr) >> 24 != 127 && ntohl(parsed.s_addr) >> 28 < 14 &&
                   inquiry_.scene.address_type(drop->netns, source) != RTN_LOCAL;
        });
    }

    // What comes from outside for 127.0.0.0/8, by a device that does not let it in.
    static bool name_localnet(DropCause& cause, const DropGroup& group, const Drop& first) {
        if (first.device.empty()) return false;
        for (const Drop* drop : group.drops())
            if (!drop->destination.starts_with("127.")) return false;
        cause["kind"] = "local network";
        cause["sysctl"] = "net.ipv4.conf." + first.device + ".route_localnet";
        cause["sysctl_value"] = "0";
        return true;
    }

    // The stricter of the two settings holds.
    bool name_rp_filter(DropCause& cause, const Drop& drop) const {
        const std::string device = drop.device;
        const std::string all = "net.ipv4.conf.all.rp_filter";
        const std::string own = "net.ipv4.conf." + device + ".rp_filter";
        const auto value = [&](const std::string& name) { return setting(drop.netns, name).value_or(0); };
        const std::int64_t in_force = std::max(value(all), value(own));
        if (in_force == 0) return false;  // set back since, or not known
        cause["kind"] = "reverse path";
        cause["sysctl"] = value(all) >= value(own) ? all : own;
        cause["sysctl_value"] = std::to_string(in_force);
        cause["own_sysctl"] = own;
        // Where this machine would send the answer.
        if (const Route* back = route_to(drop.netns, drop.source)) {
            if (!back->interface.empty() && back->interface != device) cause["back_device"] = back->interface;
            cause["route"] = back->destination;
        }
        return true;
    }

    std::vector<const PacketProgram*> programs_at(const Drop& drop, std::string_view place) const {
        std::vector<const PacketProgram*> found;
        for (const PacketProgram& program : programs_)
            if (program.place == place && program.netns == drop.netns && program.ifindex == drop.ifindex)
                found.push_back(&program);
        return found;
    }

    void put_program(DropCause& cause, const PacketProgram& program) const {
        cause["program"] = program.name;
        if (program.id) cause["program_id"] = program.id;
        cause["program_kind"] = program.kind;
        if (program.preference) cause["preference"] = program.preference;
    }

    bool name_program(DropCause& cause, const Drop& drop, std::string_view place, const char* kind) const {
        std::vector<const PacketProgram*> found = programs_at(drop, place);
        cause["place"] = std::string(place);
        if (found.empty()) return false;
        cause["kind"] = kind;
        // The kernel says that a program at this place of this device did it; not one that counts its drops
        // and counted none.
        const std::size_t all = found.size();
        std::erase_if(found, [](const PacketProgram* one) { return one->drops && *one->drops == 0; });
        if (all > 1) cause["suspects"] = static_cast<std::int64_t>(found.size());
        if (found.size() == 1)
            put_program(cause, *found.front());
        else
            cause["confidence"] = "medium";
        return true;
    }

    // The kernel says "socket filter" for the socket's own filter too, so that is looked at first.
    bool name_cgroup_program(DropCause& cause, const DropGroup& group) const {
        for (const Drop* drop : group.drops())
            for (const DropSample& sample : drop->samples)
                if (sample.socket_filter) {
                    cause["kind"] = "socket filter";
                    return true;
                }
        return name_program_of_cgroup(cause, group, "cgroup ingress");
    }
    bool name_egress_program(DropCause& cause, const DropGroup& group) const {
        return name_program_of_cgroup(cause, group, "cgroup egress");
    }

    bool name_program_of_cgroup(DropCause& cause, const DropGroup& group, std::string_view place) const {
        const Drop& first = *group.drops().front();
        if (first.samples.empty()) return false;
        for (const Drop* drop : group.drops())
            if (drop->cgroup_id != first.cgroup_id) return false;
        const auto path = cgroups_.find(first.cgroup_id);
        if (path == cgroups_.end()) return false;
        std::vector<const PacketProgram*> found;
        for (const PacketProgram& program : programs_) {
            const bool above = program.cgroup == "/" || path->second == program.cgroup ||
                               path->second.starts_with(program.cgroup + "/");
            if (program.place == place && above) found.push_back(&program);
        }
        if (found.empty()) return false;
        cause["kind"] = "cgroup program";
        cause["confidence"] = "medium";
        cause["cgroup"] = path->second;
        cause["suspects"] = static_cast<std::int64_t>(found.size());
        // Such programs count nothing, and on some kernels a security module refuses under the same reason: being the
        // only one there convicts none.
        std::string names;
        for (const PacketProgram* program : found) {
            names += (names.empty() ? "" : ", ") + program->name + (program->name.empty() ? "id " : " (id ") +
                     std::to_string(program->id) + (program->name.empty() ? "" : ")");
            if (program->cgroup != path->second) names += " of " + program->cgroup;
        }
        cause["suspect_names"] = names;
        if (found.size() == 1) cause["suspect_id"] = found.front()->id;
        return true;
    }

    bool name_qdisc(DropCause& cause, const DropGroup& group, const Drop& first) const {
        const auto found = qdiscs_.find({first.netns, first.ifindex});
        if (found == qdiscs_.end()) return false;
        const std::vector<DroppingQueue> queues =
            dropping_queues(found->second, group.packets(), first.reason);
        if (queues.empty()) return false;
        cause["kind"] = "queue";
        if (queues.size() > 1) {
            cause["queues"] = static_cast<std::int64_t>(queues.size());
            std::string names;
            for (const DroppingQueue& queue : queues)
                names += (names.empty() ? "" : "; ") + name_of(queue) + " " + std::to_string(queue.counted);
            cause["queue_names"] = names;
            return true;
        }
        const DroppingQueue& queue = queues.front();
        cause["qdisc"] = queue.kind;
        cause["qdisc_handle"] = queue.handle;
        cause["qdisc_parent"] = queue.parent;
        cause["qdisc_class"] = queue.class_name;
        cause["class_kind"] = queue.class_kind;
        cause["class_handle"] = queue.class_handle;
        cause["counted"] = queue.counted;
        if (queue.why == DroppingQueue::Why::full) cause["queue_full"] = std::int64_t{1};
        if (queue.why == DroppingQueue::Why::oversized) cause["oversized"] = std::int64_t{1};
        if (queue.why == DroppingQueue::Why::itself) cause["not_inner"] = std::int64_t{1};
        return true;
    }

    static std::string name_of(const DroppingQueue& queue) {
        std::string name = queue.kind;
        if (!queue.handle.empty()) name += " " + queue.handle;
        if (!queue.class_name.empty()) name += " of " + queue.class_kind + " class " + queue.class_name;
        return name;
    }

    bool name_mtu(DropCause& cause, const DropGroup& group, const Drop& first) const {
        std::uint32_t largest = 0;
        for (const Drop* drop : group.drops())
            for (const DropSample& sample : drop->samples) largest = std::max(largest, sample.length);
        if (first.samples.empty()) return false;
        const auto mtu = mtus_.find({first.netns, first.samples.front().out_ifindex});
        if (mtu == mtus_.end() || largest <= mtu->second) return false;
        cause["kind"] = "too big";
        cause["mtu_bytes"] = mtu->second;
        cause["largest_bytes"] = static_cast<std::int64_t>(largest);
        return true;
    }

    bool name_neighbour(DropCause& cause, const DropGroup& group, const Drop& first) const {
        std::string next;
        const Neighbour* known = nullptr;
        for (const Drop* drop : group.drops()) {
            const std::string device = device_out(*drop);
            std::set<std::string> machines =
                next_machines(inquiry_.scene, first.netns, drop->destination, device);
            // Of several, one that is asked and does not answer.
            if (machines.size() > 1)
                std::erase_if(machines, [&](const std::string& machine) {
                    const Neighbour* found = neighbours_.find(first.netns, machine, device);
                    return !found || !found->is_silent();
                });
            if (machines.size() != 1) return false;
            const std::string& hop = *machines.begin();
            if (!next.empty() && hop != next) next = "many";
            if (next.empty()) next = hop;
            known = neighbours_.find(first.netns, next, device);
        }
        // A full queue alone only says that it was asked; who does not answer shows in the table.
        if (first.reason != "NEIGH_FAILED" && !(known && known->is_silent())) return false;
        cause["kind"] = "neighbour";
        if (next == "many") return true;
        cause["neighbour"] = next;
        if (known) cause["neighbour_state"] = known->state;
        return true;
    }

    std::string device_out(const Drop& drop) const {
        for (const DropSample& sample : drop.samples)
            if (sample.out_ifindex) return inquiry_.scene.interface(drop.netns, sample.out_ifindex);
        return drop.direction == "out" ? drop.device : "";
    }

    static bool name_checksum(DropCause& cause) {
        cause["kind"] = "checksum";
        return true;
    }

    bool name_ttl(DropCause& cause, const DropGroup& group) const {
        bool any = false, from_beside = true;
        for (const Drop* drop : group.drops())
            for (const DropSample& sample : drop->samples) {
                if (sample.ttl > 1) return false;
                any |= sample.ttl == 1;
                from_beside &= is_from_beside(*drop, sample);
            }
        if (!any) return false;
        cause["kind"] = "hop limit";
        if (from_beside) cause["from_beside"] = std::int64_t{1};
        return true;
    }

    // Whether the sender itself gave it to this machine, with no router between.
    bool is_from_beside(const Drop& drop, const DropSample& sample) const {
        const std::string device =
            sample.in_ifindex ? inquiry_.scene.interface(drop.netns, sample.in_ifindex) : drop.device;
        const Route* back = route_to(drop.netns, drop.source);
        if (!back || !back->gateway.empty() || back->interface != device) return false;
        const Neighbour* sender = neighbours_.find(drop.netns, drop.source, device);
        return !sender || !sender->hardware || !sample.packet.packet.mac ||
               *sender->hardware == *sample.packet.packet.mac;
    }

    // One rule, or one route, that all of it comes to and that drops.
    bool name_route(DropCause& cause, const DropGroup& group, const Drop& first) const {
        std::optional<RoutingDecision> all;
        for (const Drop* drop : group.drops()) {
            const std::optional<RoutingDecision> one = routing_of(first.netns, *drop);
            if (!one || (all && *all != *one)) return false;
            all = one;
        }
        if (all->rule) {
            cause["kind"] = "routing rule";
            cause["route_kind"] = all->rule->action;
            cause["routing_rule"] = all->rule->text;
            cause["rule_priority"] = all->rule->priority;
            return true;
        }
        if (!all->route || !drops(*all->route)) return false;
        cause["kind"] = "route";
        cause["route_kind"] = all->route->kind;
        cause["route"] = all->route->destination;
        cause["route_protocol"] = all->route->protocol;
        cause["route_table"] = all->route->table;
        return true;
    }

    std::optional<RoutingDecision> routing_of(std::uint32_t netns, const Drop& drop) const {
        const unsigned family = facts::parse_address(drop.destination).family;
        const std::vector<RoutingRule>& rules = inquiry_.scene.routing_rules(netns, family);
        // A recording of an older waggle has no rules: the most specific route of all tables.
        if (rules.empty()) return RoutingDecision{nullptr, route_to(netns, drop.destination)};
        return decide_routing(rules, inquiry_.scene.routes(netns), drop);
    }

    const Route* route_to(std::uint32_t netns, const std::string& address) const {
        return inquiry_.scene.route_to(netns, address);
    }

    const DropInquiry& inquiry_;
    std::vector<DropCause>& causes_;
    std::map<Key, DropGroup> groups_;
    std::vector<PacketProgram> programs_;
    std::map<std::uint64_t, std::string> cgroups_;
    std::map<Device, std::vector<Qdisc>> qdiscs_;
    std::map<Device, std::int64_t> mtus_;
    std::map<std::pair<std::uint32_t, std::string>, std::int64_t> sysctls_;
    Neighbours neighbours_;
};

}  // namespace

void judge_others(const DropInquiry& inquiry, std::vector<DropCause>& causes) {
    OtherJudge(inquiry, causes).judge();
}

}  // namespace waggle::agent
