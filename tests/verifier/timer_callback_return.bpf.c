// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// applied: code
// since: 6.12
// what: it can return only 0
// code: return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct entry {
    __u64 ticks;
    struct bpf_timer timer;
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct entry);
} entries SEC(".maps");

static int tick(void* map, __u32* key, struct entry* entry) {
    __u64 ticks = ++entry->ticks;
    /* fault */
    return ticks < 10;
}

SEC("tc")
int arm(struct __sk_buff* skb) {
    struct entry* entry = bpf_map_lookup_elem(&entries, &(__u32){0});
    if (!entry) return 0;
    bpf_timer_init(&entry->timer, &entries, 1);
    bpf_timer_set_callback(&entry->timer, tick);
    return 0;
}
