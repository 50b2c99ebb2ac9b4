// SPDX-License-Identifier: Apache-2.0
// Every fact's factory, for all_facts() and for tests. What one row is and what its columns mean stands in
// the schema of each.
#pragma once

#include <memory>

#include "base/clock.h"
#include "facts/fact.h"

namespace waggle::facts {

class SocketReading;

// What sockets and past_listeners share: who listened when it was last looked, and the way to find owners.
std::shared_ptr<SocketReading> make_socket_reading(const Clock& clock);  // the clock outlives it
std::unique_ptr<Fact> make_sockets(const Roots& roots, std::shared_ptr<SocketReading> reading);
std::unique_ptr<Fact> make_past_listeners(const Roots& roots, std::shared_ptr<SocketReading> reading);

std::unique_ptr<Fact> make_firewall_rules(const Roots& roots);
std::unique_ptr<Fact> make_sysctls(const Roots& roots);
std::unique_ptr<Fact> make_net_counters(const Roots& roots);
std::unique_ptr<Fact> make_network_namespaces(const Roots& roots);
std::unique_ptr<Fact> make_interfaces(const Roots& roots);
std::unique_ptr<Fact> make_block_devices(const Roots& roots);
std::unique_ptr<Fact> make_processes(const Roots& roots);
std::unique_ptr<Fact> make_mounts(const Roots& roots);
std::unique_ptr<Fact> make_cgroups(const Roots& roots);
std::unique_ptr<Fact> make_routes(const Roots& roots);
std::unique_ptr<Fact> make_neighbours(const Roots& roots);
std::unique_ptr<Fact> make_qdiscs(const Roots& roots);
std::unique_ptr<Fact> make_open_files(const Roots& roots);
std::unique_ptr<Fact> make_bpf_programs(const Roots& roots);
std::unique_ptr<Fact> make_bpf_maps(const Roots& roots);
std::unique_ptr<Fact> make_bpf_links(const Roots& roots);

}  // namespace waggle::facts
