// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// remedy: the program's context, rec
// code: bpf_perf_event_output(rec,
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} events SEC(".maps");
SEC("tp/sched/sched_switch")
int note(unsigned long* rec) {
    __u64 now = bpf_ktime_get_ns();
    void* first = (void*)rec[1];
    /* fault */
    bpf_perf_event_output(first, &events, BPF_F_CURRENT_CPU, &now, sizeof(now));
    return 0;
}
