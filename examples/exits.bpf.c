// SPDX-License-Identifier: GPL-2.0
/* Counts the processes that end, and sends each n-th one. Needs no vmlinux.h. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct exit_event {
    __u32 pid;
    __u32 cpu;
    char comm[16];
};

__u64 exits = 0;
__u64 lost = 0;

/* 0 -> send each n-th exit */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} settings SEC(".maps");

/* CPU -> exits there */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, __u64);
} by_cpu SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 18);
} events SEC(".maps");

static __always_inline int count_exit(void) {
    __u32 zero = 0, cpu = bpf_get_smp_processor_id();
    __u64 one = 1, thread = bpf_get_current_pid_tgid();
    if ((__u32)thread != thread >> 32) return 0; /* a thread of a process that goes on */
    __u64 number = __sync_fetch_and_add(&exits, 1);
    __u64* here = bpf_map_lookup_elem(&by_cpu, &cpu);
    if (here)
        __sync_fetch_and_add(here, 1);
    else
        bpf_map_update_elem(&by_cpu, &cpu, &one, BPF_NOEXIST);
    __u64* every = bpf_map_lookup_elem(&settings, &zero);
    if (!every || *every == 0 || number % *every != 0) return 0;
    struct exit_event* event = bpf_ringbuf_reserve(&events, sizeof *event, 0);
    if (!event) {
        __sync_fetch_and_add(&lost, 1);
        return 0;
    }
    event->pid = thread >> 32;
    event->cpu = cpu;
    bpf_get_current_comm(event->comm, sizeof event->comm);
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* Two ways to the same moment: the function, where the kernel has kprobes, and the tracepoint, which all
 * have. */
SEC("kprobe/do_exit")
int on_do_exit(void* ctx) { return count_exit(); }

SEC("raw_tp/sched_process_exit")
int on_process_exit(void* ctx) { return count_exit(); }
