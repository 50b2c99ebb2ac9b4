/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The reasons that hurt nobody: packets the stack frees as a matter of course. They are those of enum
 * skb_drop_reason that knowledge/en/drop_reasons.yaml marks `loss: false` (packet_drop_test.cpp asserts it),
 * without the marks of the enum itself, which no packet is freed with. */
#pragma once

#define WAGGLE_ROUTINE_REASONS(each)                                                                   \
    each(SOCKET_CLOSE) each(QUEUE_PURGE) each(OTHERHOST) each(MAC_IEEE_MAC_CONTROL) each(TCP_OLD_DATA) \
        each(TCP_OFOMERGE) each(TCP_RFC7323_PAWS_ACK) each(TCP_OLD_SEQUENCE) each(TCP_OLD_ACK)         \
            each(TCP_OFO_DROP) each(DUP_FRAG) each(IPV6_NDISC_NS_OTHERHOST)
