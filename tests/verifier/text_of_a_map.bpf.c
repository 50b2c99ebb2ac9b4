// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: sentence
// since: 6.12
// what: lies in a value of wanted, which can change
// remedy: byte by byte
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, char[16]);
} wanted SEC(".maps");

SEC("raw_tp/sched_process_exec")
int look(void* ctx) {
    char name[16];
    char* text = bpf_map_lookup_elem(&wanted, &(__u32){0});
    if (!text) return 0;
    bpf_get_current_comm(name, sizeof(name));
#ifdef APPLIED
    for (int i = 0; i < 16; i++)
        if (name[i] != text[i]) return 0;
    return 1;
#else
    /* fault */
    return bpf_strncmp(name, sizeof(name), text) == 0;
#endif
}
