// SPDX-License-Identifier: Apache-2.0
// SQL's way to ask which socket a packet is for:
//   socket_receives(cookie, source, source_port, destination, device)
//     1 where the kernel gives such a packet to the socket with this cookie (or to one of the group that
//     shares its place), 0 where not, null where it cannot be told
//   socket_fits(netns, local_address, v6_only, interface, destination, device)
//     'yes', or why a socket at that place, also one that is gone, does not get the packet: 'other address',
//     'IPv4 only', 'IPv6 only', 'other device'; null where it cannot be told
// They read the rows of sockets and interfaces, live or recorded, so a replay agrees.
#pragma once

#include <optional>
#include <string_view>

#include "facts/sockets/socket_match.h"
#include "model/table.h"
#include "query/sql.h"

namespace waggle::agent {

class SocketFunctions {
  public:
    // This object outlives the Sql's last query.
    Result<void> add_to(explain::Sql& sql);
    // A fact that was added; others than the two that are needed are passed over.
    void look_at(std::string_view name, const Relation& fact);
    void forget() { match_.reset(); }  // the facts will be read again

  private:
    const facts::SocketMatch& match();

    const Relation* sockets_ = nullptr;
    const Relation* interfaces_ = nullptr;
    std::optional<facts::SocketMatch> match_;  // of this moment's rows; made when first asked
};

}  // namespace waggle::agent
