// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// applied: code
// code: return 1;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup_skb/egress")
int count(struct __sk_buff* skb) {
    /* fault within 2 */
    return skb->len;
}
