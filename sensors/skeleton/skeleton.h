// SPDX-License-Identifier: Apache-2.0
// Which threads change their name? Rows: `skeleton`, one for each rename.
#pragma once

#include <memory>

#include "model/sensor.h"

namespace waggle::sensors {

std::unique_ptr<Sensor> make_skeleton();

}  // namespace waggle::sensors
