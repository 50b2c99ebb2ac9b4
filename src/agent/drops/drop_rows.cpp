// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/drop_rows.h"

#include <algorithm>
#include <tuple>

#include "base/put.h"
#include "base/tcp_flags.h"
#include "facts/firewall/firewall_packet.h"

namespace waggle::agent {
namespace {

constexpr std::size_t samples_kept = 6;  // of one cause; they differ in flags and lengths, if at all

std::uint32_t ct_state(const std::string& text) {
    struct State {
        std::string_view name;
        std::uint32_t bit;
    };
    static constexpr State states[] = {{"invalid", facts::ct_invalid},
                                       {"established", facts::ct_established},
                                       {"related", facts::ct_related},
                                       {"new", facts::ct_new},
                                       {"untracked", facts::ct_untracked}};
    for (const State& state : states)
        if (state.name == text) return state.bit;
    return 0;  // not known
}

std::optional<std::uint8_t> link_type(const std::string& text) {
    constexpr std::string_view names[] = {"host", "broadcast", "multicast", "otherhost"};
    const auto* known = std::find(std::begin(names), std::end(names), text);
    if (known == std::end(names)) return {};
    return static_cast<std::uint8_t>(known - std::begin(names));
}

facts::FirewallPacket packet_of(const TableRow& row, bool sampled) {
    facts::FirewallPacket packet;
    packet.source = facts::parse_address(row.text("source"));
    packet.destination = facts::parse_address(row.text("destination"));
    packet.protocol = facts::protocol_number(row.text("protocol"));
    packet.destination_port = static_cast<std::uint16_t>(row.number_or_0("destination_port"));
    if (!packet.has_ports()) packet.destination_port.reset();
    if (!sampled) return packet;
    if (packet.has_ports()) packet.source_port = static_cast<std::uint16_t>(row.number_or_0("source_port"));
    if (packet.protocol == 6) packet.tcp_flags = tcp_flags_of(row.text("tcp_flags"));
    if (packet.protocol == 1 || packet.protocol == 58)
        packet.icmp_type = static_cast<std::uint8_t>(row.number_or_0("icmp_type"));
    packet.length = static_cast<std::uint32_t>(row.number_or_0("length_bytes"));
    // Recordings older than these columns do not have them, and then they are not known.
    if (const auto ttl = row.number("ttl"); ttl && *ttl) {
        packet.ttl = static_cast<std::uint8_t>(*ttl);
        packet.tos = static_cast<std::uint8_t>(row.number_or_0("tos"));
    }
    if (const auto uid = row.number("socket_uid")) packet.uid = static_cast<std::uint32_t>(*uid);
    const std::uint32_t state = ct_state(row.text("ct_state"));
    if (!state) return packet;
    packet.ct_state = state;
    packet.mark = static_cast<std::uint32_t>(row.number_or_0("mark"));
    packet.link_type = link_type(row.text("link_type"));
    if (const auto mac = row.number_or_0("source_mac")) packet.mac = static_cast<std::uint64_t>(mac);
    if (state == facts::ct_invalid || state == facts::ct_untracked) return packet;
    packet.ct_reply = row.number_or_0("ct_reply") != 0;
    packet.ct_status = static_cast<std::uint32_t>(row.number_or_0("ct_status"));
    packet.ct_mark = static_cast<std::uint32_t>(row.number_or_0("ct_mark"));
    packet.original_destination = facts::parse_address(row.text("original_destination"));
    packet.original_port = static_cast<std::uint16_t>(row.number_or_0("original_port"));
    return packet;
}

using DropKey = std::tuple<std::uint32_t, std::uint32_t, std::uint16_t, std::string, std::string, std::string,
                           std::string, std::string, std::string>;
DropKey key_of(const TableRow& row) {
    return {static_cast<std::uint32_t>(row.number_or_0("netns")),
            static_cast<std::uint32_t>(row.number_or_0("ifindex")),
            static_cast<std::uint16_t>(row.number_or_0("destination_port")),
            row.text("reason"),
            row.text("direction"),
            row.text("location"),
            row.text("protocol"),
            row.text("source"),
            row.text("destination")};
}

// TCP tells it itself, else connection tracking, where it is there; else the ports: from a service's to one
// of those that programs get for asking.
bool goes_back(const Drop& drop, const TableRow& row, const std::string& flags) {
    const bool syn = flags.find("SYN") != std::string::npos;
    if (syn) return flags.find("ACK") != std::string::npos;
    if (!drop.has_port()) return false;
    const std::string state = row.text("ct_state");
    if (row.number_or_0("ct_reply") && !state.empty()) return true;
    if (state == "established") return false;
    const auto from = static_cast<std::uint16_t>(row.number_or_0("source_port"));
    return from > 0 && !is_client_port(from) && from < drop.port && is_client_port(drop.port);
}

void listen_to(Drop& drop, const TableRow& row, const std::string& flags) {
    DropTalk& talk = drop.talk;
    ++talk.seen;
    talk.seconds.insert(static_cast<std::uint64_t>(row.number_or_0("time_ns")) / 1'000'000'000);
    const auto from = static_cast<std::uint16_t>(row.number_or_0("source_port"));
    if (goes_back(drop, row, flags)) {
        ++talk.answers;
        talk.answers_from.insert(from);
        talk.answer_states.insert(row.text("ct_state"));
    } else if (drop.protocol == "tcp" && flags.find("SYN") != std::string::npos) {
        ++talk.tries;
        ++talk.tries_from[from];
    }
}

std::string plain_address(const std::string& address) {
    constexpr std::string_view mapped = "::ffff:";
    const bool is_mapped = address.starts_with(mapped) && address.find('.') != std::string::npos;
    return is_mapped ? address.substr(mapped.size()) : address;
}

// As the kernel finds a socket for an address: bound to it, or to all of the family; an IPv6 socket that is
// not for IPv6 alone takes IPv4 too.
bool takes(const SocketRow& socket, const std::string& address) {
    return socket.local_address == address || socket.local_address == "::" ||
           (socket.local_address == "0.0.0.0" && address.find(':') == std::string::npos) ||
           socket.local_address == "::ffff:" + address;
}

}  // namespace

std::string TableRow::text(std::string_view column) const {
    const auto found = columns_.find(column);
    if (found == columns_.end()) return {};
    Value value;
    read_column(row_, found->second, lookup_, value);
    if (value.kind == Value::Kind::integer) return std::to_string(value.integer);
    return value.kind == Value::Kind::text ? std::string(value.text) : std::string();
}

std::optional<std::int64_t> TableRow::number(std::string_view column) const {
    const auto found = columns_.find(column);
    if (found == columns_.end()) return {};
    Value value;
    read_column(row_, found->second, lookup_, value);
    if (value.kind == Value::Kind::integer) return value.integer;
    if (value.kind == Value::Kind::real) return static_cast<std::int64_t>(value.real);
    return {};
}

void DropTables::each(std::string_view table, const std::function<void(const TableRow&)>& visit) const {
    const Relation* relation = find(table);
    if (!relation) return;
    std::map<std::string_view, Column> columns;
    for (const Column& column : columns_of(relation->schema()))
        if (column.field) columns.emplace(column.name, column);
    Row row;
    const auto cursor = relation->open();
    while (cursor->next(row)) visit(TableRow(row, columns, lookup));
}

namespace {

// "192.0.2.0/24"; nothing where it is empty.
void read_prefix(const std::string& text, waggle_address& network, unsigned& bits) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) return;
    network = facts::parse_address(text.substr(0, slash));
    bits = facts::number_of<unsigned>(std::string_view(text).substr(slash + 1));
}

RoutingRule routing_rule_of(const TableRow& row) {
    RoutingRule rule;
    rule.priority = row.number_or_0("priority");
    rule.go_to = row.number_or_0("go_to");
    rule.table = row.number_or_0("route_table");
    rule.action = row.text("action");
    rule.in_device = row.text("in_device");
    rule.out_device = row.text("out_device");
    rule.protocol = row.text("protocol");
    rule.text = row.text("rule");
    read_prefix(row.text("source"), rule.source, rule.source_bits);
    read_prefix(row.text("destination"), rule.destination, rule.destination_bits);
    rule.mark = static_cast<std::uint32_t>(row.number_or_0("mark"));
    rule.mark_mask = static_cast<std::uint32_t>(row.number_or_0("mark_mask"));
    rule.uid_from = row.number("uid_from");
    rule.uid_to = row.number("uid_to");
    rule.port_from = row.number("port_from");
    rule.port_to = row.number("port_to");
    rule.suppressed_length = row.number("suppressed_length");
    rule.inverted = row.number_or_0("inverted") != 0;
    rule.is_partly_known = row.number_or_0("is_partly_known") != 0;
    return rule;
}

}  // namespace

