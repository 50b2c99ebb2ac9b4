// SPDX-License-Identifier: GPL-2.0
#include "bpf/ring.h"
#include "bpf/task.h"
#include "sensors/packet_drop/firewall_place.bpf.h"
#include "sensors/packet_drop/packet_headers.bpf.h"
#include "sensors/packet_drop/routine_reasons.h"

char LICENSE[] SEC("license") = "GPL";

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12
#define TCP_FIN_OR_RST 0x05
#define TCP_SYN 0x02
#define RTN_UNSPEC 0
#define RTN_UNICAST 1
#define RTN_LOCAL 2
#define RTF_LOCAL 0x80000000
#define RTF_ANYCAST 0x00100000
#define DST_METADATA 0x0080
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2
#define PACKET_LOOPBACK 5
#define NSEC_PER_SEC 1000000000ULL

/* One cause. The source port is left out, so that a flood is one entry. */
struct cause {
    __u64 location;
    __u32 reason;
    __u32 netns;
    __u32 ifindex;
    __u16 ether_type;
    __u16 destination_port;
    __u8 source[16];
    __u8 destination[16];
    __u8 protocol;
    __u8 direction;
    __u8 reserved[6];
};
struct routine_cause {
    __u64 location;
    __u32 reason;
    __u32 thing;
};

/* What the program works on; too large for its stack. A program never interrupts itself on one CPU (the
 * kernel leaves the second call out and counts it), so one for each CPU is enough. */
struct desk {
    struct packet_drop_event event;
    struct packet_drop_total total;
    struct packet_free_routine routine;
    struct cause cause;
    __u64 stack[FIREWALL_STACK_DEPTH];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct desk);
} desks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __type(key, struct cause);
    __type(value, struct packet_drop_total);
} totals SEC(".maps");

/* When `totals` is full: one entry for each reason, so that the sum stays exact. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 512);
    __type(key, __u32);
    __type(value, struct packet_drop_total);
} overflow SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct routine_cause);
    __type(value, struct packet_free_routine);
} routine_frees SEC(".maps");

const volatile __u32 samples_per_cause = 10;    /* a second, of each cause */
const volatile __u32 samples_per_second = 2000; /* of all causes */
__u64 lost_map_full = 0;                        /* drops no map had room for */
__u64 sampled_second = 0;
__u32 sampled_count = 0;

static const __u32 zero = 0;

/* The upper half, also with page tables of five levels. */
static __always_inline _Bool is_kernel_address(__u64 address) { return address >= 0xff00000000000000ULL; }

/* skb->dev shares its place with UDP's dev_scratch (in a receive queue) and with a tree's pointer (TCP's
 * queues, netem, fq). So a device is believed only when its list and its namespace believe in it too. */
static __always_inline struct net_device* device_of(__u64 address) {
    struct net_device* dev = (struct net_device*)address;
    if (!is_kernel_address(address) || (address & 7)) return 0;
    struct list_head* before = BPF_CORE_READ(dev, dev_list.prev);
    if (!is_kernel_address((__u64)before)) return 0;
    if (BPF_CORE_READ(before, next) != __builtin_preserve_access_index(&dev->dev_list)) return 0;
    struct net* net = BPF_CORE_READ(dev, nd_net.net);
    if (BPF_CORE_READ(net, loopback_dev, nd_net.net) != net) return 0;
    return dev;
}

static __always_inline __u64 read_address(const void* place) {
    __u64 address = 0;
    bpf_probe_read_kernel(&address, sizeof address, place);
    return address;
}

/* The route the stack has found for the packet, or 0. */
static __always_inline struct dst_entry* route_of(struct sk_buff* skb) {
    __u64 address = skb->_skb_refdst & ~7ULL;
    struct dst_entry* dst = (struct dst_entry*)address;
    if (!is_kernel_address(address)) return 0;
    if (BPF_CORE_READ(dst, flags) & DST_METADATA) return 0; /* a tunnel's notes, not a route */
    return dst;
}

