// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// code: got < 0 || got > sizeof(line)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} out SEC(".maps");
char line[128];
SEC("tp/syscalls/sys_enter_openat")
int send(unsigned long* ctx) {
    long got = bpf_probe_read_user_str(line, sizeof(line), (void*)ctx[3]);
    /* fault */
    bpf_ringbuf_output(&out, line, got, 0);
    return 0;
}
