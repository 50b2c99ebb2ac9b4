// SPDX-License-Identifier: Apache-2.0
// Every fact's factory, for all_facts() and for tests. What one row is and what its columns mean stands in
// the schema of each.
#pragma once

#include <memory>

#include "base/clock.h"
#include "facts/fact.h"

namespace waggle::facts {

class SocketReading;

std::shared_ptr<SocketReading> make_socket_reading(const Clock& clock);  // the clock outlives it
std::unique_ptr<Fact> make_sockets(const Roots& roots, std::shared_ptr<SocketReading> reading);
std::unique_ptr<Fact> make_past_listeners(const Roots& roots, std::shared_ptr<SocketReading> reading);
std::unique_ptr<Fact> make_socket_owners(const Roots& roots, std::shared_ptr<SocketReading> reading);

class FirewallMemory;

// What firewall_rules and past_firewall_rules share: which rules there were when it was last looked.
std::shared_ptr<FirewallMemory> make_firewall_memory();
std::unique_ptr<Fact> make_firewall_rules(const Roots& roots, std::shared_ptr<FirewallMemory> memory);
std::unique_ptr<Fact> make_past_firewall_rules(const Roots& roots, std::shared_ptr<FirewallMemory> memory);

std::unique_ptr<Fact> make_packet_queues(const Roots& roots);
std::unique_ptr<Fact> make_tracked_connections(const Roots& roots);

std::unique_ptr<Fact> make_local_ports(const Roots& roots);
std::unique_ptr<Fact> make_full_unix_listeners(const Roots& roots);
std::unique_ptr<Fact> make_packet_programs(const Roots& roots);
std::unique_ptr<Fact> make_sysctls(const Roots& roots);
std::unique_ptr<Fact> make_net_counters(const Roots& roots);
std::unique_ptr<Fact> make_network_namespaces(const Roots& roots);
std::unique_ptr<Fact> make_interfaces(const Roots& roots);
std::unique_ptr<Fact> make_block_devices(const Roots& roots);
std::unique_ptr<Fact> make_processes(const Roots& roots);
std::unique_ptr<Fact> make_mounts(const Roots& roots);
std::unique_ptr<Fact> make_cgroups(const Roots& roots);
std::unique_ptr<Fact> make_cpu_limits(const Roots& roots);
std::unique_ptr<Fact> make_cpuset_members(const Roots& roots);
std::unique_ptr<Fact> make_cpu_weights(const Roots& roots);
std::unique_ptr<Fact> make_io_limits(const Roots& roots);
std::unique_ptr<Fact> make_addresses(const Roots& roots);
std::unique_ptr<Fact> make_routes(const Roots& roots);
std::unique_ptr<Fact> make_routing_rules(const Roots& roots);
std::unique_ptr<Fact> make_neighbours(const Roots& roots);
std::unique_ptr<Fact> make_qdiscs(const Roots& roots);
std::unique_ptr<Fact> make_softnet(const Roots& roots);
std::unique_ptr<Fact> make_task_limits(const Roots& roots);
std::unique_ptr<Fact> make_task_holders(const Roots& roots);
std::unique_ptr<Fact> make_full_descriptors(const Roots& roots);
std::unique_ptr<Fact> make_full_users(const Roots& roots);
std::unique_ptr<Fact> make_uncollected_children(const Roots& roots);
std::unique_ptr<Fact> make_file_systems(const Roots& roots);
std::unique_ptr<Fact> make_deleted_files(const Roots& roots);
std::unique_ptr<Fact> make_open_files(const Roots& roots);
std::unique_ptr<Fact> make_bpf_programs(const Roots& roots);
std::unique_ptr<Fact> make_bpf_maps(const Roots& roots);
std::unique_ptr<Fact> make_bpf_links(const Roots& roots);

}  // namespace waggle::facts
