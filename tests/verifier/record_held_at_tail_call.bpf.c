// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// code: { bpf_ringbuf_submit(e, 0); bpf_tail_call(ctx, &parsers, 1); return XDP_PASS; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct event {
    __u32 length;
};
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u32);
} parsers SEC(".maps");

SEC("xdp")
int begin(struct xdp_md* ctx) {
    /* fault */
    struct event* e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
    if (!e) return XDP_PASS;
    e->length = ctx->rx_queue_index;
    bpf_tail_call(ctx, &parsers, 1);
    bpf_ringbuf_submit(e, 0);
    return XDP_PASS;
}
