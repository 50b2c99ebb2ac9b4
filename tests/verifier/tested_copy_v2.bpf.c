// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// what: tests slot
// code: if (slot < 0 || slot > 9) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u64 table[10];
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} last SEC(".maps");
SEC("tracepoint/raw_syscalls/sys_exit")
int on_exit(unsigned long* ctx) {
    int slot = ctx[2];
    if (slot < 0 || slot > 9) return 0;
    __u32 me = bpf_get_current_pid_tgid();
    __u64* v = bpf_map_lookup_elem(&last, &me);
    if (v) *v = bpf_ktime_get_ns();
    /* fault */
    table[slot]++;
    return 0;
}
