// SPDX-License-Identifier: Apache-2.0
// Every TCP and UDP socket of one network namespace, as the kernel's sock_diag interface tells it.
#pragma once

#include "bpf/event.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "host/netlink.h"
#include "waggle/bytes.h"
#include "waggle/result.h"

namespace waggle::facts {

struct SocketState {
    std::string_view protocol;  // "tcp" or "udp"
    std::uint8_t state = 0;     // as the kernel numbers TCP states
    std::uint64_t cookie = 0;   // never used twice while the machine runs
    std::uint32_t inode = 0;    // 0 where no process holds the socket
    std::uint32_t uid = 0;
    std::uint32_t ifindex = 0;  // bound to this interface; 0 = to none
    waggle_address local{};     // an IPv4 address that an IPv6 socket uses stands here as IPv4
    waggle_address peer{};
    std::uint16_t local_port = 0;
    std::uint16_t peer_port = 0;
    std::uint32_t receive_queue = 0;  // bytes; for listeners the connections that wait for accept()
    std::uint32_t send_queue = 0;     // bytes; for listeners how many connections may wait
    bool v6_only = false;
    bool has_memory = false;  // the kernel gave the figures below
    std::uint32_t receive_buffer_used = 0;
    std::uint32_t receive_buffer = 0;
    std::uint32_t send_buffer = 0;
    std::uint32_t drops = 0;
    bool has_tcp_info = false;  // the kernel gave the figures below
    std::uint64_t acked_bytes = 0;
    std::uint64_t received_bytes = 0;  // in order, read or not
    std::uint64_t last_sent_ns = 0;  // so long ago data was sent last; where never, the connection came about
    std::uint64_t receiver_limited_ns = 0;  // it had data, and the other side's window was full
    std::uint64_t send_buffer_limited_ns =
        0;                            // the program had more, and the send buffer was full of what was sent
    std::uint64_t busy_ns = 0;        // data waited to be sent or confirmed
    std::uint64_t round_trip_ns = 0;  // to the other side and back, as the kernel smooths it
    std::uint32_t peer_window = 0;
    std::uint32_t unanswered_probes = 0;  // whether there is room now

    bool tcp() const { return protocol == "tcp"; }
    bool listens() const;  // TCP in LISTEN; UDP bound and not connected
};

std::string_view socket_state_name(const SocketState& socket);

// `body` is an inet_diag_msg with its attributes; false where it is too short to be one.
bool parse_socket(std::string_view protocol, Bytes body, SocketState& socket);

// `info`: a tcp_info of the kernel, which grows from version to version.
void read_tcp_info(Bytes info, SocketState& socket);

// What /proc/net/sockstat and sockstat6 say of one network namespace.
struct SocketCounts {
    std::uint64_t programs = 0;  // sockets of any kind that programs have
    std::uint64_t tcp = 0;       // IPv4 and IPv6, those of the kernel too; without what only holds a port
    std::uint64_t udp = 0;
    std::uint64_t time_wait = 0;
    bool none() const { return programs == 0 && tcp == 0 && udp == 0; }
};
// Nothing where `sockstat` does not say it.
std::optional<SocketCounts> parse_socket_counts(std::string_view sockstat, std::string_view sockstat6);

// Sockets of the network namespace in which `sock_diag` was opened (NETLINK_SOCK_DIAG). TIME_WAIT is left out: such a
// socket has no owner, no queue and no buffer, and a busy server has tens of thousands. `listeners_only` asks TCP for
// LISTEN alone. To look for connections the kernel goes through those of the whole machine: where `counts` says that
// there are none it is not asked.
Result<void> dump_sockets(Netlink& sock_diag, bool listeners_only, const std::optional<SocketCounts>& counts,
                          const std::function<void(const SocketState&)>& visit);
// The same of this thread's network namespace.
Result<void> dump_sockets(bool listeners_only, const std::function<void(const SocketState&)>& visit);
// TCP connections alone, in any state, those of TIME_WAIT too, without their buffers: of this thread's namespace.
Result<void> dump_connections(const std::function<void(const SocketState&)>& visit);

}  // namespace waggle::facts
