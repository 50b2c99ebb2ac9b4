// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// code: asm volatile("" : "+r"(slot)); if (slot >= 26) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct spread {
    __u32 slots[26];
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
    __uint(max_entries, 128);
    __type(key, __u64);
    __type(value, struct spread);
} spreads SEC(".maps");
__u64 started;
SEC("tp/block/block_rq_complete")
int done(void* ctx) {
    __u64 key = bpf_get_current_pid_tgid();
    struct spread* s = bpf_map_lookup_elem(&spreads, &key);
    if (!s) return 0;
    __u64 slot = (bpf_ktime_get_ns() - started) / 1000000;
    /* fault */
    __sync_fetch_and_add(&s->slots[slot], 1);
    return 0;
}
