// SPDX-License-Identifier: Apache-2.0
#include "host/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "waggle/owned_fd.h"

namespace waggle {
namespace {

constexpr int most_depth = 32;

void walk(const OwnedFd& fd, const std::string& path, int depth,
          const std::function<void(int fd, const std::string& path)>& visit) {
    visit(fd.get(), path.empty() ? "/" : path);
    if (depth == most_depth) return;
    // The stream takes its own descriptor, so that `fd` stays good for openat.
    DIR* directory = ::fdopendir(::dup(fd.get()));
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        const OwnedFd child(::openat(fd.get(), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (child) walk(child, path + "/" + entry->d_name, depth + 1, visit);
    }
    ::closedir(directory);
}

}  // namespace

void each_cgroup(const Roots& roots, const std::function<void(int fd, const std::string& path)>& visit) {
    for (const char* place : {"/fs/cgroup", "/fs/cgroup/unified"}) {
        const std::string root = roots.sys + place;
        if (::access((root + "/cgroup.procs").c_str(), F_OK) != 0 ||
            ::access((root + "/cgroup.controllers").c_str(), F_OK) != 0)
            continue;
        const OwnedFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd) walk(fd, "", 0, visit);
        return;
    }
}

void each_cgroup_1(const Roots& roots, const std::string& controller,
                   const std::function<void(int fd, const std::string& path)>& visit) {
    const std::string root = roots.sys + "/fs/cgroup/" + controller;
    if (::access((root + "/cgroup.procs").c_str(), F_OK) != 0) return;
    const OwnedFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd) walk(fd, "", 0, visit);
}

std::string_view read_cgroup_file(int fd, const char* name, std::span<char> buffer) {
    const OwnedFd file(::openat(fd, name, O_RDONLY | O_CLOEXEC));
    const ssize_t got = file ? ::read(file.get(), buffer.data(), buffer.size()) : 0;
    return {buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::vector<std::uint32_t> cgroup_processes(int fd) {
    std::vector<std::uint32_t> pids;
    const OwnedFd file(::openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC));
    char buffer[4096];
    std::uint32_t pid = 0;
    // A read gives a page of lines at most, and can end within one.
    for (ssize_t got = 1; file && (got = ::read(file.get(), buffer, sizeof buffer)) > 0;)
        for (ssize_t i = 0; i < got; ++i) {
            if (buffer[i] != '\n') {
                pid = pid * 10 + static_cast<std::uint32_t>(buffer[i] - '0');
                continue;
            }
            if (pid > 0) pids.push_back(pid);
            pid = 0;
        }
    return pids;
}

}  // namespace waggle