DropScene DropScene::read(const DropTables& tables, std::uint64_t from_ns) {
    DropScene scene;
    std::map<DropKey, Drop> drops;
    tables.each("packet_drop_total", [&](const TableRow& row) {
        const auto time = static_cast<std::uint64_t>(row.number_or_0("time_ns"));
        if (time < from_ns) return;
        const auto [at, added] = drops.try_emplace(key_of(row));
        Drop& drop = at->second;
        if (added) {
            std::tie(drop.netns, drop.ifindex, drop.port, drop.reason, drop.direction, drop.location,
                     drop.protocol, drop.source, drop.destination) = at->first;
            drop.device = row.text("device");
            drop.ether_type = row.text("ether_type");
            drop.pid = static_cast<std::uint32_t>(row.number_or_0("pid"));
            drop.comm = row.text("comm");
            drop.socket_inode = static_cast<std::uint64_t>(row.number_or_0("socket_inode"));
            drop.cgroup_id = static_cast<std::uint64_t>(row.number_or_0("cgroup_id"));
        }
        if (drop.pid != row.number_or_0("pid")) drop.pid = 0;
        drop.packets += row.number_or_0("packets");
        drop.bytes += row.number_or_0("bytes");
        drop.readings[time] += row.number_or_0("packets");
    });
    if (drops.empty()) return scene;  // then nothing of the machine is read
    tables.each("interfaces", [&](const TableRow& row) {
        scene.interfaces_[{static_cast<std::uint32_t>(row.number_or_0("netns")),
                           static_cast<std::uint32_t>(row.number_or_0("ifindex"))}] = row.text("name");
    });
    tables.each("network_namespaces", [&](const TableRow& row) {
        scene.namespaces_[static_cast<std::uint32_t>(row.number_or_0("netns"))] =
            static_cast<std::uint32_t>(row.number_or_0("joined"));
    });
    tables.each("net_counters", [&](const TableRow& row) {
        if (row.text("name") == "TcpExtListenOverflows" && row.number_or_0("value_delta") > 0)
            scene.overflowed_.insert(static_cast<std::uint32_t>(row.number_or_0("netns")));
    });
    // As the kernel lists them, which is the order it asks them in.
    tables.each("routing_rules", [&](const TableRow& row) {
        const unsigned family = row.text("family") == "ip" ? 4 : 6;
        scene.routing_rules_[{static_cast<std::uint32_t>(row.number_or_0("netns")), family}].push_back(
            routing_rule_of(row));
    });
    tables.each("routes", [&](const TableRow& row) {
        const std::string destination = row.text("destination");
        Route route{row.text("kind"),
                    destination,
                    row.text("gateway"),
                    row.text("interface"),
                    row.text("protocol"),
                    {},
                    static_cast<unsigned>(row.number_or_0("prefix_length")),
                    row.number_or_0("route_table")};
        route.network =
            facts::parse_address(destination != "default"     ? destination.substr(0, destination.find('/'))
                                 : row.text("family") == "ip" ? "0.0.0.0"
                                                              : "::");
        scene.routes_[static_cast<std::uint32_t>(row.number_or_0("netns"))].push_back(std::move(route));
        const std::string kind = row.text("kind");
        const std::uint8_t type = kind == "local" ? 2 : kind == "broadcast" ? 3 : 0;
        if (!type) return;
        const std::string text = row.text("destination");
        const waggle_address network = facts::parse_address(text.substr(0, text.find('/')));
        if (network.family)
            scene.addresses_[static_cast<std::uint32_t>(row.number_or_0("netns"))].push_back(
                {network, static_cast<unsigned>(row.number_or_0("prefix_length")), type});
    });
    tables.each("packet_drop", [&](const TableRow& row) {
        if (static_cast<std::uint64_t>(row.number_or_0("time_ns")) < from_ns || row.number_or_0("routine"))
            return;
        const auto found = drops.find(key_of(row));
        if (found == drops.end()) return;
        auto& samples = found->second.samples;
        DropSample sample;
        sample.tcp_flags = row.text("tcp_flags");
        sample.original_destination = row.text("original_destination");
        listen_to(found->second, row, sample.tcp_flags);
        sample.length = static_cast<std::uint32_t>(row.number_or_0("length_bytes"));
        sample.ttl = static_cast<std::uint8_t>(row.number_or_0("ttl"));
        sample.pid = static_cast<std::uint32_t>(row.number_or_0("pid"));
        sample.comm = row.text("comm");
        sample.in_ifindex = static_cast<std::uint32_t>(row.number_or_0("in_ifindex"));
        sample.out_ifindex = static_cast<std::uint32_t>(row.number_or_0("out_ifindex"));
        sample.socket_filter = row.number_or_0("socket_filter") != 0;
        const std::string link = row.text("link_type");
        sample.for_many = link == "broadcast" || link == "multicast";
        facts::DroppedPacket& packet = sample.packet;
        packet.netns = found->second.netns;
        packet.direction = found->second.direction;
        packet.packet = packet_of(row, true);
        const std::string callers[] = {row.text("caller1"), row.text("caller2"), row.text("caller3"),
                                       row.text("caller4")};
        packet.place =
            facts::firewall_place(found->second.location, callers, row.number_or_0("nft_tells") != 0);
        if (packet.direction == "out")
            packet.packet.oif = found->second.device;
        else
            packet.packet.iif =
                sample.in_ifindex ? scene.interface(packet.netns, sample.in_ifindex) : found->second.device;
        if (sample.out_ifindex) packet.packet.oif = scene.interface(packet.netns, sample.out_ifindex);
        packet.packet.destination_type = scene.address_type(packet.netns, found->second.destination);
        const bool alike = std::any_of(samples.begin(), samples.end(), [&](const DropSample& known) {
            return known.tcp_flags == sample.tcp_flags && known.length == sample.length &&
                   known.for_many == sample.for_many && known.packet.place.hook == packet.place.hook &&
                   known.packet.packet.ct_state == packet.packet.ct_state &&
                   known.packet.packet.mark == packet.packet.mark && known.pid == sample.pid &&
                   known.packet.packet.tos == packet.packet.tos &&
                   known.original_destination == sample.original_destination &&
                   known.packet.packet.original_port == packet.packet.original_port;
        });
        if (!alike && samples.size() < samples_kept) samples.push_back(std::move(sample));
    });
    tables.each("sockets", [&](const TableRow& row) {
        SocketRow socket;
        socket.pid = static_cast<std::uint32_t>(row.number_or_0("pid"));
        socket.comm = row.text("comm");
        socket.exe = row.text("exe");
        socket.state = row.text("state");
        socket.local_address = row.text("local_address");
        const auto local_port = static_cast<std::uint16_t>(row.number_or_0("local_port"));
        const auto peer_port = static_cast<std::uint16_t>(row.number_or_0("peer_port"));
        if (row.text("protocol") == "tcp" && peer_port && !socket.state.starts_with("SYN_")) {
            const std::string local = plain_address(socket.local_address);
            const std::string peer = plain_address(row.text("peer_address"));
            scene.connections_.insert({local, peer, peer_port});
            scene.connections_.insert({peer, local, local_port});
        }
        scene.held_.insert(
            {static_cast<std::uint32_t>(row.number_or_0("netns")), plain_address(socket.local_address)});
        if (row.number_or_0("v6_only") && socket.local_address == "::") socket.local_address = "::only";
        scene
            .sockets_[{static_cast<std::uint32_t>(row.number_or_0("netns")), row.text("protocol"),
                       local_port}]
            .push_back(std::move(socket));
    });
    for (auto& [key, drop] : drops) {
        // What a timer sends again has no process; what the program sent itself names it.
        for (const DropSample& sample : drop.samples) {
            if (drop.pid || !sample.pid) continue;
            if (std::any_of(drop.samples.begin(), drop.samples.end(),
                            [&](const DropSample& other) { return other.pid && other.pid != sample.pid; }))
                break;
            drop.pid = sample.pid;
            drop.comm = sample.comm;
        }
        scene.drops_.push_back(std::move(drop));
    }
    std::stable_sort(scene.drops_.begin(), scene.drops_.end(),
                     [](const Drop& a, const Drop& b) { return a.packets > b.packets; });
    return scene;
}