static __always_inline __u8 direction_of(struct sk_buff* skb, struct dst_entry* dst, struct net_device* dev,
                                         const struct packet_drop_event* event) {
    /* __netif_receive_skb_core() writes skb_iif, and nobody else does: 0 means "not received, or not yet". */
    if (!skb->skb_iif) {
        if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_CPU_BACKLOG) &&
            event->reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_CPU_BACKLOG))
            return packet_direction_in;
        if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_XDP) &&
            event->reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_XDP))
            return packet_direction_in;
        /* Behind its Ethernet header, on a device: the stack has taken it in and not yet looked at it (XDP in
         * generic mode). On the way out the header is in front, or not there yet. */
        if (dev && skb->mac_header != HEADER_UNSET && skb->mac_header + ETH_HLEN == skb->data - skb->head)
            return packet_direction_in;
        if (dst || read_address(&skb->sk)) return packet_direction_out;
        return packet_direction_unknown;
    }
    if (!dst) {
        /* Without a route: bridged or redirected when it stands at another device than it came by. */
        if (dev && BPF_CORE_READ(dev, ifindex) != skb->skb_iif) return packet_direction_forward;
        return packet_direction_in;
    }
    if (event->destination.family == 4) {
        __u16 type = BPF_CORE_READ((struct rtable*)dst, rt_type);
        /* A bridge that lets iptables see its packets gives them a route that says nothing. */
        if (type == RTN_UNSPEC && dev && BPF_CORE_READ(dev, ifindex) != skb->skb_iif)
            return packet_direction_forward;
        return type == RTN_UNICAST ? packet_direction_forward : packet_direction_in;
    }
    if (event->destination.family == 6) {
        if (event->destination.bytes[0] == 0xff) return packet_direction_in;
        __u32 flags = BPF_CORE_READ((struct rt6_info*)dst, rt6i_flags);
        __s16 error = BPF_CORE_READ(dst, error);
        return (flags & (RTF_LOCAL | RTF_ANYCAST)) || error ? packet_direction_in : packet_direction_forward;
    }
    return packet_direction_in;
}

static __always_inline _Bool is_routine_reason(__u32 reason) {
#define WAGGLE_IS(name)                                                              \
    if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_##name) &&  \
        reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_##name)) \
        return 1;
    WAGGLE_ROUTINE_REASONS(WAGGLE_IS)
#undef WAGGLE_IS
    return 0;
}

static __always_inline _Bool gives_no_reason(__u32 reason) {
    return reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED);
}

static __always_inline _Bool is_firewall(__u32 reason) {
    return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP) &&
           reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP);
}

static __always_inline _Bool is_no_route(__u32 reason) {
    return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_IP_INNOROUTES) &&
           reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_IP_INNOROUTES);
}

static __always_inline __u8 thing_of(__u16 family) {
    switch (family) {
        case AF_UNIX:
            return freed_thing_unix;
        case AF_NETLINK:
            return freed_thing_netlink;
        case 0:
        case AF_INET:
        case AF_INET6:
        case AF_PACKET:
            return freed_thing_packet;
    }
    return freed_thing_other;
}

/* The socket that refused the packet or sent it. A connection that is only half open or waits for its end has
 * no owner, and less memory than a whole socket: no more is read of it. */
static __always_inline void read_socket(struct packet_drop_event* event, struct sock* sk, __u16 family) {
    __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
    event->socket_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    if (!event->netns) event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV) return;
    if (family != AF_INET && family != AF_INET6 && family != AF_PACKET) return;
    event->socket_inode = waggle_socket_inode(sk);
    event->socket_uid = BPF_CORE_READ(sk, sk_uid.val);
    if (!event->header.cgroup_id) event->header.cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/* The process, where the drop happens in its own system call; interrupts hit whoever happens to run. */
static __always_inline void read_process(struct waggle_event* header, const __u64* context) {
    struct task_struct* task = bpf_get_current_task_btf();
    header->start_ns = 0;
    header->cgroup_id = 0;
    header->pid = 0;
    header->tid = 0;
    __builtin_memset(header->comm, 0, sizeof header->comm);
    if (!waggle_in_system_call(context, task)) return;
    header->start_ns = waggle_start_ns(task);
    header->cgroup_id = bpf_get_current_cgroup_id();
    header->pid = task->tgid;
    header->tid = task->pid;
    bpf_get_current_comm(header->comm, sizeof header->comm);
}

