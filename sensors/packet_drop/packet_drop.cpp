// SPDX-License-Identifier: Apache-2.0
#include "sensors/packet_drop/packet_drop.h"

#include "engine/support/kernel_symbol.h"
#include "packet_drop.skel.h"
#include "sensing/probed_running.h"
#include "sensors/packet_drop/packet_drop.event.h"
#include "sensors/packet_drop/packet_drop_names.h"

namespace waggle::sensors {
namespace {

using Event = packet_drop_event;
using Total = packet_drop_total;
using Routine = packet_free_routine;

constexpr std::string_view reason_meaning = "Why the kernel dropped it, as this kernel names the reason.";
constexpr std::string_view location_meaning = "The kernel function that dropped it, and how far into it.";
constexpr std::string_view ports_meaning = "Port it was sent to; 0 for protocols without ports.";
constexpr std::string_view inode_meaning =
    "Inode number of the socket that refused or sent it, as /proc/PID/fd shows it; 0 where none is known.";
constexpr std::string_view uid_meaning = "User id of that socket's owner.";
constexpr std::string_view socket_port_meaning = "Local port of that socket.";
constexpr std::string_view netns_meaning =
    "The network namespace (an own set of devices, routes and rules) by its inode number.";
constexpr std::string_view ifindex_meaning = "Number of that device in its network namespace.";
constexpr std::string_view ether_type_meaning = "What the frame carries: ipv4, ipv6, arp and so on.";
constexpr std::string_view protocol_meaning = "The protocol inside IP: tcp, udp, icmp and so on.";
constexpr std::string_view direction_meaning =
    "in: arrived here; forward: arrived and was on its way out again; out: made here.";

constexpr Field event_fields[] = {
    WAGGLE_HEADER_FIELDS(Event),
    WAGGLE_FIELD(Event, reason, Unit::none, reason_meaning, trait_none, "drop_reason"),
    WAGGLE_FLAG(Event, routine, "Freed as a matter of course: nothing was lost."),
    WAGGLE_FIELD(Event, direction, Unit::none, direction_meaning, trait_none, "packet_direction"),
    WAGGLE_FIELD(Event, protocol, Unit::none, protocol_meaning, trait_none, "ip_protocol"),
    WAGGLE_FIELD(Event, source, Unit::none, "Address of the sender."),
    WAGGLE_FIELD(Event, source_port, Unit::identifier,
                 "Port it was sent from; 0 for protocols without ports."),
    WAGGLE_FIELD(Event, destination, Unit::none, "Address it was sent to."),
    WAGGLE_FIELD(Event, destination_port, Unit::identifier, ports_meaning),
    WAGGLE_FIELD(Event, tcp_flags, Unit::none, "TCP's flags, such as SYN|ACK.", trait_hidden, "tcp_flags"),
    WAGGLE_FIELD(Event, length_bytes, Unit::bytes, "Length with the IP header, without the frame around it."),
    WAGGLE_FIELD(
        Event, segments, Unit::count,
        "Packets on the wire that this one stands for, where the card or the stack joins or splits them.",
        trait_hidden),
    WAGGLE_FIELD(Event, device, Unit::none, "The network device it came by or was to leave by."),
    WAGGLE_FIELD(Event, location, Unit::none, location_meaning, trait_none, "kernel_symbol"),
    WAGGLE_FIELD(Event, ifindex, Unit::identifier, ifindex_meaning, trait_hidden),
    WAGGLE_FIELD(Event, netns, Unit::identifier, netns_meaning, trait_hidden),
    WAGGLE_FIELD(Event, socket_inode, Unit::identifier, inode_meaning, trait_hidden),
    WAGGLE_FIELD(Event, socket_port, Unit::identifier, socket_port_meaning, trait_hidden),
    WAGGLE_FIELD(Event, socket_uid, Unit::identifier, uid_meaning, trait_hidden | trait_nullable),
    WAGGLE_FIELD(Event, ether_type, Unit::none, ether_type_meaning, trait_hidden, "ether_type"),
    WAGGLE_FIELD(Event, vlan_id, Unit::identifier, "Number of the VLAN it belongs to; 0 without one.",
                 trait_hidden),
    WAGGLE_FIELD(Event, icmp_type, Unit::identifier, "ICMP's message type; 0 for other protocols.",
                 trait_hidden),
    WAGGLE_FIELD(Event, icmp_code, Unit::identifier, "ICMP's message code; 0 for other protocols.",
                 trait_hidden),
    WAGGLE_FLAG(Event, fragment, "It is a piece of a larger packet; later pieces carry no ports.",
                trait_hidden),
    WAGGLE_FIELD(Event, ttl, Unit::none, "Hops it had left (TTL, hop limit); 0 without IP.", trait_hidden),
    WAGGLE_FIELD(Event, tos, Unit::none, "IP's type of service: the DSCP times 4, and ECN.", trait_hidden),
    WAGGLE_FIELD(Event, link_type, Unit::none,
                 "Samples: whom its frame was for: host, broadcast, multicast, otherhost.", trait_hidden,
                 "packet_link_type"),
    WAGGLE_FIELD(Event, in_ifindex, Unit::identifier,
                 "Samples: the device it arrived by; 0 where it was made here.", trait_hidden),
    WAGGLE_FIELD(Event, out_ifindex, Unit::identifier,
                 "Samples: the device it was to leave by; 0 where to none.", trait_hidden),
    WAGGLE_FIELD(Event, mark, Unit::none, "Samples: the packet's mark.", trait_hidden),
    WAGGLE_FIELD(Event, source_mac, Unit::none, "Samples: the sender's hardware address as a number.",
                 trait_hidden),
    WAGGLE_FIELD(Event, ct_state, Unit::none,
                 "Samples: what connection tracking said of it: new, established, related, invalid, "
                 "untracked.",
                 trait_hidden, "ct_state"),
    WAGGLE_FLAG(Event, ct_reply, "Samples: it answers the side that opened the connection.", trait_hidden),
    WAGGLE_FIELD(Event, ct_status, Unit::none, "Samples: bits of the connection's status (IPS_*).",
                 trait_hidden),
    WAGGLE_FIELD(Event, ct_mark, Unit::none, "Samples: the connection's mark.", trait_hidden),
    WAGGLE_FIELD(Event, original_destination, Unit::none,
                 "Samples: where its connection was opened to, before any rewriting.", trait_hidden),
    WAGGLE_FIELD(Event, original_port, Unit::identifier,
                 "Samples: the port its connection was opened to, before any rewriting.", trait_hidden),
    WAGGLE_FLAG(
        Event, nft_tells,
        "Firewall samples: on this kernel nftables drops in nft_do_chain and everybody else elsewhere.",
        trait_hidden),
    WAGGLE_FLAG(Event, socket_filter,
                "Samples: the socket has a filter of its own (SO_ATTACH_FILTER, SO_ATTACH_BPF).",
                trait_hidden),
    WAGGLE_FIELD(Event, caller1, Unit::none,
                 "Firewall samples: the function that called the place that dropped it.", trait_hidden,
                 "kernel_symbol"),
    WAGGLE_FIELD(Event, caller2, Unit::none, "Who called that one.", trait_hidden, "kernel_symbol"),
    WAGGLE_FIELD(Event, caller3, Unit::none, "And who that one.", trait_hidden, "kernel_symbol"),
    WAGGLE_FIELD(Event, caller4, Unit::none, "And who that one.", trait_hidden, "kernel_symbol"),
};
constexpr Field total_fields[] = {
    WAGGLE_HEADER_FIELDS(Total),
    WAGGLE_FIELD(Total, reason, Unit::none, reason_meaning, trait_key, "drop_reason"),
    WAGGLE_FIELD(Total, direction, Unit::none, direction_meaning, trait_key, "packet_direction"),
    WAGGLE_FIELD(Total, protocol, Unit::none, protocol_meaning, trait_key, "ip_protocol"),
    WAGGLE_FIELD(Total, source, Unit::none, "Address of the sender.", trait_key),
    WAGGLE_FIELD(Total, destination, Unit::none, "Address it was sent to.", trait_key),
    WAGGLE_FIELD(Total, destination_port, Unit::identifier, ports_meaning, trait_key),
    WAGGLE_FIELD(Total, packets, Unit::count, "Packets dropped for this cause.", trait_cumulative),
    WAGGLE_FIELD(Total, bytes, Unit::bytes, "Their bytes, each with its IP header.", trait_cumulative),
    WAGGLE_FIELD(Total, segments, Unit::count,
                 "Packets on the wire that they stand for, where the card or the stack joins or splits them.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(Total, device, Unit::none, "The network device they came by or were to leave by."),
    WAGGLE_FIELD(Total, location, Unit::none, location_meaning, trait_key, "kernel_symbol"),
    WAGGLE_FIELD(Total, ifindex, Unit::identifier, ifindex_meaning, trait_key | trait_hidden),
    WAGGLE_FIELD(Total, netns, Unit::identifier, netns_meaning, trait_key | trait_hidden),
    WAGGLE_FIELD(Total, socket_inode, Unit::identifier, inode_meaning, trait_hidden),
    WAGGLE_FIELD(Total, socket_port, Unit::identifier, socket_port_meaning, trait_hidden),
    WAGGLE_FIELD(Total, socket_uid, Unit::identifier, uid_meaning, trait_hidden | trait_nullable),
    WAGGLE_FIELD(Total, ether_type, Unit::none, ether_type_meaning, trait_key | trait_hidden, "ether_type"),
    WAGGLE_FLAG(Total, overflow,
                "More causes than the kernel side holds: the rest of this reason, without the cause.",
                trait_key | trait_hidden),
};
constexpr Field routine_fields[] = {
    WAGGLE_HEADER_FIELDS(Routine),
    WAGGLE_FIELD(Routine, thing, Unit::none, "What was freed.", trait_key, "freed_thing"),
    WAGGLE_FIELD(Routine, reason, Unit::none, reason_meaning, trait_key, "drop_reason"),
    WAGGLE_FIELD(Routine, packets, Unit::count, "How many were freed.", trait_cumulative),
    WAGGLE_FIELD(Routine, bytes, Unit::bytes, "Their bytes.", trait_cumulative),
    WAGGLE_FIELD(Routine, location, Unit::none, "The kernel function that freed it, and how far into it.",
                 trait_key, "kernel_symbol"),
};
constexpr Schema event_schema = {"packet_drop",
                                 "A packet the kernel dropped. In the always-on mode the first ten of each "
                                 "cause and second, as samples.",
                                 sizeof(Event), event_fields, true};
constexpr Schema total_schema = {
    "packet_drop_total", "Packets dropped for one cause since the last reading; time is the last one's.",
    sizeof(Total), total_fields, true};
constexpr Schema routine_schema = {
    "packet_free_routine",
    "Packets and messages the kernel freed as a matter of course since the last "
    "reading: nothing was lost.",
    sizeof(Routine), routine_fields, true};
constexpr auto all_schemas = schemas_by_kind({{packet_drop_kind_event, &event_schema},
                                              {packet_drop_kind_total, &total_schema},
                                              {packet_drop_kind_routine, &routine_schema}});

// A cause is forgotten when it stood still for so many snapshots.
kernel::Snapshot::Options forgetting() {
    kernel::Snapshot::Options options;
    options.forget_after = 60;
    return options;
}

class PacketDrop final : public ProbedRunning {
  public:
    PacketDrop(kernel::Probes probes, std::vector<HookUse> hooks)
        : ProbedRunning(packet_drop_source, std::move(probes)), hooks_(std::move(hooks)) {}
    std::vector<HookUse> hooks() const override { return hooks_; }

  private:
    std::vector<HookUse> hooks_;
};

Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
    static constexpr std::string_view drop[] = {"on_drop_with_socket", "on_drop"};
    static constexpr Moment moments[] = {{"drop", drop, "Dropped packets are not seen.", true}};
    auto probes = open_probes(packet_drop_source, packet_drop_bpf__elf_bytes, options);
    if (!probes) return probes.error();
    // Where it cannot be looked up, those packets count as freed without a reason.
    if (const auto address = kernel::symbol_address("nf_queue"); address)
        if (auto set = probes->object().set_constant("nf_queue_start", *address); !set) return set.error();
    if (auto loaded = probes->load(moments); !loaded) return loaded.error();
    for (const Result<void>& added :
         {probes->snapshot_map("totals", {{offsetof(Total, packets), 3}}, forgetting()),
          probes->snapshot_map("overflow", {{offsetof(Total, packets), 3}}),
          probes->snapshot_map("routine_frees", {{offsetof(Routine, packets), 2}}, forgetting()),
          probes->count_loss("lost_map_full", "map full")})
        if (!added) return added.error();
    std::vector<HookUse> hooks = probes->hooks();
    if (!probes->object().is_attached("on_drop_with_socket"))
        hooks.front().lost = "Which socket refused a packet is not told by this kernel (6.11 and later do).";
    if (const Result<void> named = name_packet_drops(names); !named)
        hooks.push_back({"kernel function", "", "Places in the kernel's code are shown as numbers.",
                         named.error().message});
    return std::unique_ptr<Running>(std::make_unique<PacketDrop>(std::move(*probes), std::move(hooks)));
}

}  // namespace

constinit const Source packet_drop_source = {
    .name = "packet_drop",
    .question = "Why are packets dropped?",
    .schemas = all_schemas,
    .start = start,
};

}  // namespace waggle::sensors