std::string DropScene::interface(std::uint32_t netns, std::uint32_t ifindex) const {
    const auto found = interfaces_.find({netns, ifindex});
    return found == interfaces_.end() ? std::string() : found->second;
}

std::optional<std::uint8_t> DropScene::address_type(std::uint32_t netns, const std::string& text) const {
    const waggle_address address = facts::parse_address(text);
    if (address.family == 0) return {};
    if (address.family == 4 ? (address.bytes[0] & 0xf0) == 0xe0 : address.bytes[0] == 0xff) return 5;
    const auto known = addresses_.find(netns);
    if (known == addresses_.end()) return {};
    for (const Prefix& prefix : known->second)
        if (facts::in_prefix(address, prefix.network, prefix.bits)) return prefix.type;
    return 1;
}

const std::vector<Route>& DropScene::routes(std::uint32_t netns) const {
    static const std::vector<Route> none;
    const auto found = routes_.find(netns);
    return found == routes_.end() ? none : found->second;
}

const std::vector<RoutingRule>& DropScene::routing_rules(std::uint32_t netns, unsigned family) const {
    static const std::vector<RoutingRule> none;
    const auto found = routing_rules_.find({netns, family});
    return found == routing_rules_.end() ? none : found->second;
}

std::vector<const Route*> DropScene::routes_to(std::uint32_t netns, const std::string& text) const {
    std::vector<const Route*> found;
    const waggle_address address = facts::parse_address(text);
    const auto routes = routes_.find(netns);
    if (routes == routes_.end() || address.family == 0) return found;
    for (const Route& route : routes->second)
        if (facts::in_prefix(address, route.network, route.bits)) found.push_back(&route);
    return found;
}