static __always_inline void read_device(struct packet_drop_event* event, struct sk_buff* skb,
                                        struct dst_entry* dst, struct net_device* dev) {
    struct net_device* at = dev;
    /* A packet of this machine's own has a route before it has a device; one that TCP took has lost it. */
    if (!at && dst) {
        at = device_of((__u64)BPF_CORE_READ(dst, dev));
        if (at && skb->skb_iif && BPF_CORE_READ(at, ifindex) != skb->skb_iif) {
            event->netns = BPF_CORE_READ(at, nd_net.net, ns.inum);
            at = 0;
        }
    }
    event->ifindex = skb->skb_iif;
    if (!at) return;
    event->ifindex = BPF_CORE_READ(at, ifindex);
    event->netns = BPF_CORE_READ(at, nd_net.net, ns.inum);
    bpf_probe_read_kernel_str(event->device, sizeof event->device,
                              __builtin_preserve_access_index(&at->name));
}

static __always_inline void count_routine(struct desk* desk, __u32 reason, __u64 location, __u32 thing,
                                          __u32 bytes) {
    struct routine_cause cause = {location, reason, thing};
    struct packet_free_routine* found = bpf_map_lookup_elem(&routine_frees, &cause);
    if (!found) {
        struct packet_free_routine* fresh = &desk->routine;
        __builtin_memset(fresh, 0, sizeof *fresh);
        fresh->header.kind = packet_drop_kind_routine;
        fresh->header.size = sizeof *fresh;
        fresh->location = location;
        fresh->reason = reason;
        fresh->thing = thing;
        bpf_map_update_elem(&routine_frees, &cause, fresh, BPF_NOEXIST);
        found = bpf_map_lookup_elem(&routine_frees, &cause);
        if (!found) {
            __sync_fetch_and_add(&lost_map_full, 1);
            return;
        }
    }
    found->header.time_ns = bpf_ktime_get_ns();
    __sync_fetch_and_add(&found->packets, 1);
    __sync_fetch_and_add(&found->bytes, bytes);
}

static __always_inline void fill_total(struct desk* desk) {
    const struct packet_drop_event* event = &desk->event;
    struct packet_drop_total* total = &desk->total;
    __builtin_memset(total, 0, sizeof *total);
    total->header = event->header;
    total->header.kind = packet_drop_kind_total;
    total->header.size = sizeof *total;
    total->source = event->source;
    total->destination = event->destination;
    total->location = event->location;
    total->socket_inode = event->socket_inode;
    total->socket_uid = event->socket_uid;
    total->reason = event->reason;
    total->netns = event->netns;
    total->ifindex = event->ifindex;
    total->destination_port = event->destination_port;
    total->socket_port = event->socket_port;
    total->ether_type = event->ether_type;
    total->protocol = event->protocol;
    total->direction = event->direction;
    __builtin_memcpy(total->device, event->device, sizeof total->device);
}

static __always_inline struct packet_drop_total* overflow_total(struct desk* desk) {
    __u32 reason = desk->event.reason;
    struct packet_drop_total* found = bpf_map_lookup_elem(&overflow, &reason);
    if (found) return found;
    struct packet_drop_total* fresh = &desk->total;
    __builtin_memset(fresh, 0, sizeof *fresh);
    fresh->header.kind = packet_drop_kind_total;
    fresh->header.size = sizeof *fresh;
    fresh->reason = reason;
    fresh->protocol = PACKET_DROP_NO_PROTOCOL;
    fresh->socket_uid = PACKET_DROP_NO_UID;
    fresh->overflow = 1;
    bpf_map_update_elem(&overflow, &reason, fresh, BPF_NOEXIST);
    return bpf_map_lookup_elem(&overflow, &reason);
}

static __always_inline struct packet_drop_total* total_of(struct desk* desk) {
    const struct packet_drop_event* event = &desk->event;
    struct cause* cause = &desk->cause;
    cause->location = event->location;
    cause->reason = event->reason;
    cause->netns = event->netns;
    cause->ifindex = event->ifindex;
    cause->ether_type = event->ether_type;
    cause->destination_port = event->destination_port;
    __builtin_memcpy(cause->source, event->source.bytes, 16);
    __builtin_memcpy(cause->destination, event->destination.bytes, 16);
    cause->protocol = event->protocol;
    cause->direction = event->direction;
    struct packet_drop_total* found = bpf_map_lookup_elem(&totals, cause);
    if (found) return found;
    fill_total(desk);
    bpf_map_update_elem(&totals, cause, &desk->total, BPF_NOEXIST);
    found = bpf_map_lookup_elem(&totals, cause);
    return found ? found : overflow_total(desk);
}

