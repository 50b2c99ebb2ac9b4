// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "model/columns.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct route_fact {
    __u32 netns;
    __u32 route_table;
    char family[8];
    char kind[16];
    waggle_text destination;
    waggle_address gateway;
    waggle_address preferred_source;
    char interface[16];
    __u32 ifindex;
    __u32 metric;
    char protocol[12];
    __u8 prefix_length;
    __u8 reserved[3];
};

constexpr Field routes_fields[] = {
    WAGGLE_FIELD(route_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(route_fact, family, Unit::none, "ip or ip6.", trait_key),
    WAGGLE_FIELD(route_fact, route_table, Unit::identifier,
                 "The routing table: 254 main, 255 local (the machine's own addresses).", trait_key),
    WAGGLE_FIELD(route_fact, kind, Unit::none,
                 "unicast: sends on; local: is this machine; blackhole, unreachable, prohibit: drops."),
    WAGGLE_FIELD(route_fact, destination, Unit::none, "Where to: 192.0.2.0/24; default for everything else.",
                 trait_key),
    WAGGLE_FIELD(route_fact, prefix_length, Unit::none, "How many bits of the destination must fit.",
                 trait_hidden),
    WAGGLE_FIELD(route_fact, gateway, Unit::none,
                 "The router to send to; null where the target is reached directly.", trait_key),
    WAGGLE_FIELD(route_fact, interface, Unit::none, "The interface to send by; empty for routes that drop."),
    WAGGLE_FIELD(route_fact, ifindex, Unit::identifier, "That interface by its number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(route_fact, metric, Unit::none, "Of equal routes the one with the lowest metric is taken.",
                 trait_key),
    WAGGLE_FIELD(route_fact, preferred_source, Unit::none, "The address that packets get as their source.",
                 trait_hidden),
    WAGGLE_FIELD(route_fact, protocol, Unit::none, "Who made it: kernel, boot, static, dhcp, or a number."),
};
constexpr Schema route_schema = {"routes", "A route of any network namespace.", sizeof(route_fact),
                                 routes_fields, false};

constexpr std::size_t most_routes = 65536;  // a router of the internet's core has a million

std::string_view kind_name(std::uint8_t kind) {
    static constexpr std::string_view names[] = {"unspec",   "unicast",   "local",     "broadcast",
                                                 "anycast",  "multicast", "blackhole", "unreachable",
                                                 "prohibit", "throw",     "nat",       "external"};
    return kind < std::size(names) ? names[kind] : "unknown";
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {  // rtnetlink.h has these as macros
        case RTPROT_REDIRECT:
            return "redirect";
        case RTPROT_KERNEL:
            return "kernel";
        case RTPROT_BOOT:
            return "boot";
        case RTPROT_STATIC:
            return "static";
        case RTPROT_RA:
            return "ra";
        case RTPROT_DHCP:
            return "dhcp";
        case RTPROT_ZEBRA:
            return "zebra";
        case RTPROT_BIRD:
            return "bird";
        case RTPROT_KEEPALIVED:
            return "keepalived";
        case RTPROT_BABEL:
            return "babel";
        case RTPROT_BGP:
            return "bgp";
        case RTPROT_OSPF:
            return "ospf";
        default:
            return std::to_string(protocol);
    }
}

class Routes final : public NamespaceFact {
  public:
    explicit Routes(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return route_schema; }

    Result<void> begin(std::span<const NetworkNamespace>, const RowSink&) override {
        count_ = 0;
        return {};
    }
    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        return dump_routes("routes", RTM_GETROUTE, sizeof(rtmsg),
                           [&](const InterfaceNames& names, const NetlinkMessage& message) {
                               if (message.type == RTM_NEWROUTE && count_++ < most_routes)
                                   emit(netns.inode, names, message.body, sink);
                           });
    }
    Result<void> end(const RowSink&, Result<void> so_far) override {
        if (so_far && count_ > most_routes)
            return Error{
                fmt::format("read routes: there are {}; the first {} were taken", count_, most_routes)};
        return so_far;
    }

  private:
    void emit(std::uint32_t netns, const InterfaceNames& names, Bytes body, const RowSink& sink) {
        if (body.size() < sizeof(rtmsg)) return;
        const auto route = load<rtmsg>(body);
        if ((route.rtm_family != AF_INET && route.rtm_family != AF_INET6) || (route.rtm_flags & RTM_F_CLONED))
            return;
        record_.clear();
        route_fact& fact = record_.fixed;
        fact.netns = netns;
        put(fact.family, route.rtm_family == AF_INET ? "ip" : "ip6");
        put(fact.kind, kind_name(route.rtm_type));
        put(fact.protocol, protocol_name(route.rtm_protocol));
        fact.route_table = route.rtm_table;
        fact.prefix_length = route.rtm_dst_len;
        waggle_address destination{};
        Bytes hops;
        each_attribute(body.subspan(sizeof(rtmsg)), [&](std::uint16_t type, Bytes value) {
            if (type == RTA_DST) destination = netlink_address(route.rtm_family, value);
            if (type == RTA_GATEWAY) fact.gateway = netlink_address(route.rtm_family, value);
            if (type == RTA_PREFSRC) fact.preferred_source = netlink_address(route.rtm_family, value);
            if (type == RTA_OIF) fact.ifindex = netlink_u32(value);
            if (type == RTA_PRIORITY) fact.metric = netlink_u32(value);
            if (type == RTA_TABLE) fact.route_table = netlink_u32(value);
            if (type == RTA_MULTIPATH) hops = value;
        });
        record_.text(&route_fact::destination,
                     route.rtm_dst_len == 0
                         ? "default"
                         : fmt::format("{}/{}", format_address(destination), route.rtm_dst_len));
        if (hops.empty()) return finish(names, sink);
        // One row for each way a route with several may go.
        while (hops.size() >= sizeof(rtnexthop)) {
            const auto hop = load<rtnexthop>(hops);
            if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.size()) return;
            fact.ifindex = static_cast<__u32>(hop.rtnh_ifindex);
            fact.gateway = {};
            each_attribute(hops.subspan(sizeof hop, hop.rtnh_len - sizeof hop),
                           [&](std::uint16_t type, Bytes value) {
                               if (type == RTA_GATEWAY)
                                   fact.gateway = netlink_address(route.rtm_family, value);
                           });
            finish(names, sink);
            hops = hops.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), hops.size()));
        }
    }

    void finish(const InterfaceNames& names, const RowSink& sink) {
        std::memset(record_.fixed.interface, 0, sizeof record_.fixed.interface);
        if (const auto name = names.find(record_.fixed.ifindex); name != names.end())
            put(record_.fixed.interface, name->second);
        sink(Row(route_schema, record_.finish()));
    }

    std::size_t count_ = 0;  // in this reading
    RecordWriter<route_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_routes(const Roots& roots) { return std::make_unique<Routes>(roots); }

}  // namespace waggle::facts
