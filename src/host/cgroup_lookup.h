// SPDX-License-Identifier: Apache-2.0
// The number of a control group (what the kernel's programs compare), found by its path or by a container's
// id.
#pragma once

#include <cstdint>
#include <string>

#include "waggle/result.h"

namespace waggle::context {

// `path` is below the cgroup v2 root ("/system.slice/nginx.service") or the whole path of the directory.
Result<std::uint64_t> cgroup_id_of_path(const std::string& path, const std::string& root = "/sys/fs/cgroup");

// `id` is a container's id or its beginning, at least 4 characters; an error when none or several fit.
Result<std::uint64_t> cgroup_id_of_container(const std::string& id,
                                             const std::string& root = "/sys/fs/cgroup");

}  // namespace waggle::context
