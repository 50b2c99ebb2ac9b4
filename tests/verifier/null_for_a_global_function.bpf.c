// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// applied: code
// since: 6.12
// what: budget (R2) can be null: bpf_map_lookup_elem() in line
// code: if (!budget) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct budget {
    __u64 bytes;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, struct budget);
} budgets SEC(".maps");

__attribute__((noinline)) int spend(__u32 length,
                                    struct budget* budget __attribute__((btf_decl_tag("arg:nonnull")))) {
    if (budget->bytes < length) return 1;
    budget->bytes -= length;
    return 0;
}

SEC("tc")
int limit(struct __sk_buff* skb) {
    __u32 key = skb->ifindex;
    struct budget* budget = bpf_map_lookup_elem(&budgets, &key);
    /* fault */
    return spend(skb->len, budget) ? 2 : 0;
}
