// SPDX-License-Identifier: Apache-2.0
#include "host/netns.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <thread>

#include "host/procfs.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

// 0 where nothing is mounted there: `ip netns` leaves an empty file behind when it is ended between making and
// mounting, and that file's number is no namespace's.
std::uint32_t named_inode(const std::string& path) {
    struct statfs system{};
    if (::statfs(path.c_str(), &system) != 0 || system.f_type != NSFS_MAGIC) return 0;
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

}  // namespace

std::vector<NetworkNamespace> network_namespaces(const Roots& roots) {
    Procfs proc(roots.proc);
    std::map<std::uint32_t, NetworkNamespace> found;
    char link[64];
    const ssize_t size = ::readlink((roots.proc + "/thread-self/ns/net").c_str(), link, sizeof link);
    const auto own =
        size > 0 ? static_cast<std::uint32_t>(inode_of_link({link, static_cast<std::size_t>(size)}, "net"))
                 : 0;
    if (own) found[own] = {own, roots.proc + "/thread-self/ns/net", true, 0, 0, {}};
    for (const std::uint32_t pid : proc.pids()) {
        const auto inode = static_cast<std::uint32_t>(inode_of_link(proc.link(pid, "ns/net"), "net"));
        if (!inode) continue;
        NetworkNamespace& netns = found[inode];
        if (netns.inode == 0) netns = {inode, fmt::format("{}/{}/ns/net", roots.proc, pid), false, 0, 0, {}};
        if (netns.pid == 0) netns.pid = pid;
        ++netns.processes;
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> named(::opendir(roots.run_netns.c_str()), ::closedir);
    while (const dirent* entry = named ? ::readdir(named.get()) : nullptr) {
        if (entry->d_name[0] == '.') continue;
        const std::string path = roots.run_netns + "/" + entry->d_name;
        const std::uint32_t inode = named_inode(path);
        if (!inode) continue;
        NetworkNamespace& netns = found[inode];
        if (netns.inode == 0) netns = {inode, path, false, 0, 0, {}};
        netns.name = entry->d_name;
    }
    std::vector<NetworkNamespace> all;
    for (auto& [inode, netns] : found) all.push_back(std::move(netns));
    std::stable_partition(all.begin(), all.end(), [](const NetworkNamespace& netns) { return netns.own; });
    return all;
}

Result<bool> NamespaceTour::enter(const NetworkNamespace& netns) {
    const OwnedFd fd(::open(netns.path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    // A namespace whose last process ended since it was listed is gone, not unreadable; its pid can be another's by now.
    if (fd && ::fstat(fd.get(), &status) == 0 && static_cast<std::uint32_t>(status.st_ino) != netns.inode)
        return false;
    if (fd && ::setns(fd.get(), CLONE_NEWNET) == 0) return true;
    const int reason = errno;
    const bool denied = reason == EPERM || reason == EACCES;
    if (!denied && ::access(netns.path.c_str(), F_OK) != 0) return false;
    return Error{fmt::format("cannot enter network namespace {} through {}: {}", netns.inode, netns.path,
                             std::strerror(reason)),
                 denied ? ErrorKind::privilege : ErrorKind::failed};
}

NamespaceTour::NamespaceTour(Roots roots, Entry entry) : roots_(std::move(roots)), enter_(std::move(entry)) {}

const std::vector<NetworkNamespace>& NamespaceTour::namespaces() {
    if (!all_) all_ = network_namespaces(roots_);
    return *all_;
}

void NamespaceTour::visit_each(const std::function<void(const NetworkNamespace&)>& visit,
                               const std::function<void(const Error&)>& missed) {
    const std::vector<NetworkNamespace>& all = namespaces();
    auto next = all.begin();
    for (; next != all.end() && next->own; ++next) visit(*next);
    if (next == all.end()) return;
    std::thread([&] {
        for (; next != all.end(); ++next) {
            const Result<bool> entered = enter_(*next);
            if (!entered)
                missed(entered.error());
            else if (*entered)
                visit(*next);
        }
    }).join();
}

Result<void> in_each_network_namespace(const Roots& roots, const NamespaceVisit& visit) {
    Result<void> first;
    const auto note = [&](const Error& error) {
        if (first) first = error;
    };
    NamespaceTour(roots).visit_each(
        [&](const NetworkNamespace& netns) {
            if (const Result<void> visited = visit(netns); !visited) note(visited.error());
        },
        note);
    return first;
}

}  // namespace waggle::facts
