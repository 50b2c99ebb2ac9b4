// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: sentence
// since: 6.12
// what: What bpf_list_pop_front() in line
// remedy: Give it back with bpf_obj_drop()
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
extern struct bpf_list_node* bpf_list_pop_front(struct bpf_list_head* head) __ksym;

struct job {
    __u32 number;
    struct bpf_list_node node;
};
private(work) struct bpf_spin_lock lock;
private(work) struct bpf_list_head jobs __contains(job, node);

SEC("tc")
int take(struct __sk_buff* skb) {
    struct job* unused = bpf_obj_new_impl(__builtin_btf_type_id(*unused, 0), 0);
    if (unused) bpf_obj_drop_impl(unused, 0);
    bpf_spin_lock(&lock);
    /* fault */
    struct bpf_list_node* node = bpf_list_pop_front(&jobs);
    bpf_spin_unlock(&lock);
    if (!node) return 0;
    struct job* job = (void*)node - __builtin_offsetof(struct job, node);
    skb->mark = job->number;
#ifdef APPLIED
    bpf_obj_drop_impl(job, 0);
#endif
    return 0;
}
