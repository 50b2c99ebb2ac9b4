// SPDX-License-Identifier: Apache-2.0
// SQL's way to ask which firewall rule drops a packet:
//   firewall_verdict(netns, direction, iif, oif, source, destination, protocol, source_port, destination_port
//                    [, tcp_flags, length_bytes])
//   firewall_confidence(the same)
// The first gives the rule's id in firewall_rules, the second how sure that is; both null where no rule, or
// more than one, can have dropped it. Null arguments are not known. They read the rows of firewall_rules,
// live or recorded, so a replay agrees.
#pragma once

#include <memory>
#include <optional>

#include "explain/sql.h"
#include "facts/firewall_verdict.h"
#include "model/table.h"

namespace waggle::agent {

class FirewallFunctions {
  public:
    // This object outlives the Sql's last query.
    Result<void> add_to(explain::Sql& sql);
    void look_at(const Relation& firewall_rules) { rules_ = &firewall_rules; }
    void forget() { verdict_.reset(); }  // the rules will be read anew

  private:
    std::optional<facts::FirewallVerdict::Answer> ask(std::span<const explain::Cell> arguments);

    const Relation* rules_ = nullptr;
    std::optional<facts::FirewallVerdict> verdict_;  // of this moment's rules; made when first asked
};

}  // namespace waggle::agent
