// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// since: 6.4
// code: if (*i < 0 || *i >= 16) { bpf_iter_num_destroy(&it); return 0; }
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

const volatile int how_many = 16;
struct book {
    __u64 page[16];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct book);
} books SEC(".maps");
int limit;
SEC("tp/syscalls/sys_enter_openat")
int turn(void* ctx) {
    __u32 zero = 0;
    struct bpf_iter_num it;
    int* i;
    struct book* book = bpf_map_lookup_elem(&books, &zero);
    if (!book) return 0;
    bpf_iter_num_new(&it, 0, limit);
    while ((i = bpf_iter_num_next(&it))) {
        /* fault */
        book->page[*i]++;
    }
    bpf_iter_num_destroy(&it);
    return 0;
}
