// SPDX-License-Identifier: Apache-2.0
// Every fact's factory, for all_facts() and for tests. What one row is and what its columns mean stands in
// the schema of each.
#pragma once

#include <memory>

#include "base/clock.h"
#include "facts/fact.h"

namespace waggle::facts {

class ListenerMemory;

// What listened and when it was last seen; sockets and past_listeners share it.
std::shared_ptr<ListenerMemory> make_listener_memory(const Clock& clock);  // the clock outlives the memory
std::unique_ptr<Fact> make_sockets(const Roots& roots, std::shared_ptr<ListenerMemory> memory);
std::unique_ptr<Fact> make_past_listeners(const Roots& roots, std::shared_ptr<ListenerMemory> memory);

std::unique_ptr<Fact> make_firewall_rules(const Roots& roots);
std::unique_ptr<Fact> make_sysctls(const Roots& roots);
std::unique_ptr<Fact> make_net_counters(const Roots& roots);
std::unique_ptr<Fact> make_interfaces(const Roots& roots);
std::unique_ptr<Fact> make_block_devices(const Roots& roots);
std::unique_ptr<Fact> make_processes(const Roots& roots);

}  // namespace waggle::facts
