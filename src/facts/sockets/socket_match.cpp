// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/socket_match.h"

#include <algorithm>

#include "model/columns.h"

namespace waggle::facts {
namespace {

bool is_ipv6(std::string_view address) { return address.find(':') != std::string_view::npos; }
bool is_any(std::string_view address) { return address == "0.0.0.0" || address == "::"; }

// A column's value by name; text as text, numbers as numbers, 0 and "" where there is no such column.
class SocketReader {
  public:
    explicit SocketReader(const Row& row) : row_(row) {}
    std::string text(std::string_view name) const {
        const Field* field = row_.schema().find(name);
        if (!field) return {};
        if (field->type == Type::address) return format_address(row_.address(*field));
        return std::string(row_.text(*field));
    }
    std::uint64_t number(std::string_view name) const { return row_.u64(name); }

  private:
    const Row& row_;
};

}  // namespace

std::string_view fit_words(Fit fit) {
    switch (fit) {
        case Fit::yes:
            return "yes";
        case Fit::other_address:
            return "other address";
        case Fit::ipv4_only:
            return "IPv4 only";
        case Fit::ipv6_only:
            return "IPv6 only";
        case Fit::other_device:
            return "other device";
    }
    return "";
}

void SocketMatch::read_sockets() const {
    if (sockets_read_) return;
    sockets_read_ = true;
    if (!sockets_) return;
    const auto cursor = sockets_->open();
    for (Row row; cursor->next(row);) {
        const SocketReader read(row);
        const std::string protocol = read.text("protocol");
        const std::string state = read.text("state");
        const bool waits =
            protocol == "tcp" ? state == "LISTEN" : state == "UNCONNECTED" || state == "ESTABLISHED";
        const auto port = static_cast<std::uint16_t>(read.number("local_port"));
        if (!waits || port == 0) continue;
        const Port place{static_cast<std::uint32_t>(read.number("netns")), {protocol, port}};
        Candidate candidate{read.number("cookie"),
                            {read.text("local_address"), read.number("v6_only") != 0, read.text("interface")},
                            read.text("peer_address"),
                            static_cast<std::uint16_t>(read.number("peer_port"))};
        port_of_[candidate.cookie] = place;
        by_port_[place].push_back(std::move(candidate));
    }
}

void SocketMatch::read_interfaces() const {
    if (interfaces_read_) return;
    interfaces_read_ = true;
    const auto cursor = interfaces_->open();
    for (Row row; cursor->next(row);) {
        const SocketReader read(row);
        interfaces_by_name_[{static_cast<std::uint32_t>(read.number("netns")), read.text("name")}] = {
            read.text("kind"), static_cast<std::uint32_t>(read.number("ifindex")),
            static_cast<std::uint32_t>(read.number("master_ifindex"))};
    }
}

// A packet in a VRF has the VRF for its device, and its sockets are also found by the member it came in by.
std::optional<bool> SocketMatch::device_fits(std::uint32_t netns, std::string_view bound,
                                             std::string_view device) const {
    if (bound.empty() || bound == device) return true;
    if (device.empty() || !interfaces_) return std::nullopt;
    read_interfaces();
    const auto at = interfaces_by_name_.find({netns, std::string(device)});
    if (at == interfaces_by_name_.end() || at->second.kind != "vrf") return false;
    const auto own = interfaces_by_name_.find({netns, std::string(bound)});
    if (own == interfaces_by_name_.end() || own->second.master != at->second.index) return false;
    const auto members =
        std::count_if(interfaces_by_name_.begin(), interfaces_by_name_.end(), [&](const auto& entry) {
            return entry.first.first == netns && entry.second.master == at->second.index;
        });
    return members == 1 ? std::optional(true) : std::nullopt;
}

std::optional<Fit> SocketMatch::fits(std::uint32_t netns, const SocketPlace& place,
                                     std::string_view destination, std::string_view device) const {
    if (destination.empty() || place.address.empty()) return std::nullopt;
    if (place.address != destination) {
        if (!is_any(place.address)) return Fit::other_address;
        const bool to_ipv6 = is_ipv6(destination);
        if (!is_ipv6(place.address) && to_ipv6) return Fit::ipv4_only;
        if (is_ipv6(place.address) && !to_ipv6 && place.v6_only) return Fit::ipv6_only;
    }
    const std::optional<bool> by_device = device_fits(netns, place.interface, device);
    if (!by_device) return std::nullopt;
    return *by_device ? Fit::yes : Fit::other_device;
}

std::optional<bool> SocketMatch::receives(std::uint64_t cookie, const ArrivedPacket& packet) const {
    read_sockets();
    const auto port = port_of_.find(cookie);
    if (port == port_of_.end()) return std::nullopt;
    // Its place among those that fit: the kernel takes the best, or one of several equal ones.
    const auto rank = [&](const Candidate& candidate) {
        return (candidate.place.address == packet.destination ? 8 : 0) + (candidate.peer_port != 0 ? 4 : 0) +
               (candidate.place.interface.empty() ? 0 : 2) + (is_ipv6(candidate.place.address) ? 0 : 1);
    };
    int best = -1, own = -1;
    for (const Candidate& candidate : by_port_.at(port->second)) {
        const std::optional<Fit> fit =
            fits(port->second.first, candidate.place, packet.destination, packet.device);
        bool fitting = fit == Fit::yes;
        if (candidate.peer_port != 0) {
            // One connected socket more or less that a packet of unknown source may be meant for says
            // nothing.
            if (packet.source.empty() || packet.source_port == 0) {
                if (candidate.cookie == cookie) return std::nullopt;
                continue;
            }
            fitting = fitting && candidate.peer_address == packet.source &&
                      candidate.peer_port == packet.source_port;
        } else if (!fit) {
            return std::nullopt;
        }
        if (candidate.cookie == cookie && !fitting) return false;
        if (!fitting) continue;
        best = std::max(best, rank(candidate));
        if (candidate.cookie == cookie) own = rank(candidate);
    }
    return own >= 0 && own == best;
}

}  // namespace waggle::facts
