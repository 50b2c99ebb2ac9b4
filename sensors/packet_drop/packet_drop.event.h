/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: dropped packets one by one, their counts by cause, and the counts of what the
 * kernel frees as a matter of course. No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"

enum packet_drop_kind {
    packet_drop_kind_event = 0,
    packet_drop_kind_total = 1,
    packet_drop_kind_routine = 2,
};

/* Dictionary "packet_direction". */
enum packet_direction {
    packet_direction_unknown = 0,
    packet_direction_in = 1,      /* arrived, and was not yet sent on */
    packet_direction_forward = 2, /* arrived, and was on its way out again */
    packet_direction_out = 3,     /* made on this machine */
};

/* Dictionary "freed_thing". */
enum freed_thing {
    freed_thing_packet = 0,
    freed_thing_unix = 1,
    freed_thing_netlink = 2,
    freed_thing_other = 3,
};

/* IP's next-header number where there is no IP: no protocol has it. */
#define PACKET_DROP_NO_PROTOCOL 255
/* socket_uid without a socket. */
#define PACKET_DROP_NO_UID ((__s64)(1ULL << 63))

struct packet_drop_event {
    struct waggle_event header;
    struct waggle_address source;
    struct waggle_address destination;
    __u64 location;
    __u64 socket_inode;
    __s64 socket_uid;
    __u32 reason;
    __u32 netns;
    __u32 ifindex;
    __u32 length_bytes;
    __u32 segments;
    __u16 source_port;
    __u16 destination_port;
    __u16 socket_port;
    __u16 ether_type;
    __u16 vlan_id;
    __u8 protocol;
    __u8 tcp_flags;
    __u8 icmp_type;
    __u8 icmp_code;
    __u8 direction;
    __u8 fragment;
    __u8 routine;
    __u8 ttl;
    __u8 tos;
    __u8 link_type; /* who it was sent to on its wire: PACKET_HOST, PACKET_BROADCAST ... */
    char device[16];
    /* Of samples only; callers only where a firewall dropped it, and its connection where it still had one. */
    struct waggle_address original_destination; /* of its connection, before any rewriting */
    __u64 caller1, caller2, caller3, caller4;   /* who called the place that dropped it, nearest first */
    __u64 source_mac;
    __u32 in_ifindex;
    __u32 out_ifindex;
    __u32 mark;
    __u32 ct_mark;
    __u32 ct_status;
    __u16 original_port;
    __u8 ct_state;      /* one of enum packet_ct_state */
    __u8 ct_reply;      /* it goes against the direction in which its connection was opened */
    __u8 nft_tells;     /* this kernel frees in nft_do_chain() what nftables drops, and nothing else there */
    __u8 socket_filter; /* the socket that refused it has a filter of its own (SO_ATTACH_FILTER) */
    __u8 reserved[6];
};

/* As nftables numbers them; dictionary "ct_state". */
enum packet_ct_state {
    packet_ct_unknown = 0,
    packet_ct_invalid = 1,
    packet_ct_established = 2,
    packet_ct_related = 4,
    packet_ct_new = 8,
    packet_ct_untracked = 64,
};

struct packet_drop_total {
    struct waggle_event header;
    struct waggle_address source;
    struct waggle_address destination;
    __u64 location;
    __u64 socket_inode;
    __s64 socket_uid;
    __u64 packets;
    __u64 bytes;
    __u64 segments;
    __u64 sample_second; /* for the kernel side: when samples were last sent, and how many */
    __u32 sample_count;
    __u32 reason;
    __u32 netns;
    __u32 ifindex;
    __u16 destination_port;
    __u16 socket_port;
    __u16 ether_type;
    __u8 protocol;
    __u8 direction;
    __u8 overflow;
    __u8 reserved[7];
    char device[16];
};

struct packet_free_routine {
    struct waggle_event header;
    __u64 location;
    __u64 packets;
    __u64 bytes;
    __u32 reason;
    __u8 thing;
    __u8 reserved[3];
};

#ifdef __cplusplus
static_assert(sizeof(packet_drop_event) == 280 && sizeof(packet_drop_total) == 208 &&
              sizeof(packet_free_routine) == 88);
#endif
