// SPDX-License-Identifier: Apache-2.0
// What this kernel and these privileges let waggle do, each thing found out by doing it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/support/hook_kinds.h"
#include "engine/support/privilege.h"
#include "model/source.h"

namespace waggle::agent {

// How a source does here.
struct SourceReadiness {
    std::string name;
    std::string problem;         // why it does not start; empty where it does
    std::vector<HookUse> hooks;  // what it uses
};

struct Readiness {
    std::vector<kernel::Capability> capabilities;
    kernel::Standing standing;
    kernel::Obstacle obstacle;  // with which nothing else is tried
    Result<std::vector<kernel::HookKind>> kinds;
    std::vector<SourceReadiness> sources;
    std::optional<std::uint64_t>
        types_bytes;     // of the kernel's description of its own types; without: it has none
    bool whole = false;  // everything works
};

// Loads and attaches for a moment; nothing stays in the kernel.
Readiness find_readiness();

// What keeps the sources from starting.
kernel::Obstacle obstacle_to_watching();

}  // namespace waggle::agent
