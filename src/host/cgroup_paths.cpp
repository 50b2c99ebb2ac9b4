// SPDX-License-Identifier: Apache-2.0
#include "host/cgroup_paths.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <vector>

namespace waggle::context {

CgroupPaths::CgroupPaths(const std::string& root, const Clock& clock) : clock_(&clock) {
    const auto is_v2 = [](const std::string& directory) {
        return ::access((directory + "/cgroup.controllers").c_str(), F_OK) == 0;
    };
    unified_ = is_v2(root);
    if (unified_)
        tree_ = root;
    else if (is_v2(root + "/unified"))
        tree_ = root + "/unified";
}

const CgroupIdentity* CgroupPaths::find(std::uint64_t id) {
    if (id == 0 || tree_.empty()) return nullptr;
    auto found = known_.find(id);
    if (found == known_.end()) {
        if (gone_.contains(id)) return nullptr;
        const std::uint64_t now = clock_->monotonic_ns();
        if (scanned_ && now - scanned_at_ns_ < rescan_after_ns) return nullptr;
        scanned_ = true;
        scanned_at_ns_ = now;
        if (known_.size() > most) known_.clear();
        if (gone_.size() > most) gone_.clear();
        scan();
        found = known_.find(id);
        if (found == known_.end()) gone_.insert(id);
    }
    return found == known_.end() ? nullptr : &found->second;
}

void CgroupPaths::scan() {
    struct stat root{};
    if (::stat(tree_.c_str(), &root) == 0) known_.try_emplace(root.st_ino, identify_cgroup("/"));
    std::vector<std::string> waiting = {""};
    while (!waiting.empty() && known_.size() <= 2 * most) {
        const std::string path = std::move(waiting.back());
        waiting.pop_back();
        const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir((tree_ + path).c_str()), &::closedir);
        if (!directory) continue;  // gone meanwhile
        while (const dirent* entry = ::readdir(directory.get())) {
            const std::string_view name = entry->d_name;
            if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
            std::string child = path + "/";
            child += name;
            known_.insert_or_assign(entry->d_ino, identify_cgroup(child));
            waiting.push_back(std::move(child));
        }
    }
}

}  // namespace waggle::context
