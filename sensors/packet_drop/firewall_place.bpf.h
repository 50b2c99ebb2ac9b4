/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel itself says of a packet that a firewall dropped: at which hook (by who called the place
 * that dropped it), in which state of connection tracking, on which way. What a rule compares can then be
 * answered instead of guessed. A stack walk costs about 1.5 us, so it is done for samples only. */
#pragma once

/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "bpf/kernel_drift.h"
#include "sensors/packet_drop/packet_drop.event.h"
/* clang-format on */

/* The tracepoint's own frames, then the freeing function's, then the place and its callers. */
#define FIREWALL_STACK_DEPTH 16
#define FIREWALL_CALLERS 4
#define CT_INFO_BITS 7ULL
#define CT_IS_REPLY 3
#define CT_UNTRACKED 7
#define MAC_LENGTH 6

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
/* Connection tracking may be a module, whose types vmlinux.h does not have. */
union nf_inet_addr___waggle {
    __u32 all[4];
};
union nf_conntrack_man_proto___waggle {
    __be16 all;
};
struct nf_conntrack_man___waggle {
    union nf_inet_addr___waggle u3;
    union nf_conntrack_man_proto___waggle u;
    __u16 l3num;
};
struct nf_conntrack_tuple___waggle {
    struct nf_conntrack_man___waggle src;
    struct {
        union nf_inet_addr___waggle u3;
        union {
            __be16 all;
        } u;
        __u8 protonum;
        __u8 dir;
    } dst;
};
struct nf_conntrack_tuple_hash___waggle {
    struct nf_conntrack_tuple___waggle tuple;
};
struct nf_conn___waggle {
    struct nf_conntrack_tuple_hash___waggle tuplehash[2];
    unsigned long status;
    __u32 mark;
};
struct sk_buff___with_ct {
    unsigned long _nfct;
};
struct sock___with_filter {
    struct sk_filter* sk_filter;
};
struct sk_buff___with_mark {
    __u32 mark;
};
#pragma clang attribute pop

/* 6.7 "netfilter: make nftables drops visible in net dropmonitor" (e0d4593140b0): nftables frees a packet
 * where it drops it; until then the hook's caller freed it, as for everybody else. */
static __always_inline _Bool nft_frees_itself(void) { return LINUX_KERNEL_VERSION >= WAGGLE_KERNEL(6, 7); }

static __always_inline void read_callers(struct packet_drop_event* event, const __u64* context,
                                         __u64* stack) {
    long size = bpf_get_stack((void*)context, stack, FIREWALL_STACK_DEPTH * sizeof *stack, 0);
    __u64 found[FIREWALL_CALLERS] = {};
    int at = -1;
    for (int i = 0; i < FIREWALL_STACK_DEPTH; i++) {
        if ((i + 1) * (long)sizeof *stack > size) break;
        if (at >= 0 && at < FIREWALL_CALLERS) found[at++ & (FIREWALL_CALLERS - 1)] = stack[i];
        if (at < 0 && stack[i] == event->location) at = 0;
    }
    event->nft_tells = nft_frees_itself();
    event->caller1 = found[0];
    event->caller2 = found[1];
    event->caller3 = found[2];
    event->caller4 = found[3];
}

/* Behind the firewall a packet can have lost its connection (UDP has, before its socket is looked for), which
 * says nothing of it then. */
static __always_inline _Bool has_connection(struct sk_buff* skb) {
    struct sk_buff___with_ct* tracked = (struct sk_buff___with_ct*)skb;
    return bpf_core_field_exists(tracked->_nfct) && (BPF_CORE_READ(tracked, _nfct) & ~CT_INFO_BITS) != 0;
}

/* The state as nft_ct and xt_conntrack take it: no connection and not "untracked" is invalid. */
static __always_inline void read_connection(struct packet_drop_event* event, struct sk_buff* skb) {
    struct sk_buff___with_ct* tracked = (struct sk_buff___with_ct*)skb;
    if (!bpf_core_field_exists(tracked->_nfct)) return;
    __u64 nfct = BPF_CORE_READ(tracked, _nfct);
    __u32 info = nfct & CT_INFO_BITS;
    struct nf_conn___waggle* ct = (struct nf_conn___waggle*)(nfct & ~CT_INFO_BITS);
    if (!ct) {
        event->ct_state = info == CT_UNTRACKED ? packet_ct_untracked : packet_ct_invalid;
        return;
    }
    event->ct_reply = info >= CT_IS_REPLY;
    event->ct_state = 1 << ((info % CT_IS_REPLY + 1) & 7);
    if (!bpf_core_type_exists(struct nf_conn___waggle)) return;
    event->ct_status = BPF_CORE_READ(ct, status);
    if (bpf_core_field_exists(ct->mark)) event->ct_mark = BPF_CORE_READ(ct, mark);
    event->original_port = bpf_ntohs(BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all));
    __u16 family = BPF_CORE_READ(ct, tuplehash[0].tuple.src.l3num);
    event->original_destination.family = family == 2 ? 4 : 6;
    __u32 all[4] = {};
    bpf_probe_read_kernel(all, family == 2 ? 4 : 16,
                          __builtin_preserve_access_index(&ct->tuplehash[0].tuple.dst.u3));
    __builtin_memcpy(event->original_destination.bytes, all, 16);
}

static __always_inline void read_way(struct packet_drop_event* event, struct sk_buff* skb,
                                     struct dst_entry* dst, struct net_device* dev) {
    struct sk_buff___with_mark* marked = (struct sk_buff___with_mark*)skb;
    if (bpf_core_field_exists(marked->mark)) event->mark = BPF_CORE_READ(marked, mark);
    event->link_type = BPF_CORE_READ_BITFIELD(skb, pkt_type);
    event->in_ifindex = skb->skb_iif;
    /* Behind the routing decision the packet stands at the device it leaves by; a bridge gives no route. */
    __u32 at = dev ? BPF_CORE_READ(dev, ifindex) : 0;
    if (skb->skb_iif && at && at != skb->skb_iif)
        event->out_ifindex = at;
    else if (dst && event->direction != packet_direction_in)
        event->out_ifindex = BPF_CORE_READ(dst, dev, ifindex);
    __u16 mac = skb->mac_header;
    if (mac == 0xffff || !skb->skb_iif) return;
    __u8 bytes[MAC_LENGTH] = {};
    bpf_probe_read_kernel(bytes, sizeof bytes, skb->head + mac + MAC_LENGTH);
    for (int i = 0; i < MAC_LENGTH; i++) event->source_mac = event->source_mac << 8 | bytes[i];
}

/* A packet that a rule hands to a program (NFQUEUE) and that does not get into the program's queue is freed there
 * without a reason, before anybody saw what it says. Where the function lies; 0 where there is none, or it is not known. */
const volatile __u64 nf_queue_start = 0;
#define NF_QUEUE_SIZE 1024

static __always_inline _Bool is_lost_on_the_way_to_a_program(__u64 location) {
    return nf_queue_start && location - nf_queue_start < NF_QUEUE_SIZE;
}
