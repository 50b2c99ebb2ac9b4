// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// code: static const char format[] = "pid %d";
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

char text[32];

SEC("raw_tp/sched_process_fork")
int describe(void* ctx) {
    char format[] = "pid %d";
    __u64 values[1] = {bpf_get_current_pid_tgid() >> 32};
    /* fault */
    bpf_snprintf(text, sizeof(text), format, values, sizeof(values));
    return 0;
}
