// SPDX-License-Identifier: Apache-2.0
#include "facts/makers.h"

namespace waggle::facts {

std::vector<std::unique_ptr<Fact>> all_facts(const Roots& roots) {
    static const SystemClock clock;
    const auto reading = make_socket_reading(clock);
    std::vector<std::unique_ptr<Fact>> facts;
    facts.push_back(make_sockets(roots, reading));
    facts.push_back(make_past_listeners(roots, reading));
    facts.push_back(make_firewall_rules(roots));
    facts.push_back(make_sysctls(roots));
    facts.push_back(make_net_counters(roots));
    facts.push_back(make_interfaces(roots));
    facts.push_back(make_block_devices(roots));
    facts.push_back(make_processes(roots));
    return facts;
}

}  // namespace waggle::facts
