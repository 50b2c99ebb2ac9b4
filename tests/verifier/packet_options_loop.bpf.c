// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// applied: code
// what: Each round of the loop moves option
// code: for (int round = 0; round < 64 && (option + 2 <= end); round++) {
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u32 found;

SEC("xdp")
int options(struct xdp_md* ctx) {
    __u8 *begin = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
    __u8* option = begin + 54;
    while (option + 2 <= end) {
        /* fault */
        if (option[0] == 0) break;
        if (option[0] == 8) found++;
        option += option[1];
    }
    return XDP_PASS;
}
