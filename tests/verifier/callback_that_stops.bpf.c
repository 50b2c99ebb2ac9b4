// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// applied: code
// what: The callback returns the number 7; it can return only 0 to 1
// remedy: Return 0 to go on with the next round or 1 to stop
// code: return 1;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

static long visit(void* map, __u32* key, __u64* value, __u64* sum) {
    *sum += *value;
    if (*sum > 1000) {
        /* fault */
        return 7;
    }
    return 0;
}

SEC("tc")
int total(struct __sk_buff* skb) {
    __u64 sum = 0;
    bpf_for_each_map_elem(&seen, visit, &sum, 0);
    return sum > 1000;
}
