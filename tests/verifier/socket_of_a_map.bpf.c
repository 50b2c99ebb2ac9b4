// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// code: bpf_sk_release(sk);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} listeners SEC(".maps");

SEC("sk_lookup")
int steer(struct bpf_sk_lookup* ctx) {
    const __u32 which = 1;
    if (ctx->local_port != 7) return SK_PASS;
    /* fault */
    struct bpf_sock* sk = bpf_map_lookup_elem(&listeners, &which);
    if (!sk) return SK_DROP;
    long refused = bpf_sk_assign(ctx, sk, 0);
    return refused ? SK_DROP : SK_PASS;
}
