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
}

void read_attribute(std::uint16_t type, Bytes value, interface_fact& fact) {
    const auto u8 = [&] { return value.empty() ? std::uint8_t{0} : load<std::uint8_t>(value); };
    if (type == IFLA_IFNAME) put(fact.name, netlink_text(value));
    if (type == IFLA_MTU) fact.mtu = netlink_u32(value);
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
