// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// since: 6.12
// code: if (length > 128) return 0; bpf_ringbuf_output(&out, text, length, 0);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct text {
    char bytes[128];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct text);
} texts SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} out SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_chdir")
int enter(unsigned long* ctx) {
    struct text* text = bpf_map_lookup_elem(&texts, &(__u32){0});
    if (!text) return 0;
    int n = bpf_probe_read_user_str(text->bytes, sizeof(text->bytes), (void*)ctx[2]);
    /* fault */
    bpf_ringbuf_output(&out, text, n, 0);
    return 0;
}
