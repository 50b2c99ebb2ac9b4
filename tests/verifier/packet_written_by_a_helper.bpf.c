// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: sentence
// what: bpf_probe_read_kernel() gets memory of the packet as argument 1, and cannot write there
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int stamp(struct xdp_md* ctx) {
    void *data = (void*)(long)ctx->data, *data_end = (void*)(long)ctx->data_end;
    if (data + 8 > data_end) return XDP_PASS;
#ifdef APPLIED
    __u64 value = 0;
    bpf_probe_read_kernel(&value, sizeof(value), (void*)1);
    *(__u64*)data = value;
#else
    /* fault */
    bpf_probe_read_kernel(data, 8, (void*)1);
#endif
    return XDP_PASS;
}
