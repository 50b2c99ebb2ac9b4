// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/socket_dump.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>

namespace waggle::facts {
namespace {

waggle_address address_of(std::uint8_t family, const __be32* words) {
    waggle_address address{};
    if (family == AF_INET) {
        address.family = 4;
        std::memcpy(address.bytes, words, 4);
        return address;
    }
    in6_addr six;
    std::memcpy(&six, words, sizeof six);
    if (IN6_IS_ADDR_V4MAPPED(&six)) {
        address.family = 4;
        std::memcpy(address.bytes, six.s6_addr + 12, 4);
    } else {
        address.family = 6;
        std::memcpy(address.bytes, six.s6_addr, 16);
    }
    return address;
}

void read_memory(Bytes words, SocketState& socket) {
    if (words.size() < SK_MEMINFO_OPTMEM * sizeof(std::uint32_t)) return;
    const auto word = [&](std::size_t index) {
        const std::size_t at = index * sizeof(std::uint32_t);
        return at + sizeof(std::uint32_t) <= words.size() ? load<std::uint32_t>(words, at) : 0;
    };
    socket.has_memory = true;
    socket.receive_buffer_used = word(SK_MEMINFO_RMEM_ALLOC);
    socket.receive_buffer = word(SK_MEMINFO_RCVBUF);
    socket.send_buffer = word(SK_MEMINFO_SNDBUF);
    socket.drops = word(SK_MEMINFO_DROPS);
}

constexpr std::uint32_t bit(unsigned n) { return 1u << n; }

}  // namespace

bool SocketState::listens() const {
    return tcp() ? state == TCP_LISTEN : state == TCP_CLOSE && peer_port == 0 && local_port != 0;
}

std::string_view socket_state_name(const SocketState& socket) {
    if (!socket.tcp() && socket.state == TCP_CLOSE) return "UNCONNECTED";
    static constexpr std::string_view names[] = {
        "",          "ESTABLISHED", "SYN_SENT",   "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
        "TIME_WAIT", "CLOSE",       "CLOSE_WAIT", "LAST_ACK", "LISTEN",    "CLOSING",
        "SYN_RECV",  // a request that has no socket of its own yet
    };
    return socket.state < std::size(names) ? names[socket.state] : "";
}

bool parse_socket(std::string_view protocol, Bytes body, SocketState& socket) {
    if (body.size() < sizeof(inet_diag_msg)) return false;
    const auto message = load<inet_diag_msg>(body);
    socket = {};
    socket.protocol = protocol;
    socket.state = message.idiag_state;
    socket.cookie = message.id.idiag_cookie[0] | std::uint64_t{message.id.idiag_cookie[1]} << 32;
    socket.inode = message.idiag_inode;
    socket.uid = message.idiag_uid;
    socket.ifindex = message.id.idiag_if;
    socket.local = address_of(message.idiag_family, message.id.idiag_src);
    socket.peer = address_of(message.idiag_family, message.id.idiag_dst);
    socket.local_port = ntohs(message.id.idiag_sport);
    socket.peer_port = ntohs(message.id.idiag_dport);
    socket.receive_queue = message.idiag_rqueue;
    socket.send_queue = message.idiag_wqueue;
    const std::size_t attributes = NLMSG_ALIGN(sizeof(inet_diag_msg));
    if (body.size() > attributes)
        each_attribute(body.subspan(attributes), [&](std::uint16_t type, Bytes value) {
            if (type == INET_DIAG_SKMEMINFO) read_memory(value, socket);
            if (type == INET_DIAG_SKV6ONLY && !value.empty()) socket.v6_only = load<std::uint8_t>(value) != 0;
        });
    return true;
}

Result<void> dump_sockets(bool listeners_only, const std::function<void(const SocketState&)>& visit) {
    auto netlink = Netlink::open(NETLINK_SOCK_DIAG);
    if (!netlink) return while_doing("read sockets", netlink.error());
    for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
        const std::string_view name = protocol == IPPROTO_TCP ? "tcp" : "udp";
        for (const int family : {AF_INET, AF_INET6}) {
            inet_diag_req_v2 request{};
            request.sdiag_family = static_cast<std::uint8_t>(family);
            request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
            request.idiag_ext = bit(INET_DIAG_SKMEMINFO - 1);
            request.idiag_states = ~bit(TCP_TIME_WAIT);
            if (listeners_only) request.idiag_states = bit(protocol == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE);
            SocketState socket;
            const auto dumped =
                netlink->dump(SOCK_DIAG_BY_FAMILY, bytes_of(request), [&](const NetlinkMessage& message) {
                    if (parse_socket(name, message.body, socket)) visit(socket);
                });
            // A kernel without IPv6 has no such sockets.
            if (!dumped && !(family == AF_INET6 && dumped.error().kind != ErrorKind::privilege))
                return while_doing(std::string("read ") + std::string(name) + " sockets by sock_diag",
                                   dumped.error());
        }
    }
    return {};
}

}  // namespace waggle::facts
