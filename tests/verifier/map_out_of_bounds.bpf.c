// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// applied: sentence
// what: reads 1 bytes at offset 64 of a map's value, which has 64 bytes
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
    volatile __u8* bytes = block->bytes;
#ifdef APPLIED
    return bytes[63];
#else
    /* fault */
    return bytes[64];
#endif
}
