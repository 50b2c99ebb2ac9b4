// SPDX-License-Identifier: GPL-2.0
// kind: invalid_map
// applied: sentence
// what: bpf_ringbuf_output() does not work with the map counts: it does not take maps of type hash
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
#ifdef APPLIED
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
#else
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
#endif
} counts SEC(".maps");

SEC("raw_tp/sched_switch")
int output(void* ctx) {
    __u64 value = 1;
    /* fault */
    return bpf_ringbuf_output(&counts, &value, sizeof(value), 0) != 0;
}
