// SPDX-License-Identifier: Apache-2.0
// SocketMatch: which sockets the kernel gives an arriving packet to, and why it passes the others by:
// address, IP version, the device they are bound to. Follows inet_lookup_listener and udp_lib_lookup: a
// socket bound to the packet's own address goes before one bound to all, then one that is connected to the
// sender, then one bound to the device, then an IPv4 socket before an IPv6 one. Pure: the same rows give the
// same answer, so a replay agrees.
//
// Not thread-safe: rows are made ready when first asked about.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/table.h"

namespace waggle::facts {

// Where a socket waits, as the columns of the fact `sockets` say it.
struct SocketPlace {
    std::string address;    // "0.0.0.0" and "::" are all of their kind
    bool v6_only = false;   // IPV6_V6ONLY
    std::string interface;  // bound to it (SO_BINDTODEVICE); empty where to none
};

// What of an arrived packet the kernel looks at; what is empty is not known.
struct ArrivedPacket {
    std::string source, destination;
    std::uint16_t source_port = 0;
    std::string device;  // the one IP took it from: of a packet in a VRF the VRF's own
};

// Why a socket does not get a packet. Their words: fit_words().
enum class Fit : std::uint8_t { yes, other_address, ipv4_only, ipv6_only, other_device };
std::string_view fit_words(Fit fit);  // "yes", "other address", "IPv4 only", "IPv6 only", "other device"

class SocketMatch {
  public:
    // Rows of sockets and of interfaces, which are read when first needed; both outlive this object. What is
    // null is not known.
    SocketMatch(const Relation* sockets, const Relation* interfaces)
        : sockets_(sockets), interfaces_(interfaces) {}

    // Address, IP version and device alone. Nothing where it cannot be told: the socket is bound to a device
    // and the packet's is not known, or is a VRF with more members than that one, or the interfaces are not
    // known.
    std::optional<Fit> fits(std::uint32_t netns, const SocketPlace& place, std::string_view destination,
                            std::string_view device) const;

    // Whether the socket with this cookie gets such a packet, itself or as one of a group that shares its
    // place (SO_REUSEPORT). Nothing where there is no such socket, or where it cannot be told.
    std::optional<bool> receives(std::uint64_t cookie, const ArrivedPacket& packet) const;

  private:
    struct Candidate {
        std::uint64_t cookie;
        SocketPlace place;
        std::string peer_address;
        std::uint16_t peer_port;
    };
    using Port = std::pair<std::uint32_t, std::pair<std::string, std::uint16_t>>;  // netns, protocol, port
    struct Interface {
        std::string kind;
        std::uint32_t index;
        std::uint32_t master;
    };
    void read_sockets() const;
    void read_interfaces() const;
    std::optional<bool> device_fits(std::uint32_t netns, std::string_view bound,
                                    std::string_view device) const;

    const Relation* sockets_;
    const Relation* interfaces_;
    mutable bool sockets_read_ = false;
    mutable bool interfaces_read_ = false;
    mutable std::map<Port, std::vector<Candidate>> by_port_;
    mutable std::map<std::uint64_t, Port> port_of_;  // by cookie
    mutable std::map<std::pair<std::uint32_t, std::string>, Interface> interfaces_by_name_;
};

}  // namespace waggle::facts
