// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// what: The program returns the number 5; this program type allows only 0 to 1
// code: return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup_skb/ingress")
int decide(struct __sk_buff* skb) {
    /* fault within 1 */
    return 5;
}
// applied: code
