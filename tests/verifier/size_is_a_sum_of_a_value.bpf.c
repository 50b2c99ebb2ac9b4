// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// since: 6.12
// code: __u64 length = sizeof(struct header) + n; if (length > 56) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 16384);
} out SEC(".maps");
struct header {
    __u32 kind, length;
};
struct record {
    struct header head;
    char text[48];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct record);
} room SEC(".maps");

SEC("tp/syscalls/sys_enter_chdir")
int moved(struct {
    __u64 pad;
    long nr;
    const char* path;
} * ctx) {
    __u32 zero = 0;
    struct record* r = bpf_map_lookup_elem(&room, &zero);
    if (!r) return 0;
    int n = bpf_probe_read_user_str(r->text, sizeof(r->text), ctx->path);
    r->head.length = n;
    /* fault */
    bpf_ringbuf_output(&out, r, sizeof(struct header) + n, 0);
    return 0;
}
