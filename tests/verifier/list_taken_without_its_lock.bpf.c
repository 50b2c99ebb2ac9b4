// SPDX-License-Identifier: GPL-2.0
// kind: missing_lock
// applied: code
// since: 6.12
// what: bpf_list_head is used without the lock &guard
// code: bpf_spin_lock(&guard); node = bpf_list_pop_back(&jobs); bpf_spin_unlock(&guard);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define private(name) SEC(".bss." #name) __attribute__((aligned(8)))
#define __contains(type, member) __attribute__((btf_decl_tag("contains:" #type ":" #member)))

struct bpf_list_head {
    __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
    __u64 opaque[3];
} __attribute__((aligned(8)));
extern void* bpf_obj_new_impl(__u64 type, void* meta) __ksym;
extern void bpf_obj_drop_impl(void* object, void* meta) __ksym;

extern struct bpf_list_node* bpf_list_pop_back(struct bpf_list_head* head) __ksym;

struct job {
    struct bpf_list_node node;
    __u32 number;
};
private(work) struct bpf_list_head jobs __contains(job, node);
private(work) struct bpf_spin_lock guard;

SEC("tc")
int take(struct __sk_buff* skb) {
    struct bpf_list_node* node;
    struct job* unused = bpf_obj_new_impl(__builtin_btf_type_id(*unused, 0), 0);
    if (unused) bpf_obj_drop_impl(unused, 0);
    /* fault */
    node = bpf_list_pop_back(&jobs);
    if (!node) return 0;
    skb->mark = ((struct job*)node)->number;
    bpf_obj_drop_impl(node, 0);
    return 0;
}
