// SPDX-License-Identifier: Apache-2.0
#include "facts/network/joined_namespaces.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include <set>

#include "facts/network/rtnetlink.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

template <typename Fixed>
struct WithNumber {
    Fixed fixed;
    rtattr attribute;
    std::uint32_t value;
};

// The numbers by which this namespace knows others that its devices lead to.
Result<std::set<std::int32_t>> linked_ids(Netlink& netlink) {
    constexpr std::uint32_t skip_statistics = 1 << 3;  // RTEXT_FILTER_SKIP_STATS
    WithNumber<ifinfomsg> request{};
    request.attribute = {sizeof(rtattr) + sizeof(std::uint32_t), IFLA_EXT_MASK};
    request.value = skip_statistics;
    std::set<std::int32_t> ids;
    const auto dumped = netlink.dump(RTM_GETLINK, bytes_of(request), [&](const NetlinkMessage& message) {
        if (message.body.size() < sizeof(ifinfomsg)) return;
        each_attribute(message.body.subspan(sizeof(ifinfomsg)), [&](std::uint16_t type, Bytes value) {
            if (type == IFLA_LINK_NETNSID && value.size() >= sizeof(std::int32_t))
                ids.insert(load<std::int32_t>(value));
        });
    });
    if (!dumped) return dumped.error();
    return ids;
}

// The number by which this namespace knows the other; -1 where by none.
std::int32_t id_of(Netlink& netlink, int other) {
    struct {
        rtgenmsg general;
        std::uint8_t padding[3];
        rtattr attribute;
        std::int32_t fd;
    } request{};
    request.attribute = {sizeof(rtattr) + sizeof(std::int32_t), NETNSA_FD};
    request.fd = other;
    std::int32_t id = -1;
    const auto asked = netlink.ask(RTM_GETNSID, bytes_of(request), [&](const NetlinkMessage& message) {
        if (message.body.size() < NLMSG_ALIGN(sizeof(rtgenmsg))) return;
        each_attribute(message.body.subspan(NLMSG_ALIGN(sizeof(rtgenmsg))),
                       [&](std::uint16_t type, Bytes value) {
                           if (type == NETNSA_NSID && value.size() >= sizeof id)
                               id = load<std::int32_t>(value);
                       });
    });
    return asked ? id : -1;
}

}  // namespace

void JoinedNamespaces::begin(std::span<const NetworkNamespace> all, const std::string& proc_root) {
    all_.clear();
    towards_first_.clear();
    // From within another namespace thread-self is that one; the process as a whole stays in its own.
    for (const NetworkNamespace& netns : all)
        all_.push_back({netns.inode, netns.own ? proc_root + "/self/ns/net" : netns.path});
}

Result<void> JoinedNamespaces::read_in(const NetworkNamespace& netns) {
    towards_first_.try_emplace(netns.inode, netns.inode);
    auto netlink = Netlink::open(NETLINK_ROUTE);
    if (!netlink) return netlink.error();
    auto ids = linked_ids(*netlink);
    if (!ids) return ids.error();
    for (const Other& other : all_) {
        if (ids->empty()) break;
        if (other.inode == netns.inode) continue;
        const OwnedFd fd(::open(other.path.c_str(), O_RDONLY | O_CLOEXEC));
        if (fd && ids->erase(id_of(*netlink, fd.get()))) join(netns.inode, other.inode);
    }
    return {};
}

std::uint32_t JoinedNamespaces::group(std::uint32_t inode) const {
    return towards_first_.contains(inode) ? first_of(inode) : 0;
}

std::uint32_t JoinedNamespaces::first_of(std::uint32_t inode) const {
    for (;;) {
        const std::uint32_t lower = towards_first_.at(inode);
        if (lower == inode) return inode;
        inode = lower;
    }
}

void JoinedNamespaces::join(std::uint32_t one, std::uint32_t other) {
    towards_first_.try_emplace(other, other);
    one = first_of(one);
    other = first_of(other);
    towards_first_[std::max(one, other)] = std::min(one, other);
}

}  // namespace waggle::facts
