// SPDX-License-Identifier: Apache-2.0
// Places where packets pass: devices and control groups.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/attach.h"
#include "engine/support/libbpf_log.h"
#include "engine/support/libbpf_options.h"

namespace waggle::kernel {
namespace {

Result<int> device_number(const std::string& device) {
    const unsigned index = ::if_nametoindex(device.c_str());
    if (index != 0) return static_cast<int>(index);
    std::vector<std::string> known;
    if (struct if_nameindex* all = ::if_nameindex()) {
        for (const auto* each = all; each->if_index != 0; ++each) known.emplace_back(each->if_name);
        ::if_freenameindex(all);
    }
    return Error{
        fmt::format("there is no network device {}{}", escape_control(device), did_you_mean(device, known))};
}

// Whether a filter hangs on one side of a device's clsact qdisc; yes when the kernel does not say.
bool has_filters(int device, std::uint32_t parent) {
    const OwnedFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct {
        nlmsghdr header;
        tcmsg filter;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_GETTFILTER;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.filter.tcm_family = AF_UNSPEC;
    request.filter.tcm_ifindex = device;
    request.filter.tcm_parent = parent;
    if (!socket || ::send(socket.get(), &request, sizeof request, 0) < 0) return true;
    alignas(nlmsghdr) char buffer[16384];
    const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return true;
    // The first message is a filter, or the end of an empty list.
    return reinterpret_cast<const nlmsghdr*>(buffer)->nlmsg_type != NLMSG_DONE;
}

// The classifier qdisc of a device, made by us; taken away unless somebody else hung filters on it.
class ClassifierQdisc {
  public:
    explicit ClassifierQdisc(int device) : device_(device) {}
    ClassifierQdisc(const ClassifierQdisc&) = delete;
    ClassifierQdisc& operator=(const ClassifierQdisc&) = delete;
    ~ClassifierQdisc() {
        if (has_filters(device_, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) ||
            has_filters(device_, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)))
            return;
        bpf_tc_hook hook;
        clear_options(hook);
        hook.ifindex = device_;
        hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
        bpf_tc_hook_destroy(&hook);
    }

  private:
    int device_;
};

// A link at BPF_TCX_INGRESS or BPF_TCX_EGRESS (6.6); libbpf 1.1 and its headers do not know them yet.
OwnedFd create_tcx_link(int program, int device, bool ingress) {
    constexpr std::uint32_t tcx_ingress = 46, tcx_egress = 47;
    // Newer kernels read behind what older headers declare: zeros.
    union {
        bpf_attr attr;
        char room[256];
    } request{};
    std::memset(&request, 0, sizeof request);
    request.attr.link_create.prog_fd = static_cast<__u32>(program);
    request.attr.link_create.target_ifindex = static_cast<__u32>(device);
    request.attr.link_create.attach_type = ingress ? tcx_ingress : tcx_egress;
    return OwnedFd(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &request.attr, 64)));
}

Result<AttachmentLink> attach_classifier(int program, int device, bool ingress, AttachContext& context) {
    bpf_tc_hook hook;
    clear_options(hook);
    hook.ifindex = device;
    const bpf_tc_attach_point point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    hook.attach_point = point;
    std::shared_ptr<void> qdisc = context.qdiscs[device].lock();
    const int made = bpf_tc_hook_create(&hook);
    if (made != 0 && made != -EEXIST) return attach_error(-made, AttachKind::tc);
    if (made == 0) context.qdiscs[device] = qdisc = std::make_shared<ClassifierQdisc>(device);
    bpf_tc_opts options;
    clear_options(options);
    options.prog_fd = program;
    if (const int error = -bpf_tc_attach(&hook, &options); error != 0)
        return attach_error(error, AttachKind::tc);
    const std::uint32_t handle = options.handle, priority = options.priority;
    return AttachmentLink(std::function<void()>([device, point, handle, priority, qdisc] {
        bpf_tc_hook at;
        clear_options(at);
        at.ifindex = device;
        at.attach_point = point;
        bpf_tc_opts filter;
        clear_options(filter);
        filter.handle = handle;
        filter.priority = priority;
        bpf_tc_detach(&at, &filter);
    }));
}

}  // namespace

Result<AttachmentLink> attach_xdp(const bpf_program* program, const AttachSpec& spec) {
    const auto device = device_number(spec.target);
    if (!device) return device.error();
    if (bpf_link* link = bpf_program__attach_xdp(program, *device)) return AttachmentLink(link);
    const int error = errno;
    if (error == EBUSY)
        return Error{
            fmt::format("{} has an XDP program already; a device carries one", escape_control(spec.target))};
    return attach_error(error, spec.kind);
}

Result<AttachmentLink> attach_tc(const bpf_program* program, const AttachSpec& spec, AttachContext& context) {
    const auto device = device_number(spec.target);
    if (!device) return device.error();
    if (OwnedFd link = create_tcx_link(bpf_program__fd(program), *device, spec.ingress))
        return AttachmentLink(std::move(link));
    if (errno != EINVAL) return attach_error(errno, spec.kind);
    return attach_classifier(bpf_program__fd(program), *device, spec.ingress, context);
}

Result<AttachmentLink> attach_cgroup(const bpf_program* program, const AttachSpec& spec) {
    const OwnedFd group(::open(spec.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!group) return Error{fmt::format("{}: {}", escape_control(spec.path), std::strerror(errno))};
    struct statfs file_system{};
    if (::fstatfs(group.get(), &file_system) != 0 || file_system.f_type != CGROUP2_SUPER_MAGIC)
        return Error{fmt::format(
            "{} is no control group of version 2 (a directory of a cgroup2 file system, most often "
            "/sys/fs/cgroup)",
            escape_control(spec.path))};
    const bpf_attach_type type = spec.kind == AttachKind::sockops ? BPF_CGROUP_SOCK_OPS
                                 : spec.ingress                   ? BPF_CGROUP_INET_INGRESS
                                                                  : BPF_CGROUP_INET_EGRESS;
    OwnedFd link(bpf_link_create(bpf_program__fd(program), group.get(), type, nullptr));
    if (!link) return attach_error(errno, spec.kind);
    return AttachmentLink(std::move(link));
}

}  // namespace waggle::kernel
