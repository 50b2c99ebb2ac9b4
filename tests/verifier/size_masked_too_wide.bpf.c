// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// applied: code
// what: bpf_probe_read_user() writes up to 127 bytes at offset 4 of a map's value
// remedy: the memory has
// code: if (length > 100) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct event {
    __u32 size;
    char data[100];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct event);
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_write")
int enter(unsigned long* ctx) {
    struct event* e = bpf_map_lookup_elem(&events, &(__u32){0});
    if (!e) return 0;
    __u32 size = ctx[4] & 127;
    /* fault */
    bpf_probe_read_user(e->data, size, (void*)ctx[3]);
    return 0;
}
