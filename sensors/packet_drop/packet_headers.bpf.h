/* SPDX-License-Identifier: GPL-2.0 */
/* Reads what a packet says of itself: addresses, protocol, ports, flags. Everything is read by offset from
 * skb->head and within its bounds; a packet cut short gives the fields that are there. */
#pragma once

/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "bpf/kernel_drift.h"
#include "sensors/packet_drop/packet_drop.event.h"
/* clang-format on */

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_HLEN 14
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTH 51
#define NEXTHDR_DEST 60
#define HEADER_UNSET 0xffff
#define IPV6_EXTENSIONS_READ 4

/* Where the packet's bytes are: `at` is the network header's address, `left` the bytes from there that lie in
 * one piece. The rest of a packet may lie in pages, but the stack pulls headers into this piece first. */
struct packet_view {
    const __u8* at;
    __s32 left;
};

struct ip4_header {
    __u8 version_length;
    __u8 tos;
    __be16 total_length;
    __be16 id;
    __be16 fragment;
    __u8 ttl;
    __u8 protocol;
    __be16 checksum;
    __u8 source[4];
    __u8 destination[4];
};
struct ip6_header {
    __be32 version_flow;
    __be16 payload_length;
    __u8 next;
    __u8 hops;
    __u8 source[16];
    __u8 destination[16];
};
/* The first 14 bytes of TCP; UDP, SCTP and DCCP have their ports, ICMP its type and code in the same place.
 */
struct transport_header {
    __be16 source;
    __be16 destination;
    __be32 sequence;
    __be32 acknowledged;
    __u8 data_offset;
    __u8 flags;
};

/* Both read functions return where the transport header begins, counted from the network header; 0 when the
 * packet has none to read (cut short, a later fragment). */
static __always_inline __u32 read_ip4(struct packet_drop_event* event, const struct packet_view* view) {
    struct ip4_header ip = {};
    if (view->left < (__s32)sizeof ip) return 0;
    bpf_probe_read_kernel(&ip, sizeof ip, view->at);
    __u32 header_length = (ip.version_length & 0xf) * 4;
    if (ip.version_length >> 4 != 4 || header_length < sizeof ip) return 0;
    event->ether_type = ETH_P_IP;
    event->source.family = 4;
    event->destination.family = 4;
    __builtin_memcpy(event->source.bytes, ip.source, sizeof ip.source);
    __builtin_memcpy(event->destination.bytes, ip.destination, sizeof ip.destination);
    event->protocol = ip.protocol;
    event->ttl = ip.ttl;
    event->tos = ip.tos;
    event->fragment = (ip.fragment & bpf_htons(0x3fff)) != 0;
    return ip.fragment & bpf_htons(0x1fff) ? 0 : header_length;
}

static __always_inline __u32 read_ip6(struct packet_drop_event* event, const struct packet_view* view) {
    struct ip6_header ip = {};
    if (view->left < (__s32)sizeof ip) return 0;
    bpf_probe_read_kernel(&ip, sizeof ip, view->at);
    if ((ip.version_flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000)) return 0;
    event->ether_type = ETH_P_IPV6;
    event->source.family = 6;
    event->destination.family = 6;
    __builtin_memcpy(event->source.bytes, ip.source, sizeof ip.source);
    __builtin_memcpy(event->destination.bytes, ip.destination, sizeof ip.destination);
    event->ttl = ip.hops;
    event->tos = bpf_ntohl(ip.version_flow) >> 20 & 0xff;
    __u32 offset = sizeof ip;
    __u8 next = ip.next;
    _Bool later_fragment = 0;
    for (int i = 0; i < IPV6_EXTENSIONS_READ; i++) {
        if (next != NEXTHDR_HOP && next != NEXTHDR_ROUTING && next != NEXTHDR_DEST &&
            next != NEXTHDR_FRAGMENT && next != NEXTHDR_AUTH)
            break;
        __u8 extension[4] = {}; /* next header, length, and the fragment's offset */
        if (view->left < (__s32)(offset + 8)) {
            offset = 0;
            break;
        }
        bpf_probe_read_kernel(extension, sizeof extension, view->at + offset);
        if (next == NEXTHDR_FRAGMENT) {
            event->fragment = 1;
            later_fragment = extension[2] != 0 || (extension[3] & 0xf8) != 0;
            offset += 8;
        } else if (next == NEXTHDR_AUTH) {
            offset += (extension[1] + 2) * 4;
        } else {
            offset += (extension[1] + 1) * 8;
        }
        next = extension[0];
        if (later_fragment) break;
    }
    event->protocol = next;
    return later_fragment ? 0 : offset;
}

