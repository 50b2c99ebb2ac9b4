// SPDX-License-Identifier: Apache-2.0
// linux/if.h and net/if.h name the same flags; only the kernel's is used here.
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "host/netlink.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct interface_fact {
    __u32 netns;
    __u32 ifindex;
    char name[16];
    char kind[16];
    char state[16];
    __u32 mtu;
    __u32 tx_queue_length;
    __u32 master_ifindex;
    __u8 up;
    __u8 carrier;
    __u8 reserved[2];
    __u32 rx_queues;
    __u32 reserved_too;
    __u64 rx_packets;
    __u64 rx_bytes;
    __u64 rx_dropped;
    __u64 rx_missed;
    __u64 rx_no_handler;
    __u64 rx_errors;
    __u64 tx_packets;
    __u64 tx_bytes;
    __u64 tx_dropped;
    __u64 tx_errors;
    __u64 rx_length_errors;
    __u64 rx_over_errors;
    __u64 rx_crc_errors;
    __u64 rx_frame_errors;
    __u64 rx_fifo_errors;
    __u64 tx_aborted_errors;
    __u64 tx_carrier_errors;
    __u64 tx_fifo_errors;
    __u64 tx_heartbeat_errors;
    __u64 tx_window_errors;
    __u64 rx_multicast;
    __u64 tx_collisions;
    __u64 rx_compressed;
    __u64 tx_compressed;
    __u64 rx_otherhost_dropped;
};

