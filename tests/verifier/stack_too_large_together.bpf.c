// SPDX-License-Identifier: GPL-2.0
// kind: stack_too_large
// applied: sentence
// what: bytes of stack together; a program and all it calls have 512
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct scratch {
    char bytes[320];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct scratch);
} scratch SEC(".maps");

static __attribute__((noinline)) int inner(struct __sk_buff* skb) {
#ifdef APPLIED
    struct scratch* own = bpf_map_lookup_elem(&scratch, &(__u32){0});
    if (!own) return 0;
    bpf_skb_load_bytes(skb, 320, own->bytes, sizeof(own->bytes));
    return own->bytes[7];
#else
    char buffer[320];
    bpf_skb_load_bytes(skb, 320, buffer, sizeof(buffer));
    return buffer[7];
#endif
}

SEC("tc")
int outer(struct __sk_buff* skb) {
    char buffer[320];
    bpf_skb_load_bytes(skb, 0, buffer, sizeof(buffer));
    return inner(skb) + buffer[3];
}
