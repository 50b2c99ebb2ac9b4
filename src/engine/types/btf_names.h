// SPDX-License-Identifier: Apache-2.0
// Names of numbers as the running kernel itself knows them: the values of its enums, read from its BTF (the
// types the kernel describes itself with, /sys/kernel/btf). So every kernel's numbers read right.
//
// Each call reads the kernel's types (about 6 MiB, given back before it returns; 10 to 40 ms) and keeps
// nothing. Stateless: any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "waggle/result.h"

namespace waggle::kernel {

inline constexpr std::string_view btf_directory = "/sys/kernel/btf";

using EnumNames = std::map<std::uint64_t, std::string>;

// The values of `enum name` with their names, `strip_prefix` cut off where a name has it. Of several names of
// one value the first counts. `module` is where to look: "vmlinux", or a module that is loaded.
Result<EnumNames> enum_names(std::string_view name, std::string_view strip_prefix,
                             std::string_view module = "vmlinux",
                             const std::string& directory = std::string(btf_directory));

// Every reason this kernel gives for freeing a packet: enum skb_drop_reason without its prefixes
// ("NO_SOCKET"), and the reasons of the subsystems whose number stands in the upper 16 bits, as mac80211
// ("RX_DROP_U_REPLAY") and openvswitch ("OVS_DROP_LAST_ACTION") describe them while they are loaded. A
// subsystem that is not loaded gives no names.
Result<EnumNames> drop_reason_names(const std::string& directory = std::string(btf_directory));

}  // namespace waggle::kernel
