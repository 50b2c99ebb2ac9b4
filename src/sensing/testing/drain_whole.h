// SPDX-License-Identifier: Apache-2.0
// drain_whole: what a test reads of a sensor's ring once what it waits for has happened.
#pragma once

#include <chrono>

#include "model/source.h"

namespace waggle::sensors {

// All that the ring holds. One drain is not enough where other processors write too: a record that one of them is
// still filling holds back those behind it.
inline void drain_whole(Running& sensor, const RecordSink& sink) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    do sensor.drain(sink);
    while (!sensor.prepare_to_wait() && std::chrono::steady_clock::now() < until);
}

}  // namespace waggle::sensors
