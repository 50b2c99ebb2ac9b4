// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// applied: code
// code: if ((void *)begin + 24 > stop)
// remedy: stop
// what: takes one packet pointer from the other
/* clang-format off */
#include <linux/bpf.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int guard(struct xdp_md* md) {
    void* begin = (void*)(long)md->data;
    void* stop = (void*)(long)md->data_end;
    if (stop - begin < 34) return XDP_DROP;
    struct iphdr* ip = begin + 14;
    /* fault */
    return ip->protocol == 17 ? XDP_PASS : XDP_DROP;
}