/* The first few of each cause and second, and not more than the ring takes in one. Two CPUs may both count
 * their packet as the last one: a sample more or less harms nobody. */
static __always_inline _Bool is_sample(struct packet_drop_total* total, __u64 now) {
    __u64 second = now / NSEC_PER_SEC;
    if (total->sample_second != second) {
        total->sample_second = second;
        total->sample_count = 0;
    }
    if (total->sample_count >= samples_per_cause) return 0;
    if (sampled_second != second) {
        sampled_second = second;
        sampled_count = 0;
    }
    if (sampled_count >= samples_per_second) return 0;
    total->sample_count++;
    __sync_fetch_and_add(&sampled_count, 1);
    return 1;
}

static __always_inline void send(const struct packet_drop_event* event) {
    struct packet_drop_event* record = waggle_reserve(sizeof *record);
    if (!record) return;
    __builtin_memcpy(record, event, sizeof *record);
    waggle_submit(record);
}

static __always_inline void add_to(struct packet_drop_total* total, const struct packet_drop_event* event) {
    total->header.time_ns = event->header.time_ns;
    if (!total->overflow) {
        total->socket_inode = event->socket_inode;
        total->socket_uid = event->socket_uid;
    }
    if (total->header.pid != event->header.pid) { /* several processes: none is to blame alone */
        total->header.pid = 0;
        total->header.tid = 0;
        total->header.start_ns = 0;
        total->header.cgroup_id = 0;
        total->header.comm[0] = 0;
    }
    __sync_fetch_and_add(&total->packets, 1);
    __sync_fetch_and_add(&total->bytes, event->length_bytes);
    __sync_fetch_and_add(&total->segments, event->segments);
}

/* UDP's dev_scratch is still there: the packet had reached a receive queue, and the queue was thrown away. */
static __always_inline _Bool was_queued_for_udp(__u64 dev) { return dev != 0 && !is_kernel_address(dev); }

/* Whether the stack had taken the packet for this machine: it has a route that ends here, or TCP has taken
 * its device away. What ends before that (at XDP, at a route that drops) never reached anybody. */
static __always_inline _Bool reached_its_stack(struct sk_buff* skb, const struct packet_drop_event* event,
                                               __u64 dev_address) {
    struct dst_entry* dst = route_of(skb);
    if (!dst) return !dev_address || !skb->skb_iif;
    if (event->destination.family == 4) return BPF_CORE_READ((struct rtable*)dst, rt_type) == RTN_LOCAL;
    return (BPF_CORE_READ((struct rt6_info*)dst, rt6i_flags) & RTF_LOCAL) != 0;
}

/* TCP that says nothing new, freed without a reason: the last packets of a connection, whose socket needs
 * them no more, and a repeated SYN, which was answered again. Kernels that name no socket (`knows_socket`)
 * cannot tell these acknowledgements from a handshake's last one that found the accept queue full. */
static __always_inline _Bool says_nothing_new(const struct packet_drop_event* event, struct sock* sk,
                                              _Bool knows_socket, _Bool without_payload) {
    if (event->protocol != IPPROTO_TCP || !without_payload) return 0;
    if (event->tcp_flags & (TCP_FIN_OR_RST | TCP_SYN)) return 1;
    return !knows_socket || (sk && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_TIME_WAIT);
}

/* It came for all or for a group (or is the sender's own copy of such a packet), and nobody here wants it. */
static __always_inline _Bool came_for_others(struct sk_buff* skb, const struct waggle_address* to) {
    if (!skb->skb_iif) return 0;
    __u8 type = BPF_CORE_READ_BITFIELD(skb, pkt_type);
    if (type == PACKET_BROADCAST || type == PACKET_MULTICAST || type == PACKET_LOOPBACK) return 1;
    if (to->family == 4) return (to->bytes[0] & 0xf0) == 0xe0;
    return to->family == 6 && to->bytes[0] == 0xff;
}

