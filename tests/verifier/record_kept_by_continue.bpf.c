// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// code: { bpf_ringbuf_discard(e, 0); continue; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct event {
    __u32 number;
};
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

SEC("tc")
int send(struct __sk_buff* skb) {
    for (__u32 i = 0; i < 3; i++) {
        /* fault */
        struct event* e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
        if (!e) break;
        if (skb->mark == i) continue;
        e->number = i;
        bpf_ringbuf_submit(e, 0);
    }
    return 0;
}
