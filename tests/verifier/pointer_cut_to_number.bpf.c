// SPDX-License-Identifier: GPL-2.0
// kind: pointer_arithmetic
// applied: sentence
// remedy: read what it points to
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} table SEC(".maps");
SEC("raw_tp/sys_enter")
int hash(void* ctx) {
    __u32 key = 1;
    __u64* v = bpf_map_lookup_elem(&table, &key);
    if (!v) return 0;
#ifdef APPLIED
    __u32 short_form = *v;
#else
    __u32 short_form = (__u32)(unsigned long)v;
#endif
    /* fault */
    return short_form % 7 == 0;
}
