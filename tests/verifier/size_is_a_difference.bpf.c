// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// since: 6.12
// applied: sentence
// what: gets the size sizeof(r->text) - used; the verifier knows the bounds of both numbers at most
// remedy: Give a constant size
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct record {
    __u32 used;
    char text[256];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct record);
} records SEC(".maps");

SEC("raw_tp/sched_process_exec")
int append(struct bpf_raw_tracepoint_args* ctx) {
    struct record* r = bpf_map_lookup_elem(&records, &(__u32){0});
    if (!r) return 0;
    __u32 used = r->used;
#ifdef APPLIED
    if (used > sizeof(r->text) - 64) return 0;
    r->used += bpf_probe_read_kernel_str(r->text + used, 64, (void*)ctx->args[2]);
#else
    /* fault */
    r->used += bpf_probe_read_kernel_str(r->text + used, sizeof(r->text) - used, (void*)ctx->args[2]);
#endif
    return 0;
}
