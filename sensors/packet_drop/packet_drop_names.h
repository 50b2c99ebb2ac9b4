// SPDX-License-Identifier: Apache-2.0
// The dictionaries of this room's numbers: drop_reason and kernel_symbol as this kernel has them, and those
// that are the same everywhere: packet_direction, ip_protocol, ether_type, tcp_flags, freed_thing.
#pragma once

#include "model/names.h"
#include "waggle/result.h"

namespace waggle::sensors {

// Registers the resolvers; they read the kernel's names when the first number asks. The error says why code
// addresses will have no names; everything else is registered even then.
Result<void> name_packet_drops(Names& names);

}  // namespace waggle::sensors
