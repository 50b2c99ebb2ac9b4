// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// code: bpf_get_local_storage(&here, 0)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
    __type(key, struct bpf_cgroup_storage_key);
    __type(value, __u64);
} here SEC(".maps");

SEC("cgroup_skb/egress")
int add(struct __sk_buff* skb) {
    /* fault */
    __u64* n = bpf_get_local_storage(&here, 1);
    *n += skb->len;
    return 1;
}
