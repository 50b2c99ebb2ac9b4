// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// what: block (R
// what: 64 bytes
// code: if (index >= 64) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct block {
    __u8 bytes[64];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct block);
} blocks SEC(".maps");

SEC("raw_tp/sched_switch")
int beyond(void* ctx) {
    __u32 key = 0;
    struct block* block = bpf_map_lookup_elem(&blocks, &key);
    if (!block) return 0;
    __u32 index = bpf_get_prandom_u32() & 255;
    /* fault */
    return block->bytes[index];
}
// applied: code
