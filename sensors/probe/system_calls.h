// SPDX-License-Identifier: Apache-2.0
// The system calls by their numbers, as the knowledge has them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace waggle::sensors {

const std::map<std::uint64_t, std::string>& system_calls();

}  // namespace waggle::sensors
