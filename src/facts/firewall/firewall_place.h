// SPDX-License-Identifier: Apache-2.0
// FirewallPlace: what the kernel functions on the way to a drop say of where in netfilter it happened.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace waggle::facts {

struct FirewallPlace {
    // Who dropped: nftables itself, somebody else at the hook (iptables-legacy, a BPF program, connection
    // tracking …), or not known.
    enum class Who { unknown, nftables, another };
    Who who = Who::unknown;
    std::string table_family;  // nftables: ip, ip6, inet, bridge, arp, netdev; empty: not known
    // ip, bridge, arp or netdev: whose hook it was; empty: not known. ip stands for IPv4 and IPv6.
    std::string hook_family;
    std::string hook;  // ingress, prerouting, input, forward, output, postrouting, egress; empty: not known
};

// `location` and `callers` as the sensor names them, "nft_do_chain+0x1d4 [nf_tables]", nearest first.
// `nft_tells`: on this kernel nftables frees in nft_do_chain() what it drops.
FirewallPlace firewall_place(std::string_view location, std::span<const std::string> callers, bool nft_tells);

}  // namespace waggle::facts
