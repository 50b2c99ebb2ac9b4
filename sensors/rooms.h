// SPDX-License-Identifier: Apache-2.0
// The rooms this build has, in the order of sensors/CMakeLists.txt. The list itself is generated from there.
#pragma once

#include <span>

#include "base/embedded.h"
#include "model/source.h"

namespace waggle::sensors {

struct Room {
    const Source& source;
    std::span<const EmbeddedFile> rules;  // the room's rules with their views, lists, words and tests
};

std::span<const Room> rooms();

}  // namespace waggle::sensors