static __always_inline int drop(const __u64* context, __u64 receiver, _Bool knows_socket) {
    struct sk_buff* skb = (struct sk_buff*)context[0];
    __u64 location = context[1];
    __u32 reason = context[2];
    struct desk* desk = bpf_map_lookup_elem(&desks, &zero);
    if (!desk) return 0;
    struct packet_drop_event* event = &desk->event;
    __u64 owner = receiver ? receiver : read_address(&skb->sk);
    struct sock* sk = is_kernel_address(owner) ? (struct sock*)owner : 0;
    __u16 family = sk ? BPF_CORE_READ(sk, __sk_common.skc_family) : 0;
    __u8 thing = thing_of(family);
    _Bool routine = is_routine_reason(reason) || (thing != freed_thing_packet && gives_no_reason(reason));
    if (routine && (thing != freed_thing_packet || !events_wanted)) {
        count_routine(desk, reason, location, thing, skb->len);
        return 0;
    }
    __builtin_memset(event, 0, sizeof *event);
    event->header.kind = packet_drop_kind_event;
    event->header.size = sizeof *event;
    event->header.time_ns = bpf_ktime_get_ns();
    event->location = location;
    event->reason = reason;
    event->socket_uid = PACKET_DROP_NO_UID;
    _Bool without_payload = read_packet(event, skb);
    __u64 dev_address = read_address(&skb->dev);
    _Bool unqueued = is_lost_on_the_way_to_a_program(location);
    if (!unqueued && (gives_no_reason(reason) || is_no_route(reason)) &&
        came_for_others(skb, &event->destination))
        routine = 1;
    if (!unqueued && gives_no_reason(reason)) {
        if (waggle_icmp6_gives_no_reason() && event->protocol == IPPROTO_ICMPV6 && skb->skb_iif) routine = 1;
        if (was_queued_for_udp(dev_address) || (says_nothing_new(event, sk, knows_socket, without_payload) &&
                                                reached_its_stack(skb, event, dev_address)))
            routine = 1;
        if (!event->ether_type && !skb->skb_iif && !dev_address) {
            thing = freed_thing_other; /* never was on a wire: a message inside this machine */
            routine = 1;
        }
    }
    if (routine) {
        count_routine(desk, reason, location, thing, skb->len);
        if (!events_wanted || thing != freed_thing_packet) return 0;
        event->routine = 1;
    }
    struct net_device* dev = device_of(dev_address);
    struct dst_entry* dst = route_of(skb);
    read_process(&event->header, context);
    read_device(event, skb, dst, dev);
    event->direction = direction_of(skb, dst, dev, event);
    if (sk) read_socket(event, sk, family);
    if (!waggle_wanted(&event->header)) return 0;
    if (routine) {
        send(event);
        return 0;
    }
    struct packet_drop_total* total = total_of(desk);
    if (!total) {
        __sync_fetch_and_add(&lost_map_full, 1);
        if (events_wanted) send(event);
        return 0;
    }
    add_to(total, event);
    _Bool sample = is_sample(total, event->header.time_ns);
    if (!sample && !events_wanted) return 0;
    if (sample) read_way(event, skb, dst, dev);
    if (sample && sk && event->socket_inode) {
        struct sock___with_filter* filtered = (struct sock___with_filter*)sk;
        event->socket_filter =
            bpf_core_field_exists(filtered->sk_filter) && BPF_CORE_READ(filtered, sk_filter) != 0;
    }
    if (sample && is_firewall(reason)) read_callers(event, context, desk->stack);
    if (sample && (is_firewall(reason) || has_connection(skb))) read_connection(event, skb);
    send(event);
    return 0;
}

/* Since 6.11 the tracepoint names the socket that refused the packet (c53795d48ee8 "net: add rx_sk to
 * trace_kfree_skb"); on kernels without it this program does not load. The argument may be null, and
 * some 6.12 take it for never null and would leave out our check (838a10bd2ebf "bpf: Augment raw_tp arguments
 * with PTR_MAYBE_NULL"); so it is fetched as a number that the kernel knows nothing of. */
SEC("tp_btf/kfree_skb")
int on_drop_with_socket(__u64* context) {
    asm volatile("" : : "r"(context[3]));
    return drop(context, read_address(&context[3]), 1);
}

SEC("tp_btf/kfree_skb")
int on_drop(__u64* context) { return drop(context, 0, 0); }
