// SPDX-License-Identifier: GPL-2.0
// kind: owned_by_collection
// applied: sentence
// since: 6.12
// what: first (R7) belongs to a list or tree: the program can use it only until bpf_spin_unlock() in line
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define private(name) SEC(".bss." #name) __attribute__((aligned(8)))
#define __contains(type, member) __attribute__((btf_decl_tag("contains:" #type ":" #member)))

struct bpf_rb_root {
    __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_rb_node {
    __u64 opaque[4];
} __attribute__((aligned(8)));
extern void* bpf_obj_new_impl(__u64 type, void* meta) __ksym;
extern void bpf_obj_drop_impl(void* object, void* meta) __ksym;

extern int bpf_rbtree_add_impl(struct bpf_rb_root* root, struct bpf_rb_node* node,
                               _Bool(less)(struct bpf_rb_node*, const struct bpf_rb_node*), void* meta,
                               __u64 off) __ksym;
extern struct bpf_rb_node* bpf_rbtree_first(struct bpf_rb_root* root) __ksym;

struct deadline {
    struct bpf_rb_node node;
    __u64 at;
};
private(tree) struct bpf_spin_lock lock;
private(tree) struct bpf_rb_root deadlines __contains(deadline, node);

static _Bool less(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
    return ((struct deadline*)a)->at < ((struct deadline*)b)->at;
}

SEC("tc")
int next(struct __sk_buff* skb) {
    struct deadline* own = bpf_obj_new_impl(__builtin_btf_type_id(*own, 0), 0);
    if (!own) return 0;
    own->at = bpf_ktime_get_ns();
    bpf_spin_lock(&lock);
    bpf_rbtree_add_impl(&deadlines, &own->node, less, 0, 0);
    struct bpf_rb_node* first = bpf_rbtree_first(&deadlines);
#ifdef APPLIED
    __u64 at = first ? ((struct deadline*)first)->at : 0;
    bpf_spin_unlock(&lock);
    return at & 1;
#else
    bpf_spin_unlock(&lock);
    if (!first) return 0;
    /* fault */
    return ((struct deadline*)first)->at & 1;
#endif
}
