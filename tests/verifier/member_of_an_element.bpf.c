// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// code: if (last >= 32) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct rule {
    __u32 address;
    __u16 port, action;
};
struct rules {
    __u32 count;
    struct rule all[32];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct rules);
} tables SEC(".maps");

SEC("tc")
int decide(struct __sk_buff* skb) {
    struct rules* table = bpf_map_lookup_elem(&tables, &(__u32){0});
    if (!table) return 0;
    __u32 last = table->count - 1;
    /* fault */
    return table->all[last].action;
}
