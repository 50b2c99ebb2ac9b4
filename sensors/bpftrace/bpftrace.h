// SPDX-License-Identifier: Apache-2.0
// What does this script of bpftrace say? Rows: `bpftrace`, one for each text it prints and each entry of a
// map.
#pragma once

#include <memory>

#include "model/sensor.h"

namespace waggle::sensors {

std::unique_ptr<Sensor> make_bpftrace();

}  // namespace waggle::sensors
