// SPDX-License-Identifier: GPL-2.0
// since: 6.12
// kind: lock_held_across_call
// applied: code
// remedy: Make weigh() static
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct meter {
    __u64 total;
    struct bpf_spin_lock guard;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, struct meter);
} meters SEC(".maps");
__attribute__((noinline)) __u64 weigh(__u64 bytes) { return bytes * 8 / 5; }
SEC("xdp")
int account(struct xdp_md* ctx) {
    __u32 q = ctx->rx_queue_index;
    struct meter* m = bpf_map_lookup_elem(&meters, &q);
    if (!m) return XDP_PASS;
    bpf_spin_lock(&m->guard);
    /* fault */
    m->total += weigh(ctx->data_end - ctx->data);
    bpf_spin_unlock(&m->guard);
    return XDP_PASS;
}
