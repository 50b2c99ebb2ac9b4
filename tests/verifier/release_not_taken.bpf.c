// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: sentence
// what: bpf_ringbuf_submit() gets a pointer into a map's value as argument 1
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

SEC("raw_tp/sched_switch")
int submit(void* ctx) {
    __u32 key = 0;
#ifdef APPLIED
    __u64* value = bpf_ringbuf_reserve(&ring, sizeof(*value), 0);
#else
    __u64* value = bpf_map_lookup_elem(&counts, &key);
#endif
    if (!value) return 0;
    /* fault */
    bpf_ringbuf_submit(value, 0);
    return 0;
}
