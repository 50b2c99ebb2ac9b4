// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall/firewall_place.h"

namespace waggle::facts {
namespace {

struct HookCaller {
    std::string_view function, hook_family, hook;
};
// Who calls nf_hook_slow(), and for which hook. Functions that call it for two hooks are left out.
constexpr HookCaller hook_callers[] = {
    {"ip_rcv", "ip", "prerouting"},
    {"ip_sublist_rcv", "ip", "prerouting"},
    {"ip_list_rcv", "ip", "prerouting"},
    {"ipv6_rcv", "ip", "prerouting"},
    {"ip6_sublist_rcv", "ip", "prerouting"},
    {"ipv6_list_rcv", "ip", "prerouting"},
    {"br_nf_pre_routing", "ip", "prerouting"},
    {"br_nf_pre_routing_ipv6", "ip", "prerouting"},
    {"ip_local_deliver", "ip", "input"},
    {"ip6_input", "ip", "input"},
    {"br_nf_local_in", "ip", "input"},
    {"ip_forward", "ip", "forward"},
    {"ip6_forward", "ip", "forward"},
    {"ip_mr_forward", "ip", "forward"},
    {"br_nf_forward_ip", "ip", "forward"},
    {"br_nf_forward", "ip", "forward"},
    {"__ip_local_out", "ip", "output"},
    {"ip_local_out", "ip", "output"},
    {"__ip6_local_out", "ip", "output"},
    {"ip6_local_out", "ip", "output"},
    {"ip6_xmit", "ip", "output"},
    {"raw_sendmsg", "ip", "output"},
    {"rawv6_sendmsg", "ip", "output"},
    {"ip_output", "ip", "postrouting"},
    {"ip_mc_output", "ip", "postrouting"},
    {"ip6_output", "ip", "postrouting"},
    {"ip6_finish_output", "ip", "postrouting"},
    {"br_nf_post_routing", "ip", "postrouting"},
    {"br_handle_frame", "bridge", "prerouting"},
    {"br_pass_frame_up", "bridge", "input"},
    {"__br_forward", "bridge", "forward"},
    {"br_forward", "bridge", "forward"},
    {"br_flood", "bridge", "forward"},
    {"br_forward_finish", "bridge", "postrouting"},
    {"arp_rcv", "arp", "input"},
    {"arp_xmit", "arp", "output"},
    {"__netif_receive_skb_core", "netdev", "ingress"},
    {"__dev_queue_xmit", "netdev", "egress"},
};

struct Entry {
    std::string_view function, table_family;
};
// Between a hook and nft_do_chain(); without a family where it serves several.
constexpr Entry nft_entries[] = {
    {"nft_do_chain_ipv4", "ip"},           {"nft_do_chain_ipv6", "ip6"},   {"nft_do_chain_inet", "inet"},
    {"nft_do_chain_inet_ingress", "inet"}, {"nft_do_chain_arp", "arp"},    {"nft_do_chain_bridge", "bridge"},
    {"nft_do_chain_netdev", "netdev"},     {"nf_route_table_hook4", "ip"}, {"nf_route_table_hook6", "ip6"},
    {"nf_route_table_inet", "inet"},       {"nft_nat_do_chain", ""},
};

std::string_view function_of(std::string_view place) { return place.substr(0, place.find_first_of("+. ")); }

}  // namespace

FirewallPlace firewall_place(std::string_view location, std::span<const std::string> callers,
                             bool nft_tells) {
    FirewallPlace place;
    const std::string_view dropper = function_of(location);
    if (dropper == "nft_do_chain")
        place.who = FirewallPlace::Who::nftables;
    else if (nft_tells && dropper.starts_with("nf_hook"))
        place.who = FirewallPlace::Who::another;
    for (const std::string& caller : callers) {
        const std::string_view function = function_of(caller);
        for (const Entry& entry : nft_entries)
            if (entry.function == function) place.table_family = entry.table_family;
        for (const HookCaller& known : hook_callers) {
            if (known.function != function) continue;
            place.hook_family = known.hook_family;
            place.hook = known.hook;
            return place;
        }
    }
    return place;
}

}  // namespace waggle::facts
