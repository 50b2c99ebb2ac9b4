// SPDX-License-Identifier: GPL-2.0
// kind: attach_target_unknown
// applied: sentence
// what: no_such_kind
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#ifdef APPLIED
SEC("xdp")
#else
SEC("no_such_kind/thing")
#endif
int nothing(void* ctx) { return 0; }
