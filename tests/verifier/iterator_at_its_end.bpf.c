// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// applied: code
// since: 6.4
// what: null where the iterator has nothing more to give
// code: if (!round) { bpf_iter_num_destroy(&turns); return 0; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct bpf_iter_num {
    __u64 opaque[1];
} __attribute__((aligned(8)));
extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) __ksym;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) __ksym;

long sum;
SEC("tp/syscalls/sys_enter_openat")
int peek(void* ctx) {
    struct bpf_iter_num turns;
    bpf_iter_num_new(&turns, 3, 9);
    int* round = bpf_iter_num_next(&turns);
    /* fault */
    sum += *round;
    bpf_iter_num_destroy(&turns);
    return 0;
}
