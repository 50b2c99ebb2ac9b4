// SPDX-License-Identifier: Apache-2.0
#include "engine/support/hook_kinds.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "engine/support/kernel_options.h"
#include "engine/support/privilege.h"
#include "hook_kinds.skel.h"
#include "waggle/object.h"

// The function the uprobe kinds attach to. Never called; it must only be found by name. A counter of its calls (line
// coverage) would begin it with a locked instruction, where the kernel sets no probe.
extern "C" __attribute__((noinline, used, visibility("default"), no_profile_instrument_function)) void
waggle_uprobe_target() {
    __asm__ volatile("");
}

namespace waggle::kernel {
namespace {

struct Kind {
    std::string_view name;
    std::string_view program;
    std::string_view meaning;
    std::string_view option;
    bool load_only;
};

constexpr Kind kinds[] = {
    {"tp_btf", "on_typed_tracepoint", "the kernel's marked moments, with types", "CONFIG_DEBUG_INFO_BTF",
     false},
    {"raw_tp", "on_raw_tracepoint", "the kernel's marked moments, raw", "CONFIG_BPF_EVENTS", false},
    {"tracepoint", "on_tracepoint", "the kernel's marked moments, formatted", "CONFIG_BPF_EVENTS", false},
    {"fentry", "on_fentry", "the entry of a kernel function, cheap",
     "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", false},
    {"fexit", "on_fexit", "the return of a kernel function, cheap", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
     false},
    {"kprobe", "on_kprobe", "any kernel instruction", "CONFIG_KPROBES", false},
    {"kretprobe", "on_kretprobe", "the return of any kernel function", "CONFIG_KRETPROBES", false},
    {"kprobe.multi", "on_kprobe_multi", "many kernel functions at once", "CONFIG_FPROBE", false},
    {"uprobe", "on_uprobe", "a function of a program", "CONFIG_UPROBES", false},
    {"iter", "on_task_iterator", "a walk over the kernel's own lists", "CONFIG_BPF_SYSCALL", false},
    {"lsm", "on_lsm", "security decisions", "CONFIG_BPF_LSM", false},
    {"perf_event", "on_perf_event", "a timer or counter, for profiles", "CONFIG_PERF_EVENTS", true},
    {"xdp", "on_xdp", "packets before the network stack", "CONFIG_BPF_SYSCALL", true},
    {"tc", "on_tc", "packets at a device", "CONFIG_NET_CLS_BPF", true},
    {"cgroup_skb", "on_cgroup_skb", "packets of a control group", "CONFIG_CGROUP_BPF", true},
    {"sockops", "on_sockops", "TCP connections of a control group", "CONFIG_CGROUP_BPF", true},
};

struct Wanted {
    unsigned number;
    std::string_view name;
    std::string_view use;
};
constexpr Wanted wanted[] = {
    {CAP_BPF, "CAP_BPF", "load BPF programs and maps"},
    {CAP_PERFMON, "CAP_PERFMON", "attach them to the kernel's moments"},
    {CAP_NET_ADMIN, "CAP_NET_ADMIN", "read firewall rules; packet hooks"},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "look into other network namespaces; BTF objects by number"},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "see which process owns a socket or file"},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "read other users' /proc entries"},
    {CAP_SYSLOG, "CAP_SYSLOG", "read kernel addresses, to name code"},
};

}  // namespace

Result<std::vector<HookKind>> probe_hook_kinds() {
    std::size_t size = 0;
    const void* elf = hook_kinds_bpf__elf_bytes(&size);
    Result<Object> object = Object::open("hook_kinds", {static_cast<const std::byte*>(elf), size});
    if (!object) return object.error();
    std::array<Moment, std::size(kinds)> moments;
    for (std::size_t i = 0; i < moments.size(); ++i)
        moments[i] = {kinds[i].name, {&kinds[i].program, 1}, "", false, kinds[i].load_only};
    if (auto loaded = object->load(moments); !loaded) return loaded.error();
    std::vector<HookKind> out;
    for (std::size_t i = 0; i < moments.size(); ++i) {
        const HookUse& use = object->hooks()[i];
        out.push_back({kinds[i].name, kinds[i].meaning, kinds[i].option, !use.hook.empty(), use.reason});
    }
    return out;
}

std::string kernel_lacks(std::string_view kind) {
    if (kind == "uretprobe" || kind == "usdt") kind = "uprobe";
    if (kind == "kretprobe.multi") kind = "kprobe.multi";
    if (kind == "perf") kind = "perf_event";
    const auto* found = std::ranges::find(kinds, kind, &Kind::name);
    if (found == std::end(kinds)) return {};
    std::size_t size = 0;
    const void* elf = hook_kinds_bpf__elf_bytes(&size);
    Result<Object> object = Object::open("hook_kinds", {static_cast<const std::byte*>(elf), size});
    const Moment moment{found->name, {&found->program, 1}, "", false, found->load_only};
    if (!object || !object->load({&moment, 1}) || !object->hooks().front().hook.empty()) return {};
    return why_missing(found->name, found->option, object->hooks().front().reason);
}

std::string why_missing(std::string_view kind, std::string_view option, std::string_view reason) {
    constexpr std::string_view at_load = "BPF program load failed: ";
    const std::string refused = reason.starts_with(at_load)
                                    ? fmt::format("loading one is refused: {}", reason.substr(at_load.size()))
                                    : fmt::format("one loads, and attaching it is refused: {}", reason);
    const KernelOptions options = read_kernel_options();
    if (options.source.empty())
        return fmt::format(
            "this kernel takes no {} ({}); whether it was built with {} cannot be told: neither "
            "/proc/config.gz "
            "nor /boot/config-* can be read",
            kind, refused, option);
    if (options.value(option) == 'n')
        return fmt::format("this kernel has no {}: it was built without {} ({})", kind, option,
                           options.source);
    if (kind == "lsm")
        if (const auto modules = read_securityfs("lsm");
            modules && ("," + std::string(trim(*modules)) + ",").find(",bpf,") == std::string::npos)
            return fmt::format(
                "this kernel takes no lsm programs ({}): bpf is not among its security modules ({}); the "
                "kernel "
                "parameter lsm= adds it at the next boot",
                refused, trim(*modules));
    const std::string locked = lockdown_state();
    return fmt::format(
        "this kernel takes no {} ({}); it was built with {} ({}){}, so the cause is another, which it does "
        "not tell",
        kind, refused, option, options.source,
        locked.empty() ? "" : fmt::format(" and is locked down ({})", locked));
}

std::vector<Capability> capabilities() {
    const Standing standing = read_standing();
    std::vector<Capability> out;
    for (const Wanted& capability : wanted)
        out.push_back({capability.name, capability.use, counts(standing, capability.number)});
    return out;
}

std::string missing_to_watch() { return obstacle_of(read_standing()).what; }

}  // namespace waggle::kernel