static __always_inline void read_transport(struct packet_drop_event* event, const struct packet_view* view,
                                           __u32 offset) {
    struct transport_header header = {};
    __s32 left = view->left - (__s32)offset;
    if (left < 4) return;
    bpf_probe_read_kernel(&header, sizeof header, view->at + offset);
    switch (event->protocol) {
        case IPPROTO_TCP:
            if (left >= (__s32)sizeof header) event->tcp_flags = header.flags;
            /* fall through */
        case IPPROTO_UDP:
        case IPPROTO_DCCP:
        case IPPROTO_SCTP:
        case IPPROTO_UDPLITE:
            event->source_port = bpf_ntohs(header.source);
            event->destination_port = bpf_ntohs(header.destination);
            return;
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
            event->icmp_type = bpf_ntohs(header.source) >> 8;
            event->icmp_code = bpf_ntohs(header.source) & 0xff;
            return;
    }
}

/* TCP without a byte of data for the receiver: an acknowledgement or the end of a connection. */
static __always_inline _Bool tcp_without_payload(const struct packet_view* view, __u32 offset, __u32 length) {
    __u8 data_offset = 0;
    bpf_probe_read_kernel(&data_offset, 1,
                          view->at + offset + __builtin_offsetof(struct transport_header, data_offset));
    return length <= offset + (data_offset >> 4) * 4;
}

/* The network header. Early in its life a packet has none yet: then it is where the data begins, or behind
 * the Ethernet header when the data still begins with that. */
static __always_inline struct packet_view view_packet(struct packet_drop_event* event, struct sk_buff* skb) {
    const __u8* head = skb->head;
    __u32 data = (__u32)(skb->data - skb->head);
    __u32 network = skb->network_header;
    if (network == 0 || network == HEADER_UNSET) network = skb->mac_header == data ? data + ETH_HLEN : data;
    event->ether_type = bpf_ntohs(skb->protocol);
    event->vlan_id = waggle_vlan_tci(skb) & 0xfff;
    __s32 length = (__s32)(skb->len + data - network);
    struct packet_view view = {head + network, (__s32)(skb->tail - network)};
    if ((event->ether_type == ETH_P_8021Q || event->ether_type == ETH_P_8021AD) && view.left >= 4) {
        __be16 tag[2] = {};
        bpf_probe_read_kernel(tag, sizeof tag, view.at);
        event->vlan_id = bpf_ntohs(tag[0]) & 0xfff;
        event->ether_type = bpf_ntohs(tag[1]);
        view.at += sizeof tag;
        view.left -= sizeof tag;
        length -= sizeof tag;
    }
    event->length_bytes = length > 0 ? (__u32)length : skb->len;
    return view;
}

/* Fills the fields that the packet itself says; returns whether it is TCP without payload. */
static __always_inline _Bool read_packet(struct packet_drop_event* event, struct sk_buff* skb) {
    struct packet_view view = view_packet(event, skb);
    event->protocol = PACKET_DROP_NO_PROTOCOL;
    __u32 transport = 0;
    /* A packet of this machine's own gets its ether type late: it is what its first byte says. */
    if (event->ether_type == ETH_P_IP || event->ether_type == 0) transport = read_ip4(event, &view);
    if (event->ether_type == ETH_P_IPV6 || event->ether_type == 0) transport = read_ip6(event, &view);
    event->segments = 1;
    if (event->protocol == PACKET_DROP_NO_PROTOCOL) return 0;
    if (transport) read_transport(event, &view, transport);
    /* One sk_buff may carry many packets of a flow (segmentation and receive offload). */
    const struct skb_shared_info* shared = (const void*)(skb->head + skb->end);
    if (BPF_CORE_READ(shared, gso_size)) {
        __u16 segments = BPF_CORE_READ(shared, gso_segs);
        if (segments) event->segments = segments;
    }
    return transport && event->protocol == IPPROTO_TCP &&
           tcp_without_payload(&view, transport, event->length_bytes);
}
