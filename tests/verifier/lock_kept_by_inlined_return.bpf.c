// SPDX-License-Identifier: GPL-2.0
// kind: leaked_lock
// applied: code
// code: { bpf_spin_unlock(&account->lock); return 1; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct account {
    struct bpf_spin_lock lock;
    __u64 bytes;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, struct account);
} accounts SEC(".maps");

static __always_inline int add(struct account* account, __u32 bytes) {
    /* fault */
    bpf_spin_lock(&account->lock);
    if (account->bytes > 100000) return 1;
    account->bytes += bytes;
    bpf_spin_unlock(&account->lock);
    return 0;
}

SEC("tc")
int count(struct __sk_buff* skb) {
    __u32 key = skb->ifindex;
    struct account* account = bpf_map_lookup_elem(&accounts, &key);
    if (!account) return 0;
    return add(account, skb->len) ? 2 : 0;
}
