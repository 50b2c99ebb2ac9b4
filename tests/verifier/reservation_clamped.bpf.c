// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// since: 6.12
// code: bpf_ringbuf_reserve(&events, 512, 0)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

SEC("cgroup_skb/egress")
int copy(struct __sk_buff* skb) {
    __u32 len = skb->len;
    if (len > 512) len = 512;
    if (len < 1) return 1;
    /* fault */
    void* room = bpf_ringbuf_reserve(&events, len, 0);
    if (!room) return 1;
    bpf_skb_load_bytes(skb, 0, room, len);
    bpf_ringbuf_submit(room, 0);
    return 1;
}
