// SPDX-License-Identifier: Apache-2.0
#include "sensors/name_lookup/kernel_hazard.h"

#include <cstdio>
#include <string>
#include <tuple>

namespace waggle::sensors {

bool returns_ask_filters(std::string_view release) {
    int major = 0, minor = 0, patch = 0;
    std::sscanf(std::string(release).c_str(), "%d.%d.%d", &major, &minor, &patch);
    const auto version = std::tuple(major, minor, patch);
    return version >= std::tuple(6, 11, 0) && version < std::tuple(6, 13, 3) &&
           (minor != 12 || version < std::tuple(6, 12, 14));
}

}  // namespace waggle::sensors
