/* SPDX-License-Identifier: GPL-2.0 */
/* Where the DNS message of a packet lies, and what it asks: bounded reads of foreign bytes. Included once, by
 * dns.bpf.c. */
#pragma once

/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "sensors/dns/dns.event.h"
/* clang-format on */

#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define DNS_PORT 53
#define DNS_HEAD 12

/* What the kernel shows of a packet and a socket to programs of this kind (include/uapi/linux/bpf.h). */
struct bpf_sock {
    __u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
    __be16 dst_port;
    __u16 unused;
    __u32 dst_ip4, dst_ip6[4], state;
};
struct __sk_buff {
    __u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
    __u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family;
    __u32 remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
    __u64 flow_keys, tstamp;
    __u32 wire_len, gso_segs;
    struct bpf_sock* sk;
};

/* A message of a packet. */
struct message {
    __u32 offset; /* in the packet */
    __u32 bytes;  /* that lie there */
    __u32 peer[4];
    __u16 port; /* of the peer */
    __u8 family;
    __u8 tcp;
};

static __always_inline __u8 as_address(_Bool six, const __u32* from, __u32* to) {
    to[0] = to[1] = to[2] = to[3] = 0;
    if (!six || (!from[0] && !from[1] && from[2] == bpf_htonl(0xffff))) {
        to[0] = six ? from[3] : from[0];
        return 4;
    }
    to[0] = from[0], to[1] = from[1], to[2] = from[2], to[3] = from[3];
    return 6;
}

/* Where in a question's name we are. */
struct name_walk {
    const __u8* message;
    __u32 bytes;
    __u32 hash;
    __u32 rest; /* bytes still to come, once the name has ended */
    __u32 ended;
    __u32 found; /* the hash of a question that is whole, never 0 */
};

/* One byte more; 1 ends the walk. A callback, so that the verifier looks at it once. */
static long walk_name(__u32 round, struct name_walk* walk) {
    __u32 i = round + DNS_HEAD;
    if (i >= DNS_COPY || i >= walk->bytes) return 1;
    __u8 byte = walk->message[i];
    if (walk->rest) {
        walk->rest--;
    } else if (!byte) {
        walk->rest = 4; /* type and class */
    } else if (byte >= 'A' && byte <= 'Z') {
        byte |= 0x20;
    }
    walk->hash = (walk->hash ^ byte) * 16777619u;
    if (!walk->rest && walk->ended) {
        walk->found = walk->hash | 1;
        return 1;
    }
    if (walk->rest) walk->ended = 1;
    return 0;
}

/* Always 0, but not for the verifier. Until 6.7 it looked at the body of a loop once, with what is on the stack before the
 * first round ("bpf: verify callbacks as if they are called unknown number of times"): what it knew to be 0 there, it took
 * for 0 in each round, and left out the rest. */
volatile __u32 unknown_zero = 0;

/* Copies the message and hashes its question; 0 where it is none. `answer` says which bit it must have. */
static __noinline int read_question(struct __sk_buff* skb, struct message* at,
                                    struct dns_question_state* into, __u32 answer) {
    if (!at || !into) return 0;
    __u32 bytes = at->bytes;
    if (bytes < DNS_HEAD) return 0;
    if (bytes > DNS_COPY) bytes = DNS_COPY;
    __builtin_memset(into->message, 0, sizeof into->message);
    if (bpf_skb_load_bytes(skb, at->offset, into->message, bytes)) return 0;
    __u8 flags = into->message[2];
    if (flags >> 7 != answer || flags & 0x78) return 0; /* an opcode other than QUERY */
    if (into->message[4] || into->message[5] != 1) return 0;
    if (!answer && (into->message[6] || into->message[7] || into->message[8] || into->message[9])) return 0;
    struct name_walk walk = {.message = into->message,
                             .bytes = bytes,
                             .hash = 2166136261u + unknown_zero,
                             .rest = unknown_zero,
                             .ended = unknown_zero,
                             .found = unknown_zero};
    bpf_loop(DNS_COPY - DNS_HEAD, walk_name, &walk, 0);
    return (int)walk.found;
}

/* Where the message of a UDP packet or a TCP segment lies; 0 where neither its peer's port nor the port its
 * socket is connected to is 53. Headers alone are read here: this runs for every packet. */
static __always_inline _Bool find_message(struct __sk_buff* skb, struct message* at, _Bool comes_in) {
    const __u8* data = (const __u8*)(long)skb->data;
    const __u8* end = (const __u8*)(long)skb->data_end;
    if (data + 28 > end) return 0;
    __u32 head;
    __u8 protocol;
    _Bool six = data[0] >> 4 == 6;
    if (six) {
        if (data + 48 > end) return 0;
        protocol = data[6];
        head = 40;
    } else {
        protocol = data[9];
        head = (data[0] & 15) * 4;
    }
    if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP) return 0;
    const __u8* transport = data + head;
    if (transport + 8 > end) return 0;
    const __be16* ports = (const __be16*)transport;
    /* volatile: each member is read by its own offset, as the kernel demands. */
    const volatile struct bpf_sock* sk = skb->sk;
    if (!sk) return 0;
    __be16 port = ports[comes_in ? 0 : 1];
    /* Where the destination was translated, the socket knows what the program asked for. */
    _Bool is_connected = sk->dst_port == bpf_htons(DNS_PORT);
    if (port != bpf_htons(DNS_PORT) && (comes_in || !is_connected)) return 0;
    __u32 from[4] = {};
    if (!comes_in && is_connected) {
        six = sk->family == AF_INET6;
        if (six)
            from[0] = sk->dst_ip6[0], from[1] = sk->dst_ip6[1], from[2] = sk->dst_ip6[2],
            from[3] = sk->dst_ip6[3];
        else
            from[0] = sk->dst_ip4;
    } else if (six) {
        if (bpf_skb_load_bytes(skb, comes_in ? 8 : 24, from, 16)) return 0;
    } else {
        if (bpf_skb_load_bytes(skb, comes_in ? 12 : 16, from, 4)) return 0;
    }
    at->family = as_address(six, from, at->peer);
    at->port = DNS_PORT;
    at->tcp = protocol == IPPROTO_TCP;
    __u32 header = 8;
    if (at->tcp) {
        if (transport + 20 > end) return 0;
        header = (transport[12] >> 4) * 4;
    }
    at->offset = head + header;
    if (skb->len <= at->offset) return 0;
    at->bytes = skb->len - at->offset;
    return at->bytes >= DNS_HEAD;
}

/* By TCP a message has its length before it, in the same segment or in one of its own. */
static __always_inline _Bool skip_length(struct __sk_buff* skb, struct message* at) {
    __be16 length = 0;
    if (at->bytes < 2 + DNS_HEAD || bpf_skb_load_bytes(skb, at->offset, &length, sizeof length)) return 0;
    if (bpf_ntohs(length) < DNS_HEAD) return 0;
    at->offset += 2;
    at->bytes -= 2;
    return 1;
}
