// SPDX-License-Identifier: Apache-2.0
// What this kernel can do, found out by doing it: each kind of hook is loaded and attached for a moment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle::kernel {

struct HookKind {
    std::string_view name;     // "kprobe"
    std::string_view meaning;  // what it watches, in words
    std::string_view option;   // the kernel's build option that gives it
    bool works = false;
    std::string reason;  // why it does not work, in the kernel's or libbpf's words
};

// Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; without them the error says so. Nothing stays in the kernel.
Result<std::vector<HookKind>> probe_hook_kinds();

// "this kernel has no kprobe: it was built without CONFIG_KPROBES (/proc/config.gz)" when a kind does not
// work here, found out as above, with the cause where that can be looked up; empty when it works or is not
// among the kinds. Also takes "uretprobe", "usdt", "kretprobe.multi" and "perf".
std::string kernel_lacks(std::string_view kind);

// Why the kernel refused `kind`, which build option `option` gives, with `reason`: what its configuration,
// its security modules and its lockdown show; where they do not show it, that.
std::string why_missing(std::string_view kind, std::string_view option, std::string_view reason);

// The capabilities waggle asks for, and whether this process has each.
struct Capability {
    std::string_view name;  // "CAP_BPF"
    std::string_view use;   // what waggle needs it for
    bool held = false;      // and it counts: some do not in a user namespace
};
std::vector<Capability> capabilities();
// "CAP_BPF and CAP_PERFMON are missing" or empty: what keeps sensors from starting, and why where that can be looked up
// (privilege.h).
std::string missing_to_watch();

}  // namespace waggle::kernel
