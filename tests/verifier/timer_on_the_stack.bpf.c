// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: sentence
// what: bpf_timer_init() gets a pointer into the stack as argument 1; it takes a pointer into a map's value
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct entry {
    struct bpf_timer timer;
    __u64 count;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, struct entry);
} entries SEC(".maps");

SEC("tc")
int arm(struct __sk_buff* skb) {
    __u32 key = skb->ifindex;
    struct entry entry = {};
#ifdef APPLIED
    bpf_map_update_elem(&entries, &key, &entry, BPF_NOEXIST);
    struct entry* kept = bpf_map_lookup_elem(&entries, &key);
    if (kept) bpf_timer_init(&kept->timer, &entries, 1);
#else
    /* fault */
    bpf_timer_init(&entry.timer, &entries, 1);
#endif
    return 0;
}
