// SPDX-License-Identifier: GPL-2.0
// kind: core_relocation
// applied: sentence
// what: has no value NR_NEVER_WAS
// remedy: bpf_core_enum_value_exists(enum zone_stat_item, NR_NEVER_WAS)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

enum zone_stat_item { NR_NEVER_WAS = 7 };
int value;
SEC("tp/sched/sched_process_exec")
int ask(void* ctx) {
#ifdef APPLIED
    if (bpf_core_enum_value_exists(enum zone_stat_item, NR_NEVER_WAS))
#endif
        /* fault */
        value = bpf_core_enum_value(enum zone_stat_item, NR_NEVER_WAS);
    return 0;
}
