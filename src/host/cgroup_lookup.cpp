// SPDX-License-Identifier: Apache-2.0
#include "host/cgroup_lookup.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <filesystem>
#include <vector>

#include "base/text.h"

namespace waggle::context {
namespace {

// Where version 2 lives: the root itself, or `unified` below it where version 1 is mounted beside it.
std::string version2_root(const std::string& root) {
    const std::string hybrid = root + "/unified";
    struct stat found{};
    return ::stat((root + "/cgroup.controllers").c_str(), &found) != 0 && ::stat(hybrid.c_str(), &found) == 0
               ? hybrid
               : root;
}

// "cri-containerd-<id>.scope", "docker-<id>.scope", "libpod-<id>", "<id>": the id behind the last dash.
std::string_view container_part(std::string_view directory) {
    if (directory.ends_with(".scope")) directory.remove_suffix(6);
    const std::size_t dash = directory.rfind('-');
    return dash == std::string_view::npos ? directory : directory.substr(dash + 1);
}

}  // namespace

Result<std::uint64_t> cgroup_id_of_path(const std::string& path, const std::string& root) {
    const std::string base = version2_root(root);
    const std::string whole =
        path.starts_with(base) ? path : base + (path.starts_with('/') ? "" : "/") + path;
    struct stat found{};
    if (::stat(whole.c_str(), &found) != 0 || !S_ISDIR(found.st_mode))
        return Error{fmt::format("there is no control group {} below {}", escape_control(path), base)};
    return static_cast<std::uint64_t>(found.st_ino);
}

Result<std::uint64_t> cgroup_id_of_container(const std::string& id, const std::string& root) {
    if (id.size() < 4)
        return Error{fmt::format("\"{}\" is too short for a container's id; give at least 4 characters",
                                 escape_control(id))};
    std::vector<std::string> fits;
    std::error_code wrong;
    std::filesystem::recursive_directory_iterator walk(
        version2_root(root), std::filesystem::directory_options::skip_permission_denied, wrong);
    for (; !wrong && walk != std::filesystem::end(walk); walk.increment(wrong)) {
        if (!walk->is_directory(wrong)) continue;
        const std::string name = walk->path().filename().string();
        const std::string_view part = container_part(name);
        if (part.size() >= 12 && part.starts_with(id)) {
            fits.push_back(walk->path().string());
            walk.disable_recursion_pending();  // what is below belongs to the same container
        }
    }
    if (fits.empty())
        return Error{fmt::format("no container's control group begins with {}", escape_control(id))};
    if (fits.size() > 1)
        return Error{
            fmt::format("{} containers begin with {}; give more of the id", fits.size(), escape_control(id))};
    return cgroup_id_of_path(fits.front(), root);
}

}  // namespace waggle::context
