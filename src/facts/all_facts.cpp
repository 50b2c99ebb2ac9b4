// SPDX-License-Identifier: Apache-2.0
#include "facts/makers.h"

namespace waggle::facts {

std::vector<std::unique_ptr<Fact>> all_facts(const Roots& roots) {
    static const SystemClock clock;
    const auto reading = make_socket_reading(clock);
    std::vector<std::unique_ptr<Fact>> facts;
    facts.push_back(make_sockets(roots, reading));
    facts.push_back(make_past_listeners(roots, reading));
    facts.push_back(make_socket_owners(roots, reading));
    const auto firewall = make_firewall_memory();
    facts.push_back(make_firewall_rules(roots, firewall));
    facts.push_back(make_past_firewall_rules(roots, firewall));
    for (const auto make : {make_packet_programs,
                            make_packet_queues,
                            make_tracked_connections,
                            make_full_unix_listeners,
                            make_sysctls,
                            make_net_counters,
                            make_network_namespaces,
                            make_interfaces,
                            make_routes,
                            make_routing_rules,
                            make_neighbours,
                            make_qdiscs,
                            make_block_devices,
                            make_mounts,
                            make_processes,
                            make_cgroups,
                            make_io_limits,
                            make_task_limits,
                            make_task_holders,
                            make_full_descriptors,
                            make_file_systems,
                            make_deleted_files,
                            make_open_files,
                            make_bpf_programs,
                            make_bpf_maps,
                            make_bpf_links,
                            make_softnet,
                            make_cpu_limits,
                            make_addresses,
                            make_full_users,
                            make_local_ports,
                            make_cpuset_members,
                            make_cpu_weights,
                            make_uncollected_children})
        facts.push_back(make(roots));
    return facts;
}

}  // namespace waggle::facts
