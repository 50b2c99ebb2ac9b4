// SPDX-License-Identifier: Apache-2.0
// What is said of packets that netfilter dropped whoever did it: it follows from the packets and the machine, not from
// the rules that are suspected.
#pragma once

#include <string>

#include "agent/drops/drop_cause.h"

namespace waggle::agent {

// Knocks from all over the Internet: at what is behind this machine; or at a service that serves its own
// clients meanwhile; or broadcasts, pings and the like, which nobody here waits for.
bool is_noise(const DropInquiry& inquiry, const DropGroup& group);

// A cause with the figures of the group, its owner and its place.
DropCause begin_cause(const DropInquiry& inquiry, const DropGroup& group, const char* kind,
                      const char* severity, const char* confidence);

// What a rule that asks for a route back to the sender found: none at all, or none by this device. Told
// only where the routes of every table agree.
void put_way_back(const DropInquiry& inquiry, const std::string& rule, const Drop& drop, DropCause& cause);

}  // namespace waggle::agent
