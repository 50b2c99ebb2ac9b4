// SPDX-License-Identifier: GPL-2.0
// kind: scalar_dereference
// applied: code
// code: bpf_probe_read_kernel(&value, sizeof(value), &(device->ifindex))
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct net_device {
    int ifindex;
} __attribute__((preserve_access_index));

SEC("raw_tp/net_dev_xmit")
int sent(struct bpf_raw_tracepoint_args* ctx) {
    struct net_device* device = (struct net_device*)ctx->args[2];
    /* fault */
    bpf_printk("through %d, %d", device->ifindex, (int)ctx->args[1]);
    return 0;
}
