// SPDX-License-Identifier: Apache-2.0
// What `waggle run` prints of an object's maps: their contents by their types, as lines for people or for
// programs.
#pragma once

#include <cstddef>
#include <string>

#include "waggle/map.h"
#include "waggle/object.h"
#include "waggle/types.h"

namespace waggle::cli {

struct MapForm {
    bool json = false;
    std::size_t rows = 20;  // entries of one map at most
    SymbolNames symbols;
};

// Lines with their line ends. Entries of arrays that are all zero are left out and counted; a map that cannot
// be listed says so.
std::string map_contents(const ObjectMap& map, const MapView& view, const MapForm& form);

// "4-byte key (u32)", by the map's own types where it has them.
std::string entry_type(const MapView& view, bool key);

}  // namespace waggle::cli
