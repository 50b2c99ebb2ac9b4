// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// since: 6.12
// applied: code
// what: reads it from memory once more
// code: if (copy >= 16) return 0; table->counts[copy]++;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct cursor {
    volatile __u64 at;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct cursor);
} cursors SEC(".maps");
struct table {
    __u64 counts[16];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct table);
} tables SEC(".maps");

SEC("tc")
int count(struct __sk_buff* skb) {
    struct cursor* cursor = bpf_map_lookup_elem(&cursors, &(__u32){0});
    struct table* table = bpf_map_lookup_elem(&tables, &(__u32){0});
    if (!cursor || !table) return 0;
    if (cursor->at >= 16) return 0;
    /* fault */
    table->counts[cursor->at]++;
    return 0;
}
