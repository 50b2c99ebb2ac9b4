// SPDX-License-Identifier: GPL-2.0
// kind: attach_target_unknown
// what: no_such_kind
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("no_such_kind/thing")
int nothing(void* ctx) { return 0; }
