// SPDX-License-Identifier: Apache-2.0
#include "facts/makers.h"

namespace waggle::facts {

std::vector<std::unique_ptr<Fact>> all_facts(const Roots& roots) {
    static const SystemClock clock;
    const auto reading = make_socket_reading(clock);
    std::vector<std::unique_ptr<Fact>> facts;
    facts.push_back(make_sockets(roots, reading));
    facts.push_back(make_past_listeners(roots, reading));
    for (const auto make :
         {make_firewall_rules, make_sysctls, make_net_counters, make_network_namespaces, make_interfaces,
          make_routes, make_neighbours, make_qdiscs, make_block_devices, make_mounts, make_processes,
          make_cgroups, make_open_files, make_bpf_programs, make_bpf_maps, make_bpf_links})
        facts.push_back(make(roots));
    return facts;
}

}  // namespace waggle::facts
