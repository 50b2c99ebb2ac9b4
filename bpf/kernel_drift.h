/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels we run on, each with the kernel change it comes from. Programs ask here
 * and stay the same; the loader folds the question into a constant, so the way not taken costs nothing. */
#pragma once

/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
/* clang-format on */

/* Whether tp_btf/sched_process_exit tells itself that the process's last thread exits.
 * Kernel 6.16 gave the tracepoint its own event and the argument group_dead ("exit: move and extend
 * sched_process_exit() tracepoint", 2b5da3e46f5e in Linux 6.16); before, it shared the template of
 * sched_process_free and has no event struct of its own. */
static __always_inline _Bool waggle_exit_tells_group_dead(void) {
    return bpf_core_type_exists(struct trace_event_raw_sched_process_exit);
}

#define WAGGLE_KERNEL(major, minor) (((major) << 16) + ((minor) << 8))
extern int LINUX_KERNEL_VERSION __kconfig;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
/* 6.6 "blk-flush: reuse rq queuelist in flush state machine": until then the flush state machine had an own
 * list. */
struct request___before_6_6 {
    struct {
        struct list_head list;
    } flush;
};
/* Between 6.12 and 6.18 _folio_nr_pages became _nr_pages, and flags a struct. */
struct folio___until_6_12 {
    unsigned long flags;
    unsigned int _folio_nr_pages;
};
#pragma clang attribute pop

/* A process's text. Gives its length with its 0; below 0 where the memory could not be read. Of an empty one 6.1 and 6.12 say
 * that it has the length 0, 6.18 that it has 1. */
static __always_inline long waggle_user_text(char* to, __u32 room, const void* from) {
    long length = bpf_probe_read_user_str(to, room, from);
    return length ? length : 1;
}

/* Where a request waits in the flush state machine's lists. */
static __always_inline struct request* waggle_flush_waiter(struct list_head* link) {
    struct request___before_6_6* before = 0;
    unsigned long offset = bpf_core_field_exists(before->flush.list)
                               ? bpf_core_field_offset(struct request___before_6_6, flush.list)
                               : bpf_core_field_offset(struct request, queuelist);
    return (struct request*)((char*)link - offset);
}

/* How many pages a folio has. */
static __always_inline unsigned int waggle_folio_pages(struct folio* folio) {
    struct folio___until_6_12* before = (struct folio___until_6_12*)folio;
    unsigned long flags = bpf_core_field_exists(folio->flags.f) ? folio->flags.f : before->flags;
    if (!(flags >> bpf_core_enum_value(enum pageflags, PG_head) & 1)) return 1;
    return bpf_core_field_exists(before->_folio_nr_pages) ? before->_folio_nr_pages : folio->_nr_pages;
}

/* The bio's pages are pinned user memory. BIO_PAGE_PINNED came with 6.5 ("block: Add BIO_PAGE_PINNED and
 * associated infrastructure"); before, bit 0 was BIO_NO_PAGE_REF and said nothing of the kind. */
static __always_inline _Bool waggle_bio_pinned(unsigned short bi_flags) {
    return LINUX_KERNEL_VERSION >= WAGGLE_KERNEL(6, 5) && (bi_flags & 1);
}

/* errno of a blk_status_t, as blk_errors[] of block/blk-core.c has it. The numbers are macros, not in BTF.
 * 6.10 took BLK_STS_ZONE_RESOURCE (14) out ("block: Remove BLK_STS_ZONE_RESOURCE"), so that what followed
 * moved down by one. */
static __always_inline int waggle_block_errno(blk_status_t status) {
    if (status >= 14 && LINUX_KERNEL_VERSION < WAGGLE_KERNEL(6, 10)) {
        if (status == 14) return 5; /* BLK_STS_ZONE_RESOURCE: EIO */
        status--;
    }
    switch (status) {
        case 0:
            return 0;
        case 1: /* NOTSUPP */
            return 95;
        case 2: /* TIMEOUT */
            return 110;
        case 3: /* NOSPC */
            return 28;
        case 4: /* TRANSPORT: ENOLINK */
            return 67;
        case 5: /* TARGET: EREMOTEIO */
            return 121;
        case 6: /* RESV_CONFLICT: EBADE */
            return 52;
        case 7: /* MEDIUM: ENODATA */
            return 61;
        case 8: /* PROTECTION: EILSEQ */
            return 84;
        case 9: /* RESOURCE */
            return 12;
        case 11: /* DM_REQUEUE: EREMCHG */
            return 78;
        case 12: /* AGAIN */
            return 11;
        case 13: /* DEV_RESOURCE */
            return 16;
        case 14: /* ZONE_OPEN_RESOURCE: ETOOMANYREFS */
            return 109;
        case 15: /* ZONE_ACTIVE_RESOURCE: EOVERFLOW */
            return 75;
        case 16: /* OFFLINE */
            return 19;
        case 17: /* DURATION_LIMIT: ETIME */
            return 62;
        case 19: /* INVAL */
            return 22;
    }
    return 5;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
/* Until 6.1 a tag was present when vlan_present said so; then vlan_all != 0 does (354259fa73e2 "net:
 * remove skb->vlan_present"). */
struct sk_buff___with_vlan_present {
    __u8 vlan_present : 1;
};
/* 6.18 keeps the socket's inode number in the sock itself (5d6b58c932ec "net: lockless sock_i_ino()"). */
struct sock___with_ino {
    unsigned long sk_ino;
};
#pragma clang attribute pop

/* The VLAN tag that the card or the stack took out of the packet: TCI, or 0 without one. */
static __always_inline __u16 waggle_vlan_tci(struct sk_buff* skb) {
    const struct sk_buff___with_vlan_present* old = (const void*)skb;
    if (bpf_core_field_exists(old->vlan_present)) {
        if (!BPF_CORE_READ_BITFIELD(old, vlan_present)) return 0;
    } else if (!skb->vlan_proto) {
        return 0;
    }
    return skb->vlan_tci;
}

/* Until 6.3 icmpv6_rcv() freed without a reason also what it had dealt with well: the ordinary talk of
 * neighbours. The reasons came together (545dbcd124b0 "ipv6: icmp6: add drop reason support to
 * ndisc_rcv()" and the seven after it). */
static __always_inline _Bool waggle_icmp6_gives_no_reason(void) {
    return !bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS);
}

/* Number of the inode of an internet or packet socket; 0 once no process holds it. */
static __always_inline __u64 waggle_socket_inode(struct sock* sk) {
    struct sock___with_ino* with_ino = (void*)sk;
    if (bpf_core_field_exists(with_ino->sk_ino)) return BPF_CORE_READ(with_ino, sk_ino);
    /* Before, socket and inode lie in one block (struct socket_alloc), the socket first. */
    struct socket_alloc* both = (struct socket_alloc*)BPF_CORE_READ(sk, sk_socket);
    return both ? BPF_CORE_READ(both, vfs_inode.i_ino) : 0;
}
