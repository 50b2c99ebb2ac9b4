// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// applied: code
// since: 6.12
// what: off moves it
// code: if (off > 448) break;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct line {
    char text[512];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct line);
} lines SEC(".maps");

SEC("tp/syscalls/sys_enter_execve")
int join(struct {
    __u64 pad;
    long nr;
    const char* file;
    const char* const* argv;
} * ctx) {
    int zero = 0;
    struct line* l = bpf_map_lookup_elem(&lines, &zero);
    if (!l) return 0;
    __u64 off = 0;
    const char* word;
    for (int i = 0; i < 12; i++) {
        if (bpf_probe_read_user(&word, sizeof(word), &ctx->argv[i]) || !word) break;
        /* fault */
        long n = bpf_probe_read_user_str(l->text + off, 64, word);
        if (n <= 0) break;
        off += n;
    }
    return 0;
}
