// SPDX-License-Identifier: GPL-2.0
// kind: iterator_not_destroyed
// applied: code
// since: 6.4
// code: bpf_iter_num_destroy(&it); return 0;
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

__u32 hits[64];
int first;
SEC("tp/syscalls/sys_enter_openat")
int scan(void* ctx) {
    struct bpf_iter_num it;
    int* i;
    /* fault */
    bpf_iter_num_new(&it, 0, 64);
    while ((i = bpf_iter_num_next(&it))) {
        int at = *i;
        if (at < 0 || at >= 64) continue;
        if (hits[at]) {
            first = at;
            return 0;
        }
    }
    bpf_iter_num_destroy(&it);
    return 0;
}
