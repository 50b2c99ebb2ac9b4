// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// since: 6.12
// code: if (t->used >= 8) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} ages SEC(".maps");
struct tally {
    __u32 used;
    __u32 first[8];
};
static long gather(void* map, __u32* key, __u32* age, struct tally* t) {
    /* fault */
    t->first[t->used++] = *key;
    return 0;
}
__u32 head;
SEC("tp/sched/sched_process_exec")
int walk(void* ctx) {
    struct tally t = {};
    bpf_for_each_map_elem(&ages, gather, &t, 0);
    head = t.first[0];
    return 0;
}
