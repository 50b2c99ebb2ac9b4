// SPDX-License-Identifier: GPL-2.0
// kind: wrong_helper
// applied: sentence
// remedy: tc program
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#ifdef APPLIED
SEC("tc")
#else
SEC("socket")
#endif
int rewrite(struct __sk_buff* skb) {
    __u8 zero = 0;
    /* fault */
    bpf_skb_store_bytes(skb, 0, &zero, 1, 0);
    return 0;
}
