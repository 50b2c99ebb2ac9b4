// SPDX-License-Identifier: Apache-2.0
// What the facts about file systems share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/mountinfo.h"
#include "host/roots.h"
#include "waggle/result.h"

namespace waggle::facts {

struct FileSystem {
    Mount mount;  // where it is seen whole, nearest to /
    std::uint64_t size_bytes = 0, free_bytes = 0, available_bytes = 0;
    std::uint64_t files = 0, free_files = 0;  // 0 files: it does not count them

    bool is_full() const { return available_bytes == 0 || (files > 0 && free_files == 0); }
};

// Those of this machine that can be written; each once. None is asked that could make the asker wait.
Result<std::vector<FileSystem>> local_file_systems(const Roots& roots);

}  // namespace waggle::facts
