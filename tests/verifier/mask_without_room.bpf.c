// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// applied: code
// code: pos > 916
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct page {
    __u64 used;
    char text[1016];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct page);
} pages SEC(".maps");
SEC("tp/syscalls/sys_enter_openat")
int remember(unsigned long* ctx) {
    __u32 first = 0;
    struct page* p = bpf_map_lookup_elem(&pages, &first);
    if (!p) return 0;
    __u64 pos = p->used & 1023;
    /* fault */
    bpf_probe_read_user(p->text + pos, 100, (void*)ctx[3]);
    p->used = pos + 100;
    return 0;
}
