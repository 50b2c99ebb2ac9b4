// SPDX-License-Identifier: Apache-2.0
// The place that a program's section names.
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "engine/attach/attach_forms.h"
#include "waggle/attach.h"

namespace waggle {

Result<AttachSpec> AttachSpec::from_section(std::string_view section) {
    const Error no_place{fmt::format("its section \"{}\" names no place; say where", escape_control(section)),
                         ErrorKind::usage};
    if (section.starts_with('?')) section.remove_prefix(1);
    const std::size_t slash = section.find('/');
    std::string_view word = section.substr(0, slash);
    struct Alias {
        std::string_view section;
        AttachKind kind;
    };
    static constexpr Alias aliases[] = {
        {"tp", AttachKind::tracepoint},   {"raw_tracepoint", AttachKind::raw_tp},
        {"raw_tp.w", AttachKind::raw_tp}, {"raw_tracepoint.w", AttachKind::raw_tp},
        {"uprobe.s", AttachKind::uprobe}, {"uretprobe.s", AttachKind::uretprobe},
        {"fentry.s", AttachKind::fentry}, {"fexit.s", AttachKind::fexit},
        {"lsm.s", AttachKind::lsm},       {"iter.s", AttachKind::iter},
        {"ksyscall", AttachKind::kprobe}, {"kretsyscall", AttachKind::kretprobe},
        {"classifier", AttachKind::tc},   {"tcx", AttachKind::tc},
        {"perf_event", AttachKind::perf},
    };
    std::optional<AttachKind> kind;
    if (const kernel::AttachForm* form = kernel::form_named(word); form && form->kind != AttachKind::section)
        kind = form->kind;
    for (const Alias& each : aliases)
        if (each.section == word) kind = each.kind;
    const auto shown = [&](const Error& error) {
        return kind ? Error{fmt::format("{}, as {}:{}", error.message, kernel::form_of(*kind).word,
                                        kernel::form_of(*kind).shape),
                            error.kind}
                    : error;
    };
    if (!kind || slash == std::string_view::npos) return shown(no_place);
    std::string rest(section.substr(slash + 1));
    switch (*kind) {
        case AttachKind::tracepoint:
            std::ranges::replace(rest, '/', ':');
            break;
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
            // A system call's entry is named after the machine; libbpf 1.1 knows no other way either.
            if (word.ends_with("syscall")) rest = "__x64_sys_" + rest;
            break;
        case AttachKind::perf:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return shown(no_place);
        case AttachKind::section:
        case AttachKind::kprobe_multi:
        case AttachKind::kretprobe_multi:
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
        case AttachKind::usdt:
        case AttachKind::raw_tp:
        case AttachKind::tp_btf:
        case AttachKind::fentry:
        case AttachKind::fexit:
        case AttachKind::lsm:
        case AttachKind::iter:
            break;
    }
    auto parsed = parse(fmt::format("{}:{}", kernel::form_of(*kind).word, rest));
    if (!parsed)
        return while_doing(fmt::format("its section \"{}\"", escape_control(section)), parsed.error());
    return parsed;
}

}  // namespace waggle
