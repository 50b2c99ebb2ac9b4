// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpf_program/pins.h"

#include <bpf/bpf.h>
#include <mntent.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {
namespace {

std::vector<std::string> bpf_file_systems() {
    std::vector<std::string> out;
    const std::unique_ptr<FILE, int (*)(FILE*)> mounts(::setmntent("/proc/self/mounts", "re"), ::endmntent);
    while (const mntent* each = mounts ? ::getmntent(mounts.get()) : nullptr)
        if (std::string_view(each->mnt_type) == "bpf") out.emplace_back(each->mnt_dir);
    return out;
}

// The program that is pinned there, itself or by its link; 0 for anything else.
std::uint32_t program_at(const std::string& path) {
    const OwnedFd fd(::bpf_obj_get(path.c_str()));
    if (!fd) return 0;
    const std::string kind = path_of_descriptor(fd.get());
    if (kind == "anon_inode:bpf-prog") {
        bpf_prog_info info{};
        __u32 size = sizeof info;
        return ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 ? info.id : 0;
    }
    if (kind == "anon_inode:bpf_link" || kind == "anon_inode:bpf-link") {
        bpf_link_info info{};
        __u32 size = sizeof info;
        return ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 ? info.prog_id : 0;
    }
    return 0;
}

}  // namespace

std::map<std::uint32_t, std::string> pinned_programs(std::size_t most_files) {
    std::map<std::uint32_t, std::string> out;
    for (const std::string& top : bpf_file_systems()) {
        std::error_code none;
        const auto options = std::filesystem::directory_options::skip_permission_denied;
        for (auto each = std::filesystem::recursive_directory_iterator(top, options, none);
             !none && each != std::filesystem::recursive_directory_iterator(); each.increment(none)) {
            if (most_files-- == 0) return out;
            if (!each->is_regular_file(none)) continue;
            if (const std::uint32_t id = program_at(each->path().string()))
                out.try_emplace(id, each->path().string());
        }
    }
    return out;
}

}  // namespace waggle::sensors