const Route* DropScene::route_to(std::uint32_t netns, const std::string& text) const {
    const Route* best = nullptr;
    for (const Route* route : routes_to(netns, text))
        if (!best || route->bits > best->bits) best = route;
    return best;
}

bool DropScene::is_local(const Drop& drop) const {
    return drop.direction == "in" && address_type(drop.netns, drop.destination).value_or(2) != 1;
}

const SocketRow* DropScene::socket(std::uint32_t netns, const std::string& protocol,
                                   const std::string& address, std::uint16_t port) const {
    const auto found = sockets_.find({netns, protocol, port});
    if (found == sockets_.end() || port == 0) return nullptr;
    const SocketRow* best = nullptr;
    for (const SocketRow& socket : found->second) {
        if (!socket.pid) continue;
        if (socket.local_address == "::only" ? address.find(':') == std::string::npos
                                             : !takes(socket, address))
            continue;
        if (!best || (socket.listens() && !best->listens())) best = &socket;
    }
    return best;
}

bool DropScene::is_serving(std::uint32_t netns, const std::string& protocol, std::uint16_t port) const {
    const auto found = sockets_.find({netns, protocol, port});
    return found != sockets_.end() &&
           std::any_of(found->second.begin(), found->second.end(), [](const SocketRow& socket) {
               return socket.state == "ESTABLISHED" || socket.state == "TIME_WAIT";
           });
}

bool DropScene::is_connected(const std::string& source, const std::string& destination,
                             std::uint16_t port) const {
    return connections_.contains({source, destination, port});
}

}  // namespace waggle::agent
