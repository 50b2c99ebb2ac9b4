// SPDX-License-Identifier: GPL-2.0
// kind: tail_call_limit
// applied: sentence
// what: 256 are allowed then
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} programs SEC(".maps");

static __attribute__((noinline)) int jump(struct __sk_buff* skb) {
    bpf_tail_call(skb, &programs, 0);
    return bpf_get_prandom_u32();
}

SEC("tc")
int outer(struct __sk_buff* skb) {
#ifdef APPLIED
    char buffer[160];
#else
    char buffer[320];
#endif
    bpf_skb_load_bytes(skb, 0, buffer, sizeof(buffer));
    return jump(skb) + buffer[3];
}
