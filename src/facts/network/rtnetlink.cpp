// SPDX-License-Identifier: Apache-2.0
#include "facts/network/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace waggle::facts {

std::string_view netlink_text(Bytes value) {
    const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
    return text.substr(0, text.find('\0'));
}

std::uint32_t netlink_u32(Bytes value) { return value.size() >= 4 ? load<std::uint32_t>(value) : 0; }

waggle_address netlink_address(std::uint8_t family, Bytes value) {
    waggle_address address{};
    const std::size_t size = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
    if (size == 0 || value.size() < size) return address;
    address.family = family == AF_INET ? 4 : 6;
    std::memcpy(address.bytes, value.data(), size);
    return address;
}

InterfaceNames interface_names(Netlink& netlink) {
    InterfaceNames names;
    const ifinfomsg request{};
    const auto dumped = netlink.dump(RTM_GETLINK, bytes_of(request), [&](const NetlinkMessage& message) {
        if (message.body.size() < sizeof(ifinfomsg)) return;
        const auto link = load<ifinfomsg>(message.body);
        each_attribute(message.body.subspan(sizeof(ifinfomsg)), [&](std::uint16_t type, Bytes value) {
            if (type == IFLA_IFNAME) names[static_cast<std::uint32_t>(link.ifi_index)] = netlink_text(value);
        });
    });
    if (!dumped) names.clear();  // names are an extra; the numbers stand for themselves
    return names;
}

Result<void> dump_routes(std::string_view what, std::uint16_t type, std::size_t request_bytes,
                         const RouteVisit& visit, Bytes attributes) {
    const std::string doing = "read " + std::string(what);
    auto netlink = Netlink::open(NETLINK_ROUTE);
    if (!netlink) return while_doing(doing, netlink.error());
    const InterfaceNames names = interface_names(*netlink);
    std::vector<std::byte> request(NLMSG_ALIGN(request_bytes));
    request.insert(request.end(), attributes.begin(), attributes.end());
    const auto dumped =
        netlink->dump(type, request, [&](const NetlinkMessage& message) { visit(names, message); });
    if (!dumped) return while_doing(doing, dumped.error());
    return {};
}

}  // namespace waggle::facts
