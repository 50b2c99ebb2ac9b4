// SPDX-License-Identifier: Apache-2.0
#include "sensors/packet_drop/packet_drop_names.h"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/protocols.h"
#include "base/tcp_flags.h"
#include "engine/types/btf_names.h"
#include "sensors/packet_drop/packet_drop.event.h"
#include "symbols/symbols.h"

namespace waggle::sensors {
namespace {

struct Number {
    std::uint64_t value;
    std::string_view name;
};

constexpr Number directions[] = {
    {packet_direction_unknown, "unknown"},
    {packet_direction_in, "in"},
    {packet_direction_forward, "forward"},
    {packet_direction_out, "out"},
};
constexpr Number things[] = {
    {freed_thing_packet, "packet"},
    {freed_thing_unix, "UNIX socket message"},
    {freed_thing_netlink, "netlink message"},
    {freed_thing_other, "other message"},
};
constexpr Number ct_states[] = {
    {packet_ct_unknown, "unknown"}, {packet_ct_invalid, "invalid"}, {packet_ct_established, "established"},
    {packet_ct_related, "related"}, {packet_ct_new, "new"},         {packet_ct_untracked, "untracked"},
};
// include/uapi/linux/if_packet.h
constexpr Number link_types[] = {
    {0, "host"}, {1, "broadcast"}, {2, "multicast"}, {3, "otherhost"}, {4, "outgoing"}, {5, "loopback"},
};
// include/uapi/linux/if_ether.h
constexpr Number ether_types[] = {
    {0x0000, "none"},
    {0x0003, "all"},
    {0x0004, "802.2"},
    {0x000c, "can"},
    {0x0800, "ipv4"},
    {0x0806, "arp"},
    {0x8035, "rarp"},
    {0x8100, "802.1q"},
    {0x86dd, "ipv6"},
    {0x8809, "slow"},
    {0x8847, "mpls"},
    {0x8848, "mpls-multicast"},
    {0x8863, "pppoe-discovery"},
    {0x8864, "pppoe"},
    {0x888e, "eapol"},
    {0x88a8, "802.1ad"},
    {0x88cc, "lldp"},
    {0x88e5, "macsec"},
    {0x88f7, "ptp"},
};

void set_all(Names& names, std::string_view dictionary, std::span<const Number> numbers) {
    for (const Number& number : numbers) names.set(dictionary, number.value, std::string(number.name));
}

// The subsystem's reasons are known only while its module is loaded, and it may be loaded after us.
class DropReasons {
  public:
    std::string name(std::uint64_t reason) {
        if (!names_ || (reason >> 16 != 0 && !names_->contains(reason))) read();
        const auto found = names_->find(reason);
        return found == names_->end() ? std::string() : found->second;
    }

  private:
    void read() {
        Result<kernel::EnumNames> names = kernel::drop_reason_names();
        names_ = names ? std::move(*names) : kernel::EnumNames();
    }
    std::optional<kernel::EnumNames> names_;
};

}  // namespace

Result<void> name_packet_drops(Names& names) {
    set_all(names, "packet_direction", directions);
    set_all(names, "freed_thing", things);
    set_all(names, "ct_state", ct_states);
    set_all(names, "packet_link_type", link_types);
    for (const IpProtocol& protocol : ip_protocols)
        names.set("ip_protocol", protocol.number, std::string(protocol.name));
    names.set("ip_protocol", PACKET_DROP_NO_PROTOCOL, "none");
    set_all(names, "ether_type", ether_types);
    names.resolve_with("tcp_flags", tcp_flags_text);
    names.resolve_with("drop_reason", [reasons = std::make_shared<DropReasons>()](std::uint64_t reason) {
        return reasons->name(reason);
    });
    Result<OwnedFd> file = kernel::Symbols::open();
    if (!file) return file.error();
    names.resolve_with("kernel_symbol",
                       [places = std::make_shared<kernel::SymbolFinder>(std::move(*file))](
                           std::uint64_t address) { return to_string(places->find_return(address)); });
    return {};
}

}  // namespace waggle::sensors
