// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/socket_owners.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "engine/object/iterator_records.h"
#include "facts/sockets/socket_dump.h"
#include "facts/sockets/socket_owners.event.h"
#include "host/netns.h"
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

std::uint64_t start_of(Procfs& proc, std::uint32_t pid) {
    ProcessStat stat;
    return parse_stat(proc.file(pid, "stat"), stat) ? stat.start_ns : 0;
}

}  // namespace

// What the kernel side writes for each socket of each thread; nothing where it is not to be had.
std::optional<std::vector<socket_owner>> SocketOwners::pass(Procfs& proc) {
    if (!tried_ && proc_is_of_the_host(proc)) object_ = load_program();
    tried_ = true;
    if (!object_) return std::nullopt;
    return kernel::records_of_pass<socket_owner>(*object_, "on_file");
}

bool SocketOwners::find_by_kernel(Procfs& proc, Owners& owners) {
    auto all = pass(proc);
    if (!all) return false;
    std::vector<socket_owner>& found = *all;
    // The kernel goes by thread; the lowest pid that holds a socket is its owner.
    std::stable_sort(found.begin(), found.end(),
                     [](const socket_owner& a, const socket_owner& b) { return a.pid < b.pid; });
    std::unordered_map<std::uint32_t, std::uint32_t> last_pid;
    std::uint32_t exe_pid = 0;
    std::string exe;
    std::uint64_t start_ns = 0;
    for (const socket_owner& one : found) {
        const auto owner = owners.find(one.inode);
        if (owner == owners.end()) continue;
        const bool fresh = owner->second.pid == 0;
        note(owner->second, one.pid, last_pid[one.inode]);
        if (!fresh) continue;
        if (exe_pid != one.pid) {
            exe_pid = one.pid;
            exe = proc.link(one.pid, "exe");
            start_ns = start_of(proc, one.pid);
        }
        owner->second.comm.assign(one.comm, ::strnlen(one.comm, sizeof one.comm));
        owner->second.exe = exe;
        owner->second.start_ns = start_ns;
        owner->second.reuseport = one.reuseport != 0;
        owner->second.send_buffer_fixed = (one.fixed_buffers & 1) != 0;
        owner->second.receive_buffer_fixed = (one.fixed_buffers & 2) != 0;
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
        const std::uint64_t start_ns = start_of(proc, pid);
        for (Owner* owner : fresh) {
            owner->comm = comm;
            owner->exe = exe;
            owner->start_ns = start_ns;
        }
    }
}

Result<std::vector<SocketOwners::Held>> SocketOwners::all_that_wait(const Roots& roots, Procfs& proc) {
    std::vector<Held> held;
    if (const auto found = pass(proc)) {
        for (const socket_owner& one : *found)
            if (one.waits) held.push_back({one.inode, one.pid});
    } else {
        std::unordered_set<std::uint32_t> wanted;
        const Result<void> dumped = in_each_network_namespace(roots, [&](const NetworkNamespace&) {
            return dump_sockets(true, [&](const SocketState& socket) {
                if (socket.listens() && socket.inode != 0) wanted.insert(socket.inode);
            });
        });
        if (!dumped) return dumped.error();
        for (const std::uint32_t pid : proc.pids())
            proc.each_fd(pid, [&](int, std::string_view target) {
                const auto inode = static_cast<std::uint32_t>(inode_of_link(target, "socket"));
                if (wanted.contains(inode)) held.push_back({inode, pid});
            });
    }
    std::sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
        return std::tie(a.pid, a.inode) < std::tie(b.pid, b.inode);
    });
    held.erase(std::unique(held.begin(), held.end()), held.end());
    return held;
}

void SocketOwners::find(Procfs& proc, Owners& owners) {
    if (!find_by_kernel(proc, owners)) find_by_proc(proc, owners);
}

}  // namespace waggle::facts
