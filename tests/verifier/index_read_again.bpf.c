// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// what: reads it from memory once more
// code: copy = next;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

volatile __u32 next;
__u64 ring[16];

SEC("tc")
int keep(struct __sk_buff* skb) {
    /* fault within 2 */
    if (next < 16) ring[next] = skb->len;
    return 0;
}
