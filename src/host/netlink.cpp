// SPDX-License-Identifier: Apache-2.0
#include "host/netlink.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace waggle::facts {
namespace {

Error system_error(int reason) {
    return {std::strerror(reason),
            reason == EPERM || reason == EACCES ? ErrorKind::privilege : ErrorKind::failed};
}

}  // namespace

void each_attribute(Bytes attributes, const std::function<void(std::uint16_t, Bytes)>& visit) {
    while (attributes.size() >= sizeof(nlattr)) {
        const auto header = load<nlattr>(attributes);
        if (header.nla_len < sizeof(nlattr) || header.nla_len > attributes.size()) return;
        visit(header.nla_type & NLA_TYPE_MASK,
              attributes.subspan(sizeof(nlattr), header.nla_len - sizeof(nlattr)));
        const std::size_t step = NLA_ALIGN(static_cast<std::size_t>(header.nla_len));
        if (step >= attributes.size()) return;
        attributes = attributes.subspan(step);
    }
}

Result<Netlink> Netlink::open(int protocol) {
    Netlink netlink;
    netlink.fd_ = OwnedFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!netlink.fd_) return system_error(errno);
    netlink.buffer_.resize(32768 / sizeof(std::uint64_t));  // the kernel fills at most 32 KiB at a time
    return netlink;
}

Result<void> Netlink::dump(std::uint16_t type, Bytes request,
                           const std::function<void(const NetlinkMessage&)>& visit) {
    const auto sent = send(type, NLM_F_DUMP, request);
    return sent ? receive(false, visit) : sent;
}

Result<void> Netlink::ask(std::uint16_t type, Bytes request,
                          const std::function<void(const NetlinkMessage&)>& visit) {
    const auto sent = send(type, 0, request);
    return sent ? receive(true, visit) : sent;
}

Result<void> Netlink::send(std::uint16_t type, std::uint16_t flags, Bytes request) {
    std::vector<std::byte> message(NLMSG_ALIGN(sizeof(nlmsghdr) + request.size()));
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + request.size());
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = ++sequence_;
    std::memcpy(message.data(), &header, sizeof header);
    std::memcpy(message.data() + sizeof header, request.data(), request.size());
    if (::send(fd_.get(), message.data(), message.size(), 0) < 0) return system_error(errno);
    return {};
}

Result<void> Netlink::receive(bool one, const std::function<void(const NetlinkMessage&)>& visit) {
    for (;;) {
        const ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size() * sizeof(std::uint64_t), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(errno);
        Bytes rest(reinterpret_cast<const std::byte*>(buffer_.data()), static_cast<std::size_t>(got));
        while (rest.size() >= sizeof(nlmsghdr)) {
            const auto answer = load<nlmsghdr>(rest);
            if (answer.nlmsg_len < sizeof(nlmsghdr) || answer.nlmsg_len > rest.size()) break;
            const Bytes body = rest.subspan(sizeof(nlmsghdr), answer.nlmsg_len - sizeof(nlmsghdr));
            if (answer.nlmsg_seq == sequence_) {
                const std::int32_t status = body.size() >= 4 ? load<std::int32_t>(body) : 0;
                if (answer.nlmsg_type == NLMSG_ERROR) return system_error(status < 0 ? -status : EPROTO);
                if (answer.nlmsg_type == NLMSG_DONE) {
                    if (status < 0) return system_error(-status);
                    return {};
                }
                visit({answer.nlmsg_type, body});
                if (one) return {};
            }
            const std::size_t step = NLMSG_ALIGN(static_cast<std::size_t>(answer.nlmsg_len));
            if (step >= rest.size()) break;
            rest = rest.subspan(step);
        }
    }
}

}  // namespace waggle::facts
