// SPDX-License-Identifier: Apache-2.0
#include "engine/attach/attach.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/support/hook_kinds.h"
#include "engine/support/libbpf_log.h"
#include "engine/support/owned_btf.h"

namespace waggle::kernel {
namespace {

// What the kernel must be told when it loads a program for a kind of place.
struct Needs {
    bpf_prog_type type;
    int attach_type;          // -1: none
    std::string_view prefix;  // of the target's name in the kernel's types; with it a target is needed
    bool target = false;
};

Needs needs_of(AttachKind kind) {
    switch (kind) {
        case AttachKind::section:
            return {BPF_PROG_TYPE_UNSPEC, -1, ""};
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
        case AttachKind::usdt:
            return {BPF_PROG_TYPE_KPROBE, 0, ""};
        case AttachKind::kprobe_multi:
        case AttachKind::kretprobe_multi:
            return {BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI, ""};
        case AttachKind::tracepoint:
            return {BPF_PROG_TYPE_TRACEPOINT, -1, ""};
        case AttachKind::raw_tp:
            return {BPF_PROG_TYPE_RAW_TRACEPOINT, -1, ""};
        case AttachKind::tp_btf:
            return {BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "btf_trace_", true};
        case AttachKind::fentry:
            return {BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "", true};
        case AttachKind::fexit:
            return {BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, "", true};
        case AttachKind::lsm:
            return {BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_lsm_", true};
        case AttachKind::iter:
            return {BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, "bpf_iter_", true};
        case AttachKind::perf:
            return {BPF_PROG_TYPE_PERF_EVENT, -1, ""};
        case AttachKind::xdp:
            return {BPF_PROG_TYPE_XDP, -1, ""};
        case AttachKind::tc:
            return {BPF_PROG_TYPE_SCHED_CLS, -1, ""};
        case AttachKind::cgroup_skb:
            return {BPF_PROG_TYPE_CGROUP_SKB, -1, ""};
        case AttachKind::sockops:
            return {BPF_PROG_TYPE_SOCK_OPS, -1, ""};
    }
    return {BPF_PROG_TYPE_UNSPEC, -1, ""};
}

std::string_view type_name(bpf_prog_type type) {
    const char* name = libbpf_bpf_prog_type_str(type);
    return name ? name : "unknown";
}

// Of this kernel's types, the targets of a kind: functions, or tracepoints and iterators by their prefix.
std::vector<std::string> known_targets(const Needs& needs) {
    std::vector<std::string> out;
    const OwnedBtf types(btf__load_vmlinux_btf());
    if (!types) return out;
    const __u32 count = btf__type_cnt(types.get());
    for (__u32 id = 1; id < count; ++id) {
        const btf_type* type = btf__type_by_id(types.get(), id);
        const bool fits = needs.prefix == "btf_trace_" ? btf_is_typedef(type) : btf_is_func(type);
        if (!fits) continue;
        std::string_view name = btf__name_by_offset(types.get(), type->name_off);
        if (name.starts_with(needs.prefix)) out.emplace_back(name.substr(needs.prefix.size()));
    }
    return out;
}

}  // namespace

Error attach_error(int error, AttachKind kind) {
    const std::string words = libbpf_last_words(error);
    if (error == EPERM || error == EACCES)
        if (const std::string missing = missing_to_watch(); !missing.empty())
            return Error{missing, ErrorKind::privilege};
    // Asking whether tracepoints work at all attaches one, which ends here when it fails.
    if (kind != AttachKind::tracepoint)
        if (const std::string lacks = kernel_lacks(to_string(kind)); !lacks.empty()) return Error{lacks};
    return Error{escape_control(words)};
}

Result<void> prepare_to_load(bpf_program* program, const AttachSpec& spec) {
    if (spec.kind == AttachKind::section) return {};
    const Needs needs = needs_of(spec.kind);
    const bpf_prog_type type = bpf_program__type(program);
    const std::string_view kind = to_string(spec.kind);
    if (type != BPF_PROG_TYPE_UNSPEC && type != needs.type)
        return Error{fmt::format("it is a program of type {} (section \"{}\"), and {} takes type {}",
                                 type_name(type), escape_control(bpf_program__section_name(program)), kind,
                                 type_name(needs.type))};
    if (type == BPF_PROG_TYPE_UNSPEC) bpf_program__set_type(program, needs.type);
    if (needs.attach_type >= 0)
        bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(needs.attach_type));
    if (!needs.target) return {};
    libbpf_log().clear();
    const int error = -bpf_program__set_attach_target(program, 0, spec.target.c_str());
    if (error == 0) return {};
    if (const std::string lacks = kernel_lacks(kind); !lacks.empty()) return Error{lacks};
    if (error != ESRCH && error != ENOENT) return attach_error(error, spec.kind);
    return Error{fmt::format("the kernel's types have no {} named {}{}",
                             spec.kind == AttachKind::tp_btf ? "tracepoint"
                             : spec.kind == AttachKind::iter ? "iterator"
                             : spec.kind == AttachKind::lsm  ? "security hook"
                                                             : "function",
                             escape_control(spec.target), did_you_mean(spec.target, known_targets(needs)))};
}

Result<AttachmentLink> attach(const bpf_program* program, const AttachSpec& spec, AttachContext& context) {
    const Needs needs = needs_of(spec.kind);
    const bpf_prog_type type = bpf_program__type(program);
    if (type != needs.type)
        return Error{fmt::format("it is a program of type {}, and {} takes type {}", type_name(type),
                                 to_string(spec.kind), type_name(needs.type))};
    if (needs.attach_type >= 0 && needs.type == BPF_PROG_TYPE_KPROBE &&
        bpf_program__expected_attach_type(program) != static_cast<bpf_attach_type>(needs.attach_type))
        return Error{fmt::format("it was not loaded for {}: plan() it before load()", to_string(spec.kind))};
    switch (spec.kind) {
        case AttachKind::section:
            break;
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
            return attach_kprobe(program, spec);
        case AttachKind::kprobe_multi:
        case AttachKind::kretprobe_multi:
            return attach_kprobe_multi(program, spec);
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
            return attach_uprobe(program, spec);
        case AttachKind::usdt:
            return attach_usdt(program, spec);
        case AttachKind::tracepoint:
            return attach_tracepoint(program, spec);
        case AttachKind::raw_tp:
            return attach_raw_tp(program, spec);
        case AttachKind::tp_btf:
        case AttachKind::fentry:
        case AttachKind::fexit:
        case AttachKind::lsm:
        case AttachKind::iter:
            return attach_typed(program, spec);
        case AttachKind::perf:
            return attach_perf(program, spec);
        case AttachKind::xdp:
            return attach_xdp(program, spec);
        case AttachKind::tc:
            return attach_tc(program, spec, context);
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return attach_cgroup(program, spec);
    }
    return Error{"no place is said"};
}

}  // namespace waggle::kernel
