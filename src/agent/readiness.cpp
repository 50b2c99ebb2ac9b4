// SPDX-License-Identifier: Apache-2.0
#include "agent/readiness.h"

#include <sys/stat.h>

#include "agent/sources.h"

namespace waggle::agent {
namespace {

SourceReadiness try_source(const Source& source) {
    SourceReadiness report{std::string(source.name), {}, {}};
    if (source.asked_by) {
        if (source.outlook) report.hooks = source.outlook();
        return report;
    }
    Names names;
    if (const auto started = source.start({}, names); !started)
        report.problem = started.error().message;
    else
        report.hooks = (*started)->hooks();
    return report;
}

}  // namespace

Readiness find_readiness() {
    const kernel::Standing standing = kernel::read_standing();
    const kernel::Obstacle obstacle = kernel::obstacle_of(standing);
    Readiness found{kernel::capabilities(), standing, obstacle, Error{obstacle.what}, {}, {}, false};
    struct stat types{};
    if (::stat("/sys/kernel/btf/vmlinux", &types) == 0)
        found.types_bytes = static_cast<std::uint64_t>(types.st_size);
    if (!obstacle.what.empty()) return found;
    found.kinds = kernel::probe_hook_kinds();
    found.whole = found.types_bytes.has_value();
    for (const Source* source : sources()) {
        found.sources.push_back(try_source(*source));
        found.whole &= found.sources.back().problem.empty();
    }
    return found;
}

kernel::Obstacle obstacle_to_watching() { return kernel::obstacle_of(kernel::read_standing()); }

}  // namespace waggle::agent
