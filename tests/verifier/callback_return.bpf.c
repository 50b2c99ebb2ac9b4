// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// applied: sentence
// what: The callback returns the number -1; it can return only 0 to 1
// remedy: Return 0 to go on with the next round or 1 to stop
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static long add(__u32 round, int* sum) {
    *sum += round;
#ifdef APPLIED
    return *sum > 50 ? 1 : 0;
#else
    return *sum > 50 ? -1 : 0;
#endif
}

SEC("tc")
int count(struct __sk_buff* skb) {
    int sum = 0;
    bpf_loop(100, add, &sum, 0);
    return sum > 50;
}
