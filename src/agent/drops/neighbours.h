// SPDX-License-Identifier: Apache-2.0
// The machines beside this one: to which of them packets can be given, and who of them answers.
//
// Source: the tables neighbours and routes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/drops/drop_rows.h"

namespace waggle::agent {

struct Neighbour {
    std::string device, state;
    std::optional<std::uint64_t> hardware;  // its hardware address as a number, as DroppedPacket has it

    bool is_silent() const { return state == "FAILED" || state == "INCOMPLETE"; }
};

class Neighbours {
  public:
    void read(const DropTables& tables);
    // Null where it is not known; on any device where `device` is empty.
    const Neighbour* find(std::uint32_t netns, const std::string& address, const std::string& device) const;

  private:
    std::map<std::pair<std::uint32_t, std::string>, std::vector<Neighbour>> by_address_;
};

// Those that packets to `address` can be given to by `device` (empty: any): by the best routes of each table, for which
// table is asked can hang on marks, users and ports, and one route can have several. Never empty.
std::set<std::string> next_machines(const DropScene& scene, std::uint32_t netns, const std::string& address,
                                    const std::string& device);

}  // namespace waggle::agent
