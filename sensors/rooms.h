// SPDX-License-Identifier: Apache-2.0
// The rooms this build has, in the order of sensors/CMakeLists.txt. The list itself is generated from there.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/embedded.h"
#include "model/sensor.h"

namespace waggle::sensors {

struct Room {
    std::string_view name;
    std::unique_ptr<Sensor> (*make)();
    EmbeddedFile rules;  // the room's rules.yaml
};

std::span<const Room> rooms();

}  // namespace waggle::sensors