constexpr Field interfaces_fields[] = {
    WAGGLE_FIELD(interface_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(interface_fact, ifindex, Unit::identifier, "The interface by its number in its namespace.",
                 trait_key),
    WAGGLE_FIELD(interface_fact, name, Unit::none, "The interface by its name: eth0."),
    WAGGLE_FIELD(interface_fact, kind, Unit::none,
                 "veth, bridge, vlan ...; empty for hardware and the loopback interface."),
    WAGGLE_FIELD(interface_fact, state, Unit::none, "up, down, unknown, dormant, lowerlayerdown, testing."),
    WAGGLE_FLAG(interface_fact, up, "It is switched on (ip link set up).", trait_hidden),
    WAGGLE_FLAG(interface_fact, carrier, "The other end answers: cable in, peer up.", trait_hidden),
    WAGGLE_FIELD(interface_fact, mtu, Unit::bytes, "The largest packet it carries."),
    WAGGLE_FIELD(interface_fact, tx_queue_length, Unit::count, "Packets that may wait to be sent.",
                 trait_hidden),
    WAGGLE_FIELD(interface_fact, master_ifindex, Unit::identifier,
                 "The bridge or bond it belongs to; 0 where to none.", trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_queues, Unit::count,
                 "Queues by which it can receive, at most; many are not in use by default.", trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_packets, Unit::count, "Packets received.", trait_cumulative),
    WAGGLE_FIELD(interface_fact, rx_bytes, Unit::bytes, "Bytes received.", trait_cumulative),
    WAGGLE_FIELD(interface_fact, rx_dropped, Unit::count, "Received packets dropped by the kernel or driver.",
                 trait_cumulative),
    WAGGLE_FIELD(interface_fact, rx_missed, Unit::count,
                 "Packets the hardware dropped because the machine was too slow to take them.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_no_handler, Unit::count, "Received packets that no protocol wanted.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_errors, Unit::count, "Received packets that were damaged.",
                 trait_cumulative),
    WAGGLE_FIELD(interface_fact, tx_packets, Unit::count, "Packets sent.", trait_cumulative),
    WAGGLE_FIELD(interface_fact, tx_bytes, Unit::bytes, "Bytes sent.", trait_cumulative),
    WAGGLE_FIELD(interface_fact, tx_dropped, Unit::count, "Packets dropped instead of sent.",
                 trait_cumulative),
    WAGGLE_FIELD(interface_fact, tx_errors, Unit::count, "Packets that could not be sent.", trait_cumulative),
    WAGGLE_FIELD(interface_fact, rx_length_errors, Unit::count,
                 "Received packets dropped because their length is not allowed.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_over_errors, Unit::count,
                 "Received packets that did not fit into the buffers the machine had ready, as the device "
                 "counts them.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_crc_errors, Unit::count,
                 "Received packets whose checksum (CRC) was wrong: damaged on the way; in a tunnel: with or "
                 "without a checksum where the other is set up.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_frame_errors, Unit::count,
                 "Received packets that did not end at a whole byte.", trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_fifo_errors, Unit::count,
                 "Received packets for which a queue was full; in a tunnel: out of order.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_aborted_errors, Unit::count, "Packets whose sending the device gave up.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_carrier_errors, Unit::count,
                 "Packets that could not be sent because the line was lost; in a tunnel: without a route to "
                 "its other end.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_fifo_errors, Unit::count,
                 "Packets that reached the device's transmitter too late.", trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_heartbeat_errors, Unit::count,
                 "Heartbeat errors of old half-duplex Ethernet.", trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_window_errors, Unit::count,
                 "Packets that could not be sent because of a late collision.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_multicast, Unit::count,
                 "Multicast packets received; many cards count those too that do not reach the machine.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_collisions, Unit::count, "Collisions while sending.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_compressed, Unit::count, "Compressed packets received; of PPP and SLIP.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, tx_compressed, Unit::count, "Compressed packets sent; of PPP and SLIP.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(interface_fact, rx_otherhost_dropped, Unit::count,
                 "Received packets for another machine's hardware address, dropped; since Linux 5.19.",
                 trait_cumulative | trait_hidden),
};
constexpr Schema interface_schema = {"interfaces", "A network interface of any network namespace.",
                                     sizeof(interface_fact), interfaces_fields, false};

std::string_view state_name(std::uint8_t state) {
    static constexpr std::string_view names[] = {"unknown", "notpresent", "down", "lowerlayerdown",
                                                 "testing", "dormant",    "up"};
    return state < std::size(names) ? names[state] : "unknown";
}

void read_statistics(Bytes value, interface_fact& fact) {
    rtnl_link_stats64 s{};  // older kernels give fewer counters
    std::memcpy(&s, value.data(), std::min(value.size(), sizeof s));
    fact.rx_packets = s.rx_packets;
    fact.rx_bytes = s.rx_bytes;
    fact.rx_dropped = s.rx_dropped;
    fact.rx_missed = s.rx_missed_errors;
    fact.rx_no_handler = s.rx_nohandler;
    fact.rx_errors = s.rx_errors;
    fact.tx_packets = s.tx_packets;
    fact.tx_bytes = s.tx_bytes;
    fact.tx_dropped = s.tx_dropped;
    fact.tx_errors = s.tx_errors;
    fact.rx_length_errors = s.rx_length_errors;
    fact.rx_over_errors = s.rx_over_errors;
    fact.rx_crc_errors = s.rx_crc_errors;
    fact.rx_frame_errors = s.rx_frame_errors;
    fact.rx_fifo_errors = s.rx_fifo_errors;
    fact.tx_aborted_errors = s.tx_aborted_errors;
    fact.tx_carrier_errors = s.tx_carrier_errors;
    fact.tx_fifo_errors = s.tx_fifo_errors;
    fact.tx_heartbeat_errors = s.tx_heartbeat_errors;
    fact.tx_window_errors = s.tx_window_errors;
    fact.rx_multicast = s.multicast;
    fact.tx_collisions = s.collisions;
    fact.rx_compressed = s.rx_compressed;
    fact.tx_compressed = s.tx_compressed;
    // Behind what the headers of older systems know.
    constexpr std::size_t otherhost_at = offsetof(rtnl_link_stats64, rx_nohandler) + sizeof(__u64);
    if (value.size() >= otherhost_at + sizeof(__u64))
        fact.rx_otherhost_dropped = load<std::uint64_t>(value, otherhost_at);
}

void read_attribute(std::uint16_t type, Bytes value, interface_fact& fact) {
    const auto u8 = [&] { return value.empty() ? std::uint8_t{0} : load<std::uint8_t>(value); };
    if (type == IFLA_IFNAME) put(fact.name, netlink_text(value));
    if (type == IFLA_MTU) fact.mtu = netlink_u32(value);
    if (type == IFLA_NUM_RX_QUEUES) fact.rx_queues = netlink_u32(value);
    if (type == IFLA_TXQLEN) fact.tx_queue_length = netlink_u32(value);
    if (type == IFLA_MASTER) fact.master_ifindex = netlink_u32(value);
    if (type == IFLA_OPERSTATE) put(fact.state, state_name(u8()));
    if (type == IFLA_CARRIER) fact.carrier = u8() ? 1 : 0;
    if (type == IFLA_STATS64) read_statistics(value, fact);
    if (type == IFLA_LINKINFO)
        each_attribute(value, [&](std::uint16_t inner, Bytes kind) {
            if (inner == IFLA_INFO_KIND) put(fact.kind, netlink_text(kind));
        });
}

class Interfaces final : public NamespaceFact {
  public:
    explicit Interfaces(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return interface_schema; }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        auto netlink = Netlink::open(NETLINK_ROUTE);
        if (!netlink) return while_doing("read interfaces", netlink.error());
        ifinfomsg request{};
        RecordWriter<interface_fact> record;
        const auto dumped = netlink->dump(RTM_GETLINK, bytes_of(request), [&](const NetlinkMessage& message) {
            if (message.body.size() < sizeof(ifinfomsg)) return;
            const auto link = load<ifinfomsg>(message.body);
            record.clear();
            record.fixed.netns = netns.inode;
            record.fixed.ifindex = static_cast<__u32>(link.ifi_index);
            record.fixed.up = link.ifi_flags & IFF_UP ? 1 : 0;
            each_attribute(message.body.subspan(sizeof(ifinfomsg)), [&](std::uint16_t type, Bytes value) {
                read_attribute(type, value, record.fixed);
            });
            sink(Row(interface_schema, record.finish()));
        });
        if (!dumped) return while_doing("read interfaces", dumped.error());
        return {};
    }
};

}  // namespace

std::unique_ptr<Fact> make_interfaces(const Roots& roots) { return std::make_unique<Interfaces>(roots); }

}  // namespace waggle::facts
