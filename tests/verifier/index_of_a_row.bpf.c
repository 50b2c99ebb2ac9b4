// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset map_out_of_bounds
// applied: code
// code: if (column >= sizeof(grid[row]) / sizeof(grid[row][0])) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u64 grid[8][16];
SEC("tc")
int count(struct __sk_buff* skb) {
    __u32 row = skb->priority, column = skb->queue_mapping;
    if (row >= 8) return 0;
    /* fault */
    grid[row][column]++;
    return 0;
}
