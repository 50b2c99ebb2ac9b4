// SPDX-License-Identifier: GPL-2.0
// kind: leaked_lock
// applied: code
// code: { bpf_spin_unlock(&limit->lock); goto out; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct limit {
    struct bpf_spin_lock lock;
    __u64 used;
    __u64 most;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, struct limit);
} limits SEC(".maps");

SEC("tc")
int check(struct __sk_buff* skb) {
    int verdict = 0;
    __u32 key = skb->ifindex;
    struct limit* limit = bpf_map_lookup_elem(&limits, &key);
    if (!limit) goto out;
    /* fault */
    bpf_spin_lock(&limit->lock);
    if (limit->used > limit->most) {
        verdict = 2;
        goto out;
    }
    limit->used += skb->len;
    bpf_spin_unlock(&limit->lock);
out:
    return verdict;
}
