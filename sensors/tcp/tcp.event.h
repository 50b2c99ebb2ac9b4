/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: a TCP connection at its end, what was added for one process or listening port, and, where their tables are
 * asked for by name, single moments of a connection's life.
 * No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

/* The histogram of nanoseconds counts in units of 1024 ns; the last slot holds everything from 2^36 ns, 69 s. */
#define TCP_TIME_UNIT 10
#define TCP_TIME_END 36
#define TCP_SLOTS WAGGLE_HIST_SLOTS(TCP_TIME_UNIT, TCP_TIME_END)

/* What header.kind says. */
enum tcp_kind {
    tcp_kind_connection = 0,
    tcp_kind_total = 1,
    tcp_kind_attempt = 2,
    tcp_kind_opened = 3,
    tcp_kind_incoming = 4,
    tcp_kind_state = 5,
    tcp_kind_retransmit = 6,
    tcp_kind_reset = 7,
};

/* Dictionary "tcp_role". */
enum tcp_role {
    tcp_role_unknown = 0, /* the connection was there before waggle */
    tcp_role_active = 1,
    tcp_role_passive = 2,
};

/* Dictionary "tcp_end". How a connection, or the attempt to make one, ended. */
enum tcp_end {
    tcp_end_other = 0,
    tcp_end_closed_here =
        1, /* in order: this side said first that it is done (what comes after is not seen) */
    tcp_end_closed_there = 2,  /* both sides said that they are done; the other one first */
    tcp_end_reset_by_peer = 3, /* while it was open on both sides */
    tcp_end_reset_here = 4, /* a program closed it with data unread or with SO_LINGER 0, or disconnected it */
    tcp_end_reset_in_closing = 5, /* at least one side had said that it is done; whose reset is not told */
    tcp_end_timed_out = 6,        /* what was sent was never confirmed, or keepalive had no answer */
    tcp_end_refused = 7,          /* a reset in answer to the SYN */
    tcp_end_unreachable = 8,      /* ICMP said so (a firewall refuses by it too), or there was no route */
    tcp_end_no_answer = 9,        /* the kernel gave up to send the SYN again */
    tcp_end_gave_up = 10,         /* the program gave up before there was an answer */
    tcp_end_not_sent = 11,        /* no SYN left */
    tcp_end_destroyed = 12,       /* ss -K, or the kernel's own */
    tcp_end_not_accepted = 13,    /* a passive one that was never whole */
    tcp_end_no_port = 14,         /* the kernel found no port here for it */
};

/* Kind 0. The header is who called connect(); of a passive one who closed it; pid 0 where that was not seen. */
struct tcp_connection_event {
    struct waggle_event header;
    struct waggle_address local_address;
    struct waggle_address remote_address;
    __u64 lived_ns;
    __u64 connect_ns;
    __u64 sent_bytes;
    __u64 received_bytes;
    __u64 rtt_ns;
    __u64 least_rtt_ns;
    __u32 netns;
    __u32 error;
    __u32 sent_segments;
    __u32 received_segments;
    __u32 syn_retransmits;
    __u32 timeout_retransmits;
    __u32 fast_retransmits;
    __u32 other_retransmits;
    __u16 local_port;
    __u16 remote_port;
    __u8 role;
    __u8 ended;
    __u8 reserved[2];
};

/* Kind 1. Active: of one process to one address and port. Passive: at one listening port from one address; no process. */
struct tcp_total_event {
    struct waggle_event header;
    struct waggle_address remote_address;
    __u32 netns;
    __u16 remote_port; /* 0 of passive ones: it is the other side's choice */
    __u16 local_port;  /* 0 of active ones: the same */
    __u8 role;
    __u8 overflow;
    __u8 reserved[6];
    __u64 attempts;
    __u64 opened;
    __u64 opened_late;
    __u64 unanswered;
    __u64 refused;
    __u64 unreachable;
    __u64 no_answer;
    __u64 gave_up;
    __u64 no_port;
    __u64 closed;
    __u64 reset_by_peer;
    __u64 reset_here;
    __u64 reset_in_closing;
    __u64 timed_out;
    __u64 other_ends;
    __u64 syn_retransmits;
    __u64 timeout_retransmits;
    __u64 fast_retransmits;
    __u64 other_retransmits;
    __u64 sent_segments;
    __u64 sent_bytes;
    __u64 received_bytes;
    __u64 connect_ns;
    __u64 closed_here;
    __u64 reset_unread;
    __u64 reset_asked;
    __u64 unread_bytes;
    __u64 lived_ns;
    struct waggle_histogram connect_histogram;
};

/* Dictionary "tcp_again". Why a segment was sent again. */
enum tcp_again {
    tcp_again_other = 0, /* most: a probe whether the last one was lost */
    tcp_again_syn = 1,
    tcp_again_timeout = 2,
    tcp_again_fast = 3,
};

/* Dictionary "tcp_reset". */
enum tcp_reset {
    tcp_reset_sent = 0,
    tcp_reset_received = 1,
};

/* Kinds 2 to 7: one moment of a connection. The header is who called connect(), or who listens on the port; pid 0 where
 * that was not seen. */
struct tcp_moment_event {
    struct waggle_event header;
    struct waggle_address local_address;
    struct waggle_address remote_address;
    __u64 took_ns; /* opened: since connect(); state: in the one before */
    __u32 netns;
    __u32 segments; /* retransmit: how many */
    __u16 local_port;
    __u16 remote_port;
    __u8 before; /* the kernel's number of the state */
    __u8 after;
    __u8 what; /* retransmit: enum tcp_again; reset: enum tcp_reset */
    __u8 reserved;
};

/* Kind 1 as the kernel side keeps it. */
struct tcp_total_state {
    struct tcp_total_event row;
    __u32 connect_slots[TCP_SLOTS];
    __u32 reserved;
};

#ifdef __cplusplus
static_assert(TCP_SLOTS == 369);
static_assert(sizeof(tcp_connection_event) == 56 + 2 * 24 + 6 * 8 + 8 * 4 + 8);
static_assert(sizeof(tcp_moment_event) == 56 + 2 * 24 + 8 + 4 * 4);
static_assert(sizeof(tcp_total_event) == 56 + 24 + 16 + 28 * 8 + 8);
static_assert(sizeof(tcp_total_state) == sizeof(tcp_total_event) + 4 * (TCP_SLOTS + 1));
#endif
