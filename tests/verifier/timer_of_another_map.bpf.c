// SPDX-License-Identifier: GPL-2.0
// kind: invalid_map
// applied: code
// since: 6.12
// what: the timer must lie in a value of the map that is given
// code: bpf_timer_init(&session->idle, &sessions, 1);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct session {
    struct bpf_timer idle;
    __u64 packets;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, struct session);
} sessions SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} users SEC(".maps");

SEC("tc")
int begin(struct __sk_buff* skb) {
    __u32 mark = skb->mark;
    struct session* session = bpf_map_lookup_elem(&sessions, &mark);
    if (!session) return 0;
    /* fault */
    bpf_timer_init(&session->idle, &users, 1);
    return 0;
}
