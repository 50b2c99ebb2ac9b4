// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/local_ports.h"

#include <cstring>
#include <map>

#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "facts/sockets/socket_dump.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {

std::optional<PortRange> parse_port_range(std::string_view range, std::string_view reserved) {
    range = trim(range);
    const std::size_t blank = range.find_first_of(" \t");
    if (blank == std::string_view::npos) return {};
    const auto first = number_of<std::uint32_t>(range.substr(0, blank));
    const auto last = number_of<std::uint32_t>(trim(range.substr(blank)));
    if (first == 0 || last < first || last > 0xffff) return {};
    PortRange out{first, last, last - first + 1, {}};
    reserved = trim(reserved);
    while (!reserved.empty()) {
        const std::string_view part = reserved.substr(0, reserved.find(','));
        reserved.remove_prefix(std::min(reserved.size(), part.size() + 1));
        const std::size_t dash = part.find('-');
        const auto from = number_of<std::uint32_t>(part.substr(0, dash));
        const auto to =
            dash == std::string_view::npos ? from : number_of<std::uint32_t>(part.substr(dash + 1));
        const std::uint32_t low = std::max(from, first), high = std::min(to, last);
        if (low > high) continue;
        out.ports -= high - low + 1;
        out.reserved.emplace_back(low, high);
    }
    return out;
}

namespace {

struct local_port_fact {
    __u32 netns;
    __u16 peer_port;
    __u16 reserved;
    waggle_address local_address;
    waggle_address peer_address;
    __u32 first_port;
    __u32 last_port;
    __u32 range_ports;
    __u32 taken;
    __u32 time_wait;
    __u32 established;
    __u32 close_wait;
    __u32 fin_wait;
    __u32 opening;
    __u32 other;
    __u32 elsewhere;
};

constexpr Field local_ports_fields[] = {
    WAGGLE_FIELD(local_port_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(local_port_fact, local_address, Unit::none, "The address on this side.", trait_key),
    WAGGLE_FIELD(local_port_fact, peer_address, Unit::none, "The address of the other side.", trait_key),
    WAGGLE_FIELD(local_port_fact, peer_port, Unit::identifier, "The port of the other side.", trait_key),
    WAGGLE_FIELD(local_port_fact, first_port, Unit::identifier,
                 "The first port that the kernel chooses for a connection (net.ipv4.ip_local_port_range)."),
    WAGGLE_FIELD(local_port_fact, last_port, Unit::identifier, "The last of them."),
    WAGGLE_FIELD(local_port_fact, range_ports, Unit::count,
                 "How many these are, without those of net.ipv4.ip_local_reserved_ports."),
    WAGGLE_FIELD(local_port_fact, taken, Unit::count,
                 "How many of them have a connection between these two addresses and to that port."),
    WAGGLE_FIELD(
        local_port_fact, time_wait, Unit::count,
        "Of these: the connection has ended, this side closed it first, and the kernel keeps its port "
        "for 60 s (TIME_WAIT)."),
    WAGGLE_FIELD(local_port_fact, established, Unit::count, "Of these: the connection is open."),
    WAGGLE_FIELD(local_port_fact, close_wait, Unit::count,
                 "Of these: the other side has closed it, and the program here has not (CLOSE_WAIT)."),
    WAGGLE_FIELD(local_port_fact, fin_wait, Unit::count,
                 "Of these: this side has closed it, and the other side has not (FIN_WAIT2)."),
    WAGGLE_FIELD(local_port_fact, opening, Unit::count,
                 "Of these: the other side has not answered yet (SYN_SENT)."),
    WAGGLE_FIELD(local_port_fact, other, Unit::count, "Of these: in any other state."),
    WAGGLE_FIELD(local_port_fact, elsewhere, Unit::count,
                 "Connections to that address and port from other addresses of this side."),
};
constexpr Schema local_ports_schema = {"local_ports",
                                       "Where connections from one address to one address and port hold half "
                                       "or more of the ports that the kernel "
                                       "chooses from.",
                                       sizeof(local_port_fact), local_ports_fields, false};

struct Way {
    waggle_address local{}, peer{};
    std::uint16_t peer_port = 0;

    bool operator<(const Way& other) const {
        if (peer_port != other.peer_port) return peer_port < other.peer_port;
        if (const int order = std::memcmp(&peer, &other.peer, sizeof peer)) return order < 0;
        return std::memcmp(&local, &other.local, sizeof local) < 0;
    }
};

// Half of the ports of any range but those that were made tiny by hand.
constexpr std::uint64_t least_connections = 64;

class LocalPorts final : public NamespaceFact {
  public:
    explicit LocalPorts(const Roots& roots) : NamespaceFact(roots), proc_(roots.proc) {}
    const Schema& schema() const override { return local_ports_schema; }

    // Connections are asked for only where there are enough of them: the two counts are cheap, and the kernel goes
    // through the connections of all namespaces for each that asks.
    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        const std::string sockstat(proc_.file("thread-self/net/sockstat"));
        const auto counts = parse_socket_counts(sockstat, proc_.file("thread-self/net/sockstat6"));
        if (!counts || counts->tcp + counts->time_wait < least_connections) return {};
        const std::string range_text(proc_.file("sys/net/ipv4/ip_local_port_range"));
        const auto range = parse_port_range(range_text, proc_.file("sys/net/ipv4/ip_local_reserved_ports"));
        if (!range || (counts->tcp + counts->time_wait) * 2 < range->ports) return {};
        std::map<Way, local_port_fact> ways;
        std::map<Way, std::uint32_t> from_anywhere;  // by the other side alone
        const auto dumped = dump_connections([&](const SocketState& socket) {
            if (!range->has(socket.local_port)) return;
            local_port_fact& way = ways[{socket.local, socket.peer, socket.peer_port}];
            ++way.taken;
            ++from_anywhere[{{}, socket.peer, socket.peer_port}];
            ++count_of(way, socket);
        });
        for (auto& [place, way] : ways) {
            if (way.taken * 2 < range->ports) continue;
            record_.clear();
            record_.fixed = way;
            record_.fixed.netns = netns.inode;
            record_.fixed.local_address = place.local;
            record_.fixed.peer_address = place.peer;
            record_.fixed.peer_port = place.peer_port;
            record_.fixed.first_port = range->first;
            record_.fixed.last_port = range->last;
            record_.fixed.range_ports = range->ports;
            record_.fixed.elsewhere = from_anywhere[{{}, place.peer, place.peer_port}] - way.taken;
            sink(Row(local_ports_schema, record_.finish()));
        }
        return dumped;
    }

  private:
    static __u32& count_of(local_port_fact& way, const SocketState& socket) {
        const std::string_view state = socket_state_name(socket);
        if (state == "TIME_WAIT") return way.time_wait;
        if (state == "ESTABLISHED") return way.established;
        if (state == "CLOSE_WAIT") return way.close_wait;
        if (state == "FIN_WAIT2") return way.fin_wait;
        if (state == "SYN_SENT") return way.opening;
        return way.other;
    }

    Procfs proc_;
    RecordWriter<local_port_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_local_ports(const Roots& roots) { return std::make_unique<LocalPorts>(roots); }

}  // namespace waggle::facts
