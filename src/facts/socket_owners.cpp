// SPDX-License-Identifier: Apache-2.0
#include "facts/socket_owners.h"

#include <algorithm>
#include <vector>

#include "facts/socket_owners.event.h"
#include "socket_owners.skel.h"

namespace waggle::facts {
namespace {

// One descriptor: `pid` holds the socket. Called with ascending pids, or again for the same.
void note(Owner& owner, std::uint32_t pid, std::uint32_t& last_pid) {
    if (owner.pid != 0 && last_pid == pid) return;  // a process that holds a socket twice is one owner
    last_pid = pid;
    if (owner.pid == 0) owner.pid = pid;
    ++owner.count;
}

std::optional<Object> load_program() {
    static constexpr std::string_view programs[] = {"on_file"};
    static constexpr Moment moments[] = {{"file", programs, "Owners are read from /proc.", true}};
    std::size_t size = 0;
    const void* elf = socket_owners_bpf__elf_bytes(&size);
    auto object = Object::open("socket_owners", {static_cast<const std::byte*>(elf), size});
    if (!object || !object->load(moments)) return {};
    return std::move(*object);
}

// The iterator numbers processes as the initial pid namespace does, /proc as its own.
bool proc_is_of_the_host(Procfs& proc) {
    constexpr std::uint64_t initial_pid_namespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO
    return proc.root() == "/proc" && inode_of_link(proc.link("self/ns/pid"), "pid") == initial_pid_namespace;
}

}  // namespace

bool SocketOwners::find_by_kernel(Procfs& proc, Owners& owners) {
    if (!tried_ && proc_is_of_the_host(proc)) object_ = load_program();
    tried_ = true;
    if (!object_) return false;
    const auto pass = object_->iterate("on_file");
    if (!pass) return false;
    std::vector<socket_owner> found;
    std::vector<std::byte> buffer;
    std::byte chunk[16384];
    for (;;) {
        const ssize_t got = ::read(pass->get(), chunk, sizeof chunk);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return false;
        if (got == 0) break;
        buffer.insert(buffer.end(), chunk, chunk + got);
    }
    for (std::size_t at = 0; at + sizeof(socket_owner) <= buffer.size(); at += sizeof(socket_owner))
        found.push_back(load<socket_owner>(buffer, at));
    // The kernel goes by thread; the lowest pid that holds a socket is its owner.
    std::stable_sort(found.begin(), found.end(),
                     [](const socket_owner& a, const socket_owner& b) { return a.pid < b.pid; });
    std::unordered_map<std::uint32_t, std::uint32_t> last_pid;
    std::uint32_t exe_pid = 0;
    std::string exe;
    for (const socket_owner& one : found) {
        const auto owner = owners.find(one.inode);
        if (owner == owners.end()) continue;
        const bool fresh = owner->second.pid == 0;
        note(owner->second, one.pid, last_pid[one.inode]);
        if (!fresh) continue;
        if (exe_pid != one.pid) {
            exe_pid = one.pid;
            exe = proc.link(one.pid, "exe");
        }
        owner->second.comm.assign(one.comm, ::strnlen(one.comm, sizeof one.comm));
        owner->second.exe = exe;
    }
    return true;
}

void SocketOwners::find_by_proc(Procfs& proc, Owners& owners) {
    std::unordered_map<std::uint32_t, std::uint32_t> last_pid;
    for (const std::uint32_t pid : proc.pids()) {
        std::vector<Owner*> fresh;
        proc.each_fd(pid, [&](int, std::string_view target) {
            const auto inode = static_cast<std::uint32_t>(inode_of_link(target, "socket"));
            const auto owner = inode ? owners.find(inode) : owners.end();
            if (owner == owners.end()) return;
            if (owner->second.pid == 0) fresh.push_back(&owner->second);
            note(owner->second, pid, last_pid[inode]);
        });
        if (fresh.empty()) continue;
        const std::string comm(proc.comm(pid));
        const std::string exe(proc.link(pid, "exe"));
        for (Owner* owner : fresh) {
            owner->comm = comm;
            owner->exe = exe;
        }
    }
}

void SocketOwners::find(Procfs& proc, Owners& owners) {
    if (!find_by_kernel(proc, owners)) find_by_proc(proc, owners);
}

}  // namespace waggle::facts
