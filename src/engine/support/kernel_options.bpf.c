// SPDX-License-Identifier: GPL-2.0
/* Asks libbpf for the kernel's build options; the program itself is never loaded. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define OPTION(name) extern enum libbpf_tristate name __kconfig __weak;
#define OPTIONS(each)                                                                                       \
    each(CONFIG_DEBUG_INFO_BTF) each(CONFIG_BPF_EVENTS) each(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)       \
        each(CONFIG_KPROBES) each(CONFIG_KRETPROBES) each(CONFIG_FPROBE) each(CONFIG_UPROBES)               \
            each(CONFIG_BPF_SYSCALL) each(CONFIG_BPF_LSM) each(CONFIG_PERF_EVENTS) each(CONFIG_NET_CLS_BPF) \
                each(CONFIG_CGROUP_BPF)
OPTIONS(OPTION)

#define ADD(name) sum += name;
SEC("raw_tp/sys_enter") int read_options(void* ctx) {
    int sum = 0;
    OPTIONS(ADD)
    return sum;
}
