// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// since: 6.12
// code: if (length > sizeof(m)) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} out SEC(".maps");
struct msg {
    __u32 pid;
    char path[60];
};
SEC("tp/syscalls/sys_enter_openat")
int opened(struct {
    __u64 pad;
    long nr;
    long dfd;
    const char* name;
} * ctx) {
    struct msg m = {};
    m.pid = bpf_get_current_pid_tgid() >> 32;
    long len = bpf_probe_read_user_str(m.path, sizeof(m.path), ctx->name);
    /* fault */
    bpf_perf_event_output(ctx, &out, BPF_F_CURRENT_CPU, &m, offsetof(struct msg, path) + len);
    return 0;
}
