// SPDX-License-Identifier: GPL-2.0
// kind: owned_by_collection
// applied: sentence
// since: 6.12
// what: bpf_list_push_back() in line
// remedy: Leave bpf_obj_drop() out
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define private(name) SEC(".bss." #name) __attribute__((aligned(8)))
#define __contains(type, member) __attribute__((btf_decl_tag("contains:" #type ":" #member)))

#define bpf_obj_drop(object) bpf_obj_drop_impl(object, 0)
#define bpf_list_push_back(head, node) bpf_list_push_back_impl(head, node, 0, 0)
struct bpf_list_head {
    __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
    __u64 opaque[3];
} __attribute__((aligned(8)));
extern void* bpf_obj_new_impl(__u64 type, void* meta) __ksym;
extern void bpf_obj_drop_impl(void* object, void* meta) __ksym;

extern int bpf_list_push_back_impl(struct bpf_list_head* head, struct bpf_list_node* node, void* meta,
                                   __u64 off) __ksym;

struct item {
    __u64 at;
    struct bpf_list_node node;
};
private(queue) struct bpf_spin_lock lock;
private(queue) struct bpf_list_head items __contains(item, node);

SEC("tc")
int enqueue(struct __sk_buff* skb) {
    struct item* it = bpf_obj_new_impl(__builtin_btf_type_id(*it, 0), 0);
    if (!it) return 0;
    it->at = bpf_ktime_get_ns();
    bpf_spin_lock(&lock);
    bpf_list_push_back(&items, &it->node);
    bpf_spin_unlock(&lock);
#ifndef APPLIED
    /* fault */
    bpf_obj_drop(it);
#endif
    return 0;
}
