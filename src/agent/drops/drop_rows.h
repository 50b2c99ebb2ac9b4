// SPDX-License-Identifier: Apache-2.0
// What the answer about dropped packets rests on, read once a moment from the tables: the drops by cause with
// their samples, and of the machine the sockets, addresses and devices they are about.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "facts/firewall/firewall_verdict.h"
#include "model/columns.h"
#include "model/table.h"

namespace waggle::agent {

// A row by the names of its columns; what is null or not there is nothing.
class TableRow {
  public:
    TableRow(const Row& row, const std::map<std::string_view, Column>& columns, const Lookup& lookup)
        : row_(row), columns_(columns), lookup_(lookup) {}
    std::string text(std::string_view column) const;
    std::optional<std::int64_t> number(std::string_view column) const;
    std::int64_t number_or_0(std::string_view column) const { return number(column).value_or(0); }

  private:
    const Row& row_;
    const std::map<std::string_view, Column>& columns_;
    const Lookup& lookup_;
};

// The tables of one store. A table that is not there has no rows.
struct DropTables {
    std::function<const Relation*(std::string_view)> find;
    Lookup lookup;
    void each(std::string_view table, const std::function<void(const TableRow&)>& visit) const;
};

// One of the packets, with all that the kernel side said of it.
struct DropSample {
    facts::DroppedPacket packet;
    std::uint32_t in_ifindex = 0, out_ifindex = 0;
    std::string tcp_flags;
    std::string original_destination;  // of its connection, before any rewriting; empty: not known
    std::uint32_t length = 0;
    std::uint8_t ttl = 0;
    std::uint32_t pid = 0;
    std::string comm;
    bool socket_filter = false;
    bool for_many = false;  // its frame was for all on the wire, or for a group
};

// The ports that programs get for asking, where nobody set others (net.ipv4.ip_local_port_range).
constexpr bool is_client_port(std::uint16_t port) { return port >= 32768 && port <= 60999; }

// What its packets are to the connections they belong to, over all samples.
struct DropTalk {
    std::int64_t seen = 0;
    std::int64_t tries = 0;                            // the first packet of a TCP connection
    std::int64_t answers = 0;                          // go back to the side that asked
    std::map<std::uint16_t, std::int64_t> tries_from;  // by the port they were sent from
    std::set<std::uint16_t> answers_from;              // the ports of those who answer
    std::set<std::string> answer_states;               // what connection tracking says of the answers
    std::set<std::uint64_t> seconds;                   // those in which any was seen
};

// packet_drop_total, its readings added up.
struct Drop {
    std::uint32_t netns = 0, ifindex = 0, pid = 0;
    std::uint16_t port = 0;
    std::string reason, direction, location, protocol, source, destination, device, comm, ether_type;
    std::uint64_t socket_inode = 0, cgroup_id = 0;
    std::int64_t packets = 0, bytes = 0;
    std::map<std::uint64_t, std::int64_t> readings;  // its packets by the time they were read
    std::vector<DropSample> samples;
    DropTalk talk;

    // All that was seen of it: then it is no traffic of its own, and its port only the asking side's.
    bool is_answer() const { return talk.seen > 0 && talk.answers == talk.seen; }
    bool is_try() const { return talk.seen > 0 && talk.tries == talk.seen; }
    bool has_port() const { return protocol == "tcp" || protocol == "udp"; }
    std::string function() const { return location.substr(0, location.find('+')); }
};

struct SocketRow {
    std::uint32_t pid = 0;
    std::string comm, exe, state, local_address;
    bool listens() const { return state == "LISTEN" || state == "UNCONNECTED"; }
};

struct Route {
    std::string kind, destination, gateway, interface, protocol;
    waggle_address network{};
    unsigned bits = 0;
    std::int64_t table = 0;
};

// A row of routing_rules; an empty text, or no value, compares nothing.
struct RoutingRule {
    std::int64_t priority = 0, go_to = 0, table = 0;
    std::string action, in_device, out_device, protocol, text;
    waggle_address source{}, destination{};
    unsigned source_bits = 0, destination_bits = 0;
    std::uint32_t mark = 0, mark_mask = 0;
    std::optional<std::int64_t> uid_from, uid_to, port_from, port_to, suppressed_length;
    bool inverted = false;
    bool is_partly_known = false;  // it compares more than this
};

// Who is who on this machine.
class DropScene {
  public:
    static DropScene read(const DropTables& tables, std::uint64_t from_ns);

    const std::vector<Drop>& drops() const { return drops_; }  // most packets first
    std::string interface(std::uint32_t netns, std::uint32_t ifindex) const;
    // 2 = this machine's, 3 = broadcast, 5 = multicast, 1 = another's (RTN_*); nothing where no route is
    // known.
    std::optional<std::uint8_t> address_type(std::uint32_t netns, const std::string& address) const;
    bool is_local(const Drop& drop) const;  // it was for this machine
    // False for a namespace that has ended, so that nothing of it can be read or changed any more.
    bool is_there(std::uint32_t netns) const { return namespaces_.empty() || namespaces_.contains(netns); }
    // The namespaces that devices join with it, by the lowest of them; 0 where that is not known.
    std::uint32_t joined(std::uint32_t netns) const {
        const auto found = namespaces_.find(netns);
        return found == namespaces_.end() ? 0 : found->second;
    }
    bool has_routes(std::uint32_t netns) const { return routes_.contains(netns); }
    // The longest prefix; with several tables and routing policies it is one of the ways only.
    const Route* route_to(std::uint32_t netns, const std::string& address) const;
    const std::vector<Route>& routes(std::uint32_t netns) const;
    // Those of one family (4 or 6), in the order they are asked; none where they are not known.
    const std::vector<RoutingRule>& routing_rules(std::uint32_t netns, unsigned family) const;
    // All that lead there, whatever their table and length.
    std::vector<const Route*> routes_to(std::uint32_t netns, const std::string& address) const;
    // The socket at the port that takes packets for the address; a listener before others.
    const SocketRow* socket(std::uint32_t netns, const std::string& protocol, const std::string& address,
                            std::uint16_t port) const;
    // Some client is being served at the port.
    bool is_serving(std::uint32_t netns, const std::string& protocol, std::uint16_t port) const;
    // A TCP connection from one to the other stands, as far as a socket of this machine shows.
    bool is_connected(const std::string& source, const std::string& destination, std::uint16_t port) const;

    // Some socket there has it as its own address, whatever the devices have.
    bool is_held(std::uint32_t netns, const std::string& address) const {
        return held_.contains({netns, address});
    }
    // A listener there had no room for a connection.
    bool accept_queue_overflowed(std::uint32_t netns) const { return overflowed_.contains(netns); }

  private:
    struct Prefix {
        waggle_address network;
        unsigned bits;
        std::uint8_t type;
    };
    using PortKey = std::tuple<std::uint32_t, std::string, std::uint16_t>;

    std::vector<Drop> drops_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> interfaces_;
    std::map<std::uint32_t, std::vector<Prefix>> addresses_;
    std::map<std::uint32_t, std::vector<Route>> routes_;
    std::map<std::pair<std::uint32_t, unsigned>, std::vector<RoutingRule>> routing_rules_;
    std::map<std::uint32_t, std::uint32_t> namespaces_;  // each with `joined`
    std::set<std::uint32_t> overflowed_;
    std::set<std::pair<std::uint32_t, std::string>> held_;
    std::map<PortKey, std::vector<SocketRow>> sockets_;
    std::set<std::tuple<std::string, std::string, std::uint16_t>> connections_;  // who opened it, to whom
};

}  // namespace waggle::agent
