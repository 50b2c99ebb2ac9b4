// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// what: index moves block
// code: if (index >= 64) return 0;
// because: bpf_get_prandom_u32()
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
    __u32 index = bpf_get_prandom_u32();
    /* fault */
    return block->bytes[index];
}
// applied: code
