// SPDX-License-Identifier: Apache-2.0
// What the facts read by rtnetlink share.
#pragma once

#include "bpf/event.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "facts/fact.h"
#include "host/netlink.h"

namespace waggle::facts {

using InterfaceNames = std::map<std::uint32_t, std::string>;

std::string_view netlink_text(Bytes value);
std::uint32_t netlink_u32(Bytes value);                            // 0 where it is too short
waggle_address netlink_address(std::uint8_t family, Bytes value);  // family 0 where it is no address
InterfaceNames interface_names(Netlink& netlink);

// One dump of `type` in this thread's network namespace; the request is all zero but for its size, and the attributes
// behind it.
using RouteVisit = std::function<void(const InterfaceNames&, const NetlinkMessage&)>;
Result<void> dump_routes(std::string_view what, std::uint16_t type, std::size_t request_bytes,
                         const RouteVisit& visit, Bytes attributes = {});

}  // namespace waggle::facts
