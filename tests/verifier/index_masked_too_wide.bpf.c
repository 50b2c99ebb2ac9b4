// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// applied: code
// what: (skb->hash & 127) moves it
// code: __u64 copy = skb->hash & 127; if (copy >= 100) return 0; table->counts[copy]++;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct table {
    __u32 counts[100];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct table);
} tables SEC(".maps");

SEC("tc")
int count(struct __sk_buff* skb) {
    struct table* table = bpf_map_lookup_elem(&tables, &(__u32){0});
    if (!table) return 0;
    /* fault */
    table->counts[skb->hash & 127]++;
    return 0;
}
