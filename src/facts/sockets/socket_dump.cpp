// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/socket_dump.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

#include "base/put.h"
#include "base/text.h"

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
            if (type == INET_DIAG_INFO && message.idiag_state != TCP_LISTEN && socket.tcp())
                read_tcp_info(value, socket);
            if (type == INET_DIAG_SKV6ONLY && !value.empty()) socket.v6_only = load<std::uint8_t>(value) != 0;
        });
    return true;
}

namespace {

// The number behind `key` in the line that begins with `line`: "inuse" of "TCP: inuse 3 orphan 0".
std::optional<std::uint64_t> count_in(std::string_view text, std::string_view line, std::string_view key) {
    while (!text.empty()) {
        std::string_view here = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), here.size() + 1));
        if (!here.starts_with(line)) continue;
        const std::size_t at = here.find(key);
        if (at == std::string_view::npos) return {};
        here.remove_prefix(at + key.size());
        return number_of<std::uint64_t>(trim(here));
    }
    return {};
}

using SocketVisit = std::function<void(const SocketState&)>;

constexpr std::uint32_t only_holds_port = bit(13);  // TCPF_BOUND_INACTIVE (6.8), shown as CLOSE

constexpr std::uint8_t with_buffers = bit(INET_DIAG_SKMEMINFO - 1);
constexpr std::uint8_t with_all = with_buffers | bit(INET_DIAG_INFO - 1);

Result<void> dump_family(Netlink& sock_diag, int protocol, int family, std::uint32_t states,
                         std::uint8_t extensions, const SocketVisit& visit) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
    request.idiag_ext = extensions;
    request.idiag_states = states;
    SocketState socket;
    return sock_diag.dump(SOCK_DIAG_BY_FAMILY, bytes_of(request), [&](const NetlinkMessage& message) {
        if (parse_socket(protocol == IPPROTO_TCP ? "tcp" : "udp", message.body, socket)) visit(socket);
    });
}

Result<void> dump_families(Netlink& sock_diag, int protocol, std::uint32_t states, std::uint8_t extensions,
                           const SocketVisit& visit) {
    for (const int family : {AF_INET, AF_INET6}) {
        const auto dumped = dump_family(sock_diag, protocol, family, states, extensions, visit);
        // A kernel without IPv6 has no such sockets.
        if (!dumped && !(family == AF_INET6 && dumped.error().kind != ErrorKind::privilege)) return dumped;
    }
    return {};
}

// The older question gives both IP versions in one walk through the kernel's tables, which hold the connections of all
// network namespaces. The newer one takes a walk for each.
Result<void> dump_tcp(Netlink& sock_diag, std::uint32_t states, std::uint8_t extensions,
                      const SocketVisit& visit) {
    inet_diag_req request{};
    request.idiag_ext = extensions;
    request.idiag_states = states;
    SocketState socket;
    bool any = false;
    auto dumped = sock_diag.dump(TCPDIAG_GETSOCK, bytes_of(request), [&](const NetlinkMessage& message) {
        any = true;
        if (parse_socket("tcp", message.body, socket)) visit(socket);
    });
    if (dumped || any) return dumped;
    return dump_families(sock_diag, IPPROTO_TCP, states, extensions, visit);
}

}  // namespace

std::optional<SocketCounts> parse_socket_counts(std::string_view sockstat, std::string_view sockstat6) {
    const auto programs = count_in(sockstat, "sockets:", "used ");
    const auto tcp = count_in(sockstat, "TCP:", "inuse ");
    const auto udp = count_in(sockstat, "UDP:", "inuse ");
    if (!programs || !tcp || !udp) return {};
    return SocketCounts{*programs, *tcp + count_in(sockstat6, "TCP6:", "inuse ").value_or(0),
                        *udp + count_in(sockstat6, "UDP6:", "inuse ").value_or(0),
                        count_in(sockstat, "TCP:", "tw ").value_or(0)};
}

Result<void> dump_sockets(Netlink& sock_diag, bool listeners_only, const std::optional<SocketCounts>& counts,
                          const SocketVisit& visit) {
    if (counts && counts->none()) return {};
    std::uint32_t states = ~bit(TCP_TIME_WAIT);
    if (counts && counts->tcp == 0) states = only_holds_port;
    if (listeners_only) states = bit(TCP_LISTEN);
    if (!listeners_only || !counts || counts->tcp > 0)
        if (auto dumped = dump_tcp(sock_diag, states, listeners_only ? with_buffers : with_all, visit);
            !dumped)
            return while_doing("read tcp sockets by sock_diag", dumped.error());
    if (counts && counts->udp == 0) return {};
    if (auto dumped =
            dump_families(sock_diag, IPPROTO_UDP, listeners_only ? bit(TCP_CLOSE) : ~bit(TCP_TIME_WAIT),
                          with_buffers, visit);
        !dumped)
        return while_doing("read udp sockets by sock_diag", dumped.error());
    return {};
}

Result<void> dump_sockets(bool listeners_only, const SocketVisit& visit) {
    auto sock_diag = Netlink::open(NETLINK_SOCK_DIAG);
    if (!sock_diag) return while_doing("read sockets", sock_diag.error());
    return dump_sockets(*sock_diag, listeners_only, std::nullopt, visit);
}

Result<void> dump_connections(const SocketVisit& visit) {
    auto sock_diag = Netlink::open(NETLINK_SOCK_DIAG);
    if (!sock_diag) return while_doing("read tcp connections", sock_diag.error());
    const auto dumped = dump_tcp(*sock_diag, ~(bit(TCP_LISTEN) | bit(TCP_CLOSE) | only_holds_port), 0, visit);
    return dumped ? dumped : while_doing("read tcp connections by sock_diag", dumped.error());
}

}  // namespace waggle::facts
