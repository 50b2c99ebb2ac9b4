// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// since: 6.12
// what: of a size that its declaration does not tell
// code: static
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__attribute__((noinline)) int add_up(void* bytes, int n) {
    unsigned char* b = bytes;
    return b ? b[0] + n : n;
}
SEC("tp/sched/sched_switch")
int on(void* ctx) {
    char text[8] = "abcdefg";
    /* fault */
    return add_up(text, bpf_get_smp_processor_id()) > 300;
}
