// SPDX-License-Identifier: Apache-2.0
// What the path of a control group says about its processes: container and systemd unit. Pure functions.
//
// Source: the names that Docker, containerd, CRI-O, Podman and nerdctl give with the cgroupfs and the systemd
// driver, the kubelet's pod groups, and systemd's own (systemd.unit, cg_escape).
#pragma once

#include <string>
#include <string_view>

namespace waggle::context {

struct CgroupIdentity {
    std::string path;       // below the cgroup root, "/" at least; empty where unknown
    std::string container;  // first 12 characters of the innermost container's id; empty outside containers
    std::string runtime;    // docker, containerd, cri-o, podman; empty where the path does not tell
    std::string unit;       // innermost systemd unit, as systemctl takes it; empty outside units

    bool operator==(const CgroupIdentity&) const = default;
};

CgroupIdentity identify_cgroup(std::string_view path);

// The text of /proc/PID/cgroup in its v2, v1 and hybrid form: the line that says most. A container says more
// than a unit, a unit more than a bare path, a longer path more than a shorter one.
CgroupIdentity identify_proc_cgroup(std::string_view text);

}  // namespace waggle::context
