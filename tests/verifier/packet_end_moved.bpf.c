// SPDX-License-Identifier: GPL-2.0
// kind: pointer_arithmetic
// applied: code
// code: pos + 14 > limit
/* clang-format off */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int cut(struct __sk_buff* buff) {
    void *pos = (void*)(long)buff->data, *limit = (void*)(long)buff->data_end;
    struct ethhdr* eth = pos;
    /* fault */
    if (pos > limit - sizeof(*eth)) return TC_ACT_OK;
    return eth->h_proto ? TC_ACT_OK : TC_ACT_SHOT;
}
