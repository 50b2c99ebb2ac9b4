/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: a question to a name server and what became of it, and what was added for one process
 * and one server. The kernel side hands a copy of the question's bytes along; user space makes the name of it.
 * No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

/* The histogram of nanoseconds counts in units of 1024 ns; the last slot holds everything from 2^36 ns, 69 s. */
#define DNS_TIME_UNIT 10
#define DNS_TIME_END 36
#define DNS_SLOTS WAGGLE_HIST_SLOTS(DNS_TIME_UNIT, DNS_TIME_END)

/* How much of a message is copied: its head (12), a name (at most 255), type and class (4). */
#define DNS_COPY 272

/* What header.kind says. */
enum dns_kind {
    dns_kind_lookup = 0,
    dns_kind_total = 1,
    dns_kind_failure = 2,
    dns_kind_waiting = 3,
};

/* Dictionary "dns_code": the answer's four bits, and one of our own. */
enum dns_code {
    dns_code_noerror = 0,
    dns_code_formerr = 1,
    dns_code_servfail = 2,
    dns_code_nxdomain = 3,
    dns_code_refused = 5,
    dns_code_no_answer = 255,
};

/* Kind 0. A question of one process, and its answer or that none came. The header is whose socket it is. */
struct dns_lookup_event {
    struct waggle_event header;
    struct waggle_address server; /* who answered; else who was asked last */
    struct waggle_text name;
    __u64 latency_ns; /* from the first time it was sent to its answer; 0 without */
    __u64 waited_ns;  /* without an answer: from the first time it was sent to the moment of saying so */
    __u32 netns;
    __u32 tries;
    __u16 server_port;
    __u16 type;
    __u16 answers; /* records in the answer, as its head says */
    __u16 answer_bytes;
    __u8 code;
    __u8 tcp;
    __u8 truncated;
    __u8 cut; /* the name is not whole */
    __u8 reserved[4];
};

/* Kind 1. What one process asked one server since the last snapshot. */
struct dns_total_event {
    struct waggle_event header;
    struct waggle_address server;
    __u32 netns;
    __u16 server_port;
    __u8 overflow;
    __u8 reserved;
    __u64 sent; /* questions, those sent again too */
    __u64 sent_again;
    __u64 noerror;
    __u64 empty; /* of noerror: without a record */
    __u64 nxdomain;
    __u64 servfail;
    __u64 refused;
    __u64 other_errors;
    __u64 truncated;  /* of all answers */
    __u64 no_answer;  /* counted in user space */
    __u64 latency_ns; /* from when the question was turned to this server */
    struct waggle_histogram latency_histogram;
};

/* Kind 2. A question of one process that was answered with an error, and how often since the last snapshot. */
struct dns_failure_event {
    struct waggle_event header;
    struct waggle_address server; /* who answered so first */
    struct waggle_text name;
    __u32 netns;
    __u16 server_port;
    __u16 type;
    __u8 code;
    __u8 cut;
    __u8 reserved[6];
    __u64 times;
};

/* Kind 3. A question that has had no answer for a second; once a second until it has one or is given up. */
struct dns_waiting_event {
    struct waggle_event header;
    struct waggle_address server; /* asked last */
    struct waggle_text name;
    __u64 waited_ns; /* since it was sent first */
    __u64 silent_ns; /* since it was sent last */
    __u64 question;  /* tells questions apart: equal in all rows of one */
    __u32 netns;
    __u32 tries;
    __u16 server_port;
    __u16 type;
    __u8 tcp;
    __u8 several_servers;
    __u8 cut;
    __u8 reserved;
};

/* The same as the kernel side keeps them; it leaves name, type and cut to user space. */
struct dns_total_state {
    struct dns_total_event row;
    __u32 latency_slots[DNS_SLOTS];
    __u32 reserved;
};
struct dns_lookup_state {
    struct dns_lookup_event row;
    __u8 message[DNS_COPY];
};
struct dns_failure_state {
    struct dns_failure_event row;
    __u8 message[DNS_COPY];
};
struct dns_question_key {
    __u64 start_ns;
    __u32 pid;
    __u32 netns;
    __u32 name_hash; /* of name, type and class, in lower case */
    __u16 id;
    __u16 reserved;
};
struct dns_question_state {
    struct waggle_event who;
    struct waggle_address server;
    __u64 first_ns;
    __u64 asked_ns; /* when the server that was asked last was asked first */
    __u64 last_ns;
    __u32 netns;
    __u32 tries;
    __u16 server_port;
    __u8 tcp;
    __u8 several_servers;
    __u32 reserved;
    __u8 message[DNS_COPY];
};

#ifdef __cplusplus
static_assert(DNS_SLOTS == 369);
static_assert(sizeof(dns_lookup_event) == 56 + 24 + 8 + 16 + 8 + 8 + 8);
static_assert(sizeof(dns_total_event) == 56 + 24 + 8 + 11 * 8 + 8);
static_assert(sizeof(dns_failure_event) == 56 + 24 + 8 + 8 + 8 + 8);
static_assert(sizeof(dns_waiting_event) == 56 + 24 + 8 + 24 + 8 + 8);
static_assert(sizeof(dns_total_state) == sizeof(dns_total_event) + 4 * (DNS_SLOTS + 1));
static_assert(sizeof(dns_lookup_state) == sizeof(dns_lookup_event) + DNS_COPY);
static_assert(sizeof(dns_failure_state) == sizeof(dns_failure_event) + DNS_COPY);
static_assert(sizeof(dns_question_key) == 24);
static_assert(sizeof(dns_question_state) == 56 + 24 + 40 + DNS_COPY);
#endif
