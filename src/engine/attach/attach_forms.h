// SPDX-License-Identifier: Apache-2.0
// The words that a place begins with: the engine's own, and those that people know from bpftrace.
#pragma once

#include <algorithm>
#include <string_view>

#include "waggle/attach.h"

namespace waggle::kernel {

struct AttachForm {
    AttachKind kind;
    std::string_view word;
    std::string_view shape;  // what stands behind the word, for messages
};

inline constexpr AttachForm attach_forms[] = {
    {AttachKind::section, "section", ""},
    {AttachKind::kprobe, "kprobe", "SYMBOL[+OFFSET]"},
    {AttachKind::kretprobe, "kretprobe", "SYMBOL"},
    {AttachKind::kprobe_multi, "kprobe.multi", "GLOB"},
    {AttachKind::kretprobe_multi, "kretprobe.multi", "GLOB"},
    {AttachKind::uprobe, "uprobe", "PATH:SYMBOL[+OFFSET]"},
    {AttachKind::uretprobe, "uretprobe", "PATH:SYMBOL"},
    {AttachKind::usdt, "usdt", "PATH:PROVIDER:NAME"},
    {AttachKind::tracepoint, "tracepoint", "CATEGORY:NAME"},
    {AttachKind::raw_tp, "raw_tp", "NAME"},
    {AttachKind::tp_btf, "tp_btf", "NAME"},
    {AttachKind::fentry, "fentry", "FUNCTION"},
    {AttachKind::fexit, "fexit", "FUNCTION"},
    {AttachKind::lsm, "lsm", "HOOK"},
    {AttachKind::perf, "perf", "EVENT@HERTZ or perf:EVENT#EVERY"},
    {AttachKind::iter, "iter", "TYPE"},
    {AttachKind::xdp, "xdp", "DEVICE"},
    {AttachKind::tc, "tc", "DEVICE:ingress or tc:DEVICE:egress"},
    {AttachKind::cgroup_skb, "cgroup_skb", "PATH:ingress or cgroup_skb:PATH:egress"},
    {AttachKind::sockops, "sockops", "PATH"},
};

inline const AttachForm& form_of(AttachKind kind) {
    return *std::ranges::find(attach_forms, kind, &AttachForm::kind);
}

// Null where there is none.
inline const AttachForm* form_named(std::string_view word) {
    const auto* form = std::ranges::find(attach_forms, word, &AttachForm::word);
    return form == std::end(attach_forms) ? nullptr : form;
}

// What stands behind the word: as behind our own, "hz:99", or "faults:100".
enum class AliasShape { same, timer, event };

struct AttachAlias {
    std::string_view word;
    AttachKind kind;
    AliasShape shape = AliasShape::same;
};

inline constexpr AttachAlias attach_aliases[] = {
    {"k", AttachKind::kprobe},
    {"kr", AttachKind::kretprobe},
    {"u", AttachKind::uprobe},
    {"ur", AttachKind::uretprobe},
    {"U", AttachKind::usdt},
    {"t", AttachKind::tracepoint},
    {"rt", AttachKind::raw_tp},
    {"rawtracepoint", AttachKind::raw_tp},
    {"f", AttachKind::fentry},
    {"fr", AttachKind::fexit},
    {"kfunc", AttachKind::fentry},
    {"kretfunc", AttachKind::fexit},
    {"it", AttachKind::iter},
    {"profile", AttachKind::perf, AliasShape::timer},
    {"p", AttachKind::perf, AliasShape::timer},
    {"interval", AttachKind::perf, AliasShape::timer},
    {"i", AttachKind::perf, AliasShape::timer},
    {"software", AttachKind::perf, AliasShape::event},
    {"s", AttachKind::perf, AliasShape::event},
    {"hardware", AttachKind::perf, AliasShape::event},
    {"h", AttachKind::perf, AliasShape::event},
};

inline const AttachAlias* alias_named(std::string_view word) {
    const auto* alias = std::ranges::find(attach_aliases, word, &AttachAlias::word);
    return alias == std::end(attach_aliases) ? nullptr : alias;
}

}  // namespace waggle::kernel
