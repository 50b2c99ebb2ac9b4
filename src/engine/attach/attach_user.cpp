// SPDX-License-Identifier: Apache-2.0
// Places in programs and libraries: functions and USDT markers.
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/attach.h"
#include "engine/attach/user_binary.h"
#include "engine/support/libbpf_log.h"
#include "engine/support/libbpf_options.h"

namespace waggle::kernel {

Result<AttachmentLink> attach_uprobe(const bpf_program* program, const AttachSpec& spec) {
    const auto binary = UserBinary::find(spec);
    if (!binary) return binary.error();
    std::uint64_t offset = spec.offset;
    if (!spec.target.empty()) {
        const auto begin = binary->function(spec.target);
        if (!begin) return begin.error();
        offset += *begin;
    }
    bpf_uprobe_opts options;
    clear_options(options);
    options.bpf_cookie = spec.cookie;
    options.retprobe = spec.kind == AttachKind::uretprobe;
    const int whom = spec.pid ? static_cast<int>(spec.pid) : -1;
    if (bpf_link* link =
            bpf_program__attach_uprobe_opts(program, whom, binary->path().c_str(), offset, &options))
        return AttachmentLink(link);
    const int error = errno;
    if (error == EINVAL)
        return Error{fmt::format("{} holds no code at byte {:#x}", escape_control(binary->shown()), offset)};
    return attach_error(error, spec.kind);
}

Result<AttachmentLink> attach_usdt(const bpf_program* program, const AttachSpec& spec) {
    const auto binary = UserBinary::find(spec);
    if (!binary) return binary.error();
    const auto markers = binary->markers();
    if (!markers) return markers.error();
    const std::string wanted = spec.group + ":" + spec.target;
    std::vector<std::string> known;
    for (const UserBinary::Marker& each : *markers) known.push_back(each.provider + ":" + each.name);
    if (known.empty()) return Error{fmt::format("{} has no USDT markers", escape_control(binary->shown()))};
    if (std::ranges::find(known, wanted) == known.end())
        return Error{fmt::format("{} has no USDT marker {}{}", escape_control(binary->shown()),
                                 escape_control(wanted), did_you_mean(wanted, known))};
    bpf_usdt_opts options;
    clear_options(options);
    options.usdt_cookie = spec.cookie;
    const int whom = spec.pid ? static_cast<int>(spec.pid) : -1;
    if (bpf_link* link = bpf_program__attach_usdt(program, whom, binary->path().c_str(), spec.group.c_str(),
                                                  spec.target.c_str(), &options))
        return AttachmentLink(link);
    const int error = errno;
    if (libbpf_log().find("failed to find USDT support BPF maps") != std::string::npos)
        return Error{"the object lacks the maps that USDT needs; its source must include <bpf/usdt.bpf.h>"};
    return attach_error(error, spec.kind);
}

}  // namespace waggle::kernel
