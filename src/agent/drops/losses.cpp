// SPDX-License-Identifier: Apache-2.0
// Which drops lost something that somebody wanted.
#include <linux/rtnetlink.h>

#include <algorithm>

#include "agent/drops/drop_cause.h"

namespace waggle::agent {
namespace {

// Other rules say these (no listener, slow readers, full accept queues), or netfilter's judge does.
constexpr std::string_view told_elsewhere[] = {"NETFILTER_DROP", "NO_SOCKET", "SOCKET_RCVBUFF",
                                               "TCP_LISTEN_OVERFLOW", "SOCKET_BACKLOG"};
// What the ends of connections, repetitions and reordered packets leave behind: the connection itself is
// well, or over. And frames for others.
constexpr std::string_view tails[] = {"TCP_RESET",
                                      "TCP_CLOSE",
                                      "TCP_INVALID_SEQUENCE",
                                      "TCP_INVALID_END_SEQUENCE",
                                      "TCP_INVALID_SYN",
                                      "TCP_OVERWINDOW",
                                      "TCP_INVALID_ACK_SEQUENCE",
                                      "TCP_ABORT_ON_DATA",
                                      "TCP_FASTOPEN",
                                      "TCP_ACK_UNSENT_DATA",
                                      "TCP_TOO_OLD_ACK",
                                      "TCP_OLD_ACK",
                                      "TCP_RFC7323_PAWS",
                                      "TCP_RFC7323_TSECR",
                                      "TCP_ZEROWINDOW",
                                      "TCP_FLAGS",
                                      "TCP_RFC7323_TW_PAWS",
                                      "UNHANDLED_PROTO",
                                      "OTHERHOST",
                                      "IPV6_NDISC_FRAG",
                                      "IPV6_NDISC_HOP_LIMIT"};

template <std::size_t N>
bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// Until 6.12 the kernel gave no reason where a listener gets a segment of a connection that is over, which it answers with a
// reset; nor where it has no room for one that a SYN cookie opens.
bool is_late_segment(const Drop& drop, const DropScene& scene) {
    const std::string function = drop.function();
    if (drop.reason != "NOT_SPECIFIED") return false;
    // What answers a connection of which only the port is kept (TIME_WAIT) is answered with a reset, on all kernels.
    if (function == "tcp_v4_rcv" || function == "tcp_v6_rcv")
        return drop.is_answer() && !scene.socket(drop.netns, drop.protocol, drop.destination, drop.port);
    return (function == "tcp_v4_do_rcv" || function == "tcp_v6_do_rcv") &&
           !scene.accept_queue_overflowed(drop.netns);
}

// A packet that is made of several (GRO) gives its parts back where it is freed itself, also after a program has read
// it; what becomes of it is told of the whole.
bool is_part(const Drop& drop) {
    return drop.reason == "NOT_SPECIFIED" && drop.function() == "skb_release_data";
}

// For all on the wire or for a group, and nobody here wants it; the network that it is for can be another's.
bool is_for_many(const Drop& drop, const DropScene& scene) {
    const auto type = scene.address_type(drop.netns, drop.destination);
    const bool framed =
        !drop.samples.empty() && std::all_of(drop.samples.begin(), drop.samples.end(),
                                             [](const DropSample& sample) { return sample.for_many; });
    return type == RTN_BROADCAST || type == RTN_MULTICAST || framed;
}

}  // namespace

bool is_loss(const Drop& drop, const DropScene& scene) {
    if (is_one_of(drop.reason, told_elsewhere) || is_one_of(drop.reason, tails)) return false;
    if (is_late_segment(drop, scene) || is_part(drop)) return false;
    // Pieces that waited for the rest, without a device any more: each reassembly that ends gives them up,
    // and so does a network namespace that ends.
    if (drop.reason == "FRAG_REASM_TIMEOUT" && drop.netns == 0) return false;
    const bool at_program = drop.reason == "XDP" || drop.reason == "TC_INGRESS" ||
                            drop.reason == "TC_EGRESS" || drop.function().find("xdp") != std::string::npos;
    if (drop.protocol == "none" && !at_program && !drop.reason.starts_with("QDISC")) return false;
    return !(drop.direction == "in" && is_for_many(drop, scene));
}

bool is_noise(const DropGroup& group, double window_seconds) {
    constexpr double of_a_traceroute_per_second = 3;
    const Drop& first = *group.drops().front();
    if (first.reason == "IP_INHDR" && first.function().find("forward") != std::string::npos &&
        (group.asks_for_the_way() || group.packets_per_second(window_seconds) < of_a_traceroute_per_second))
        return true;
    return group.is_scattered() && (is_of_a_neighbour(first.reason) || first.reason == "IP_INNOROUTES" ||
                                    first.reason == "IP_INADDRERRORS");
}

}  // namespace waggle::agent
