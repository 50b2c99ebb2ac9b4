// SPDX-License-Identifier: Apache-2.0
// Apart from socket_dump.cpp: <linux/tcp.h> and <netinet/tcp.h> define the same struct, and only the first one whole.
#include <linux/tcp.h>

#include <cstddef>

#include "facts/sockets/socket_dump.h"
#include "waggle/bytes.h"

namespace waggle::facts {

void read_tcp_info(Bytes info, SocketState& socket) {
    constexpr std::size_t acked = offsetof(tcp_info, tcpi_bytes_acked);
    constexpr std::size_t limited = offsetof(tcp_info, tcpi_rwnd_limited);
    constexpr std::size_t window = offsetof(tcp_info, tcpi_snd_wnd);  // 5.4, the last of these
    if (info.size() < window + sizeof(std::uint32_t)) return;
    socket.has_tcp_info = true;
    socket.acked_bytes = load<std::uint64_t>(info, acked);
    socket.last_sent_ns =
        std::uint64_t{load<std::uint32_t>(info, offsetof(tcp_info, tcpi_last_data_sent))} * 1'000'000;
    socket.received_bytes = load<std::uint64_t>(info, offsetof(tcp_info, tcpi_bytes_received));
    socket.receiver_limited_ns = load<std::uint64_t>(info, limited) * 1000;
    socket.send_buffer_limited_ns = load<std::uint64_t>(info, offsetof(tcp_info, tcpi_sndbuf_limited)) * 1000;
    socket.busy_ns = load<std::uint64_t>(info, offsetof(tcp_info, tcpi_busy_time)) * 1000;
    socket.round_trip_ns = std::uint64_t{load<std::uint32_t>(info, offsetof(tcp_info, tcpi_rtt))} * 1000;
    socket.unanswered_probes = load<std::uint8_t>(info, offsetof(tcp_info, tcpi_probes));
    socket.peer_window = load<std::uint32_t>(info, window);
}

}  // namespace waggle::facts
