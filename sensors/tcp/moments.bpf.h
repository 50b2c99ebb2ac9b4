/* SPDX-License-Identifier: GPL-2.0 */
/* Rows of single moments in a connection's life: what tcpconnect, tcpaccept, tcpstates, tcpretrans and the like print. Each
 * table is made only where it is asked for by name; what nobody asks for is not even in the loaded program. */
#pragma once

#define BPF_F_CLONE 512

/* Who called listen(), which the kernel copies to each socket that a listener makes (BPF_F_CLONE). And since when the socket is in
 * its state. */
struct holder {
    struct waggle_event who; /* only the owner */
    __u64 changed_ns;
};
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct holder);
} holders SEC(".maps");

/* Who held a listening socket when the watching began. By its port: a socket that is found by way of a file is none that storage can
 * be asked of. */
struct port_key {
    __u32 netns;
    __u32 port;
};
struct older_listener {
    struct waggle_event who; /* pid 0: several */
    __u64 socket;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct port_key);
    __type(value, struct older_listener);
} older_listeners SEC(".maps");

/* What a row says besides who and where. */
struct moment {
    __u64 took_ns;
    __u32 segments;
    __u8 kind;
    __u8 before;
    __u8 after;
    __u8 what;
};

static __always_inline struct holder* holder_of(struct sock* sk) {
    struct holder* holder = bpf_sk_storage_get(&holders, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!holder) __sync_fetch_and_add(&lost_map_full, 1);
    return holder;
}

static __always_inline __u16 local_port(const struct sock* sk) {
    /* Not skc_num, which is given back before the end is told. */
    return bpf_ntohs(BPF_CORE_READ((const struct inet_sock*)sk, inet_sport));
}

/* Who called connect(), or listens; all 0 where that is not known. `state` is the one before. */
static __always_inline void name_owner(struct sock* sk, __u8 state, struct waggle_event* who) {
    struct life* life = bpf_sk_storage_get(&lives, sk, 0, 0);
    if (life && life->role == tcp_role_active) {
        *who = life->who;
        return;
    }
    struct holder* holder = bpf_sk_storage_get(&holders, sk, 0, 0);
    if (holder && holder->who.pid) {
        *who = holder->who;
        return;
    }
    if (life ? life->role != tcp_role_passive : state != LISTEN && state != SYN_RECV) return;
    struct port_key key = {BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum), local_port(sk)};
    struct older_listener* older = bpf_map_lookup_elem(&older_listeners, &key);
    if (older) *who = older->who;
}

static __always_inline struct tcp_moment_event* reserve_moment(const struct waggle_event* who,
                                                               const struct moment* moment) {
    if (!waggle_wanted(who)) return 0;
    struct tcp_moment_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    event->header = *who;
    event->header.kind = moment->kind;
    event->header.size = sizeof *event;
    event->header.time_ns = bpf_ktime_get_ns();
    __builtin_memset(&event->local_address, 0, 2 * sizeof event->local_address);
    event->took_ns = moment->took_ns;
    event->segments = moment->segments;
    event->before = moment->before;
    event->after = moment->after;
    event->what = moment->what;
    event->reserved = 0;
    return event;
}

static __noinline int tell_moment(struct sock* sk, const struct moment* moment) {
    if (!sk || !moment) return 0;
    struct waggle_event who = {};
    name_owner(sk, moment->before, &who);
    struct tcp_moment_event* event = reserve_moment(&who, moment);
    if (!event) return 0;
    __u32 address[4];
    event->local_address.family = read_address(sk, 0, address);
    __builtin_memcpy(event->local_address.bytes, address, sizeof address);
    event->remote_address.family = read_address(sk, 1, address);
    __builtin_memcpy(event->remote_address.bytes, address, sizeof address);
    event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    event->local_port = local_port(sk);
    event->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
    waggle_submit(event);
    return 0;
}

static __always_inline void tell_state(struct sock* sk, int before, int after) {
    struct holder* holder = holder_of(sk);
    __u64 now = bpf_ktime_get_ns();
    struct moment moment = {.kind = tcp_kind_state, .before = before, .after = after};
    if (holder) {
        /* A listener's child has its listener's time; how long a socket was closed is nothing of its connection. */
        _Bool begins = before == CLOSED || (before == LISTEN && after == SYN_RECV);
        if (holder->changed_ns && !begins) moment.took_ns = now - holder->changed_ns;
        holder->changed_ns = now;
    }
    tell_moment(sk, &moment);
}

/* Attached behind on_state, so that `lives` has followed the change; the kernel runs what hangs at one place in the order in which it
 * came there. A program of its own, so that on_state is the same whoever asks. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_change, struct sock* sk, int before, int after) {
    if (sk->sk_protocol != IPPROTO_TCP || before == after) return 0;
    if (after == LISTEN) {
        struct holder* holder = holder_of(sk);
        if (holder) name_current(&holder->who);
    }
    if (after == SYN_SENT && waggle_named(tcp_kind_attempt)) {
        struct moment moment = {.kind = tcp_kind_attempt};
        tell_moment(sk, &moment);
    }
    if (after == ESTABLISHED && (waggle_named(tcp_kind_opened) || waggle_named(tcp_kind_incoming))) {
        struct life* life = bpf_sk_storage_get(&lives, sk, 0, 0);
        _Bool active = life && life->role == tcp_role_active;
        struct moment moment = {.kind = active ? tcp_kind_opened : tcp_kind_incoming};
        if (active) moment.took_ns = life->connect_ns;
        /* Of one whose connect() was not seen, how long it took is not known. */
        if (waggle_named(moment.kind) && (active || (life && life->role == tcp_role_passive)))
            tell_moment(sk, &moment);
    }
    if (waggle_named(tcp_kind_state)) tell_state(sk, before, after);
    return 0;
}

static __always_inline void tell_retransmit(struct sock* sk, __u8 state, __u8 why, __u32 segments) {
    struct moment moment = {
        .kind = tcp_kind_retransmit, .before = state, .after = state, .what = why, .segments = segments};
    tell_moment(sk, &moment);
}

/* Both ends as the packet says them that came from the other side. */
static __always_inline void read_ends(struct tcp_moment_event* event, const struct sk_buff* skb) {
    const __u8* head = BPF_CORE_READ(skb, head);
    const __u8* network = head + BPF_CORE_READ(skb, network_header);
    const __u8* transport = head + BPF_CORE_READ(skb, transport_header);
    __u8 version = 0;
    __be16 ports[2] = {};
    bpf_probe_read_kernel(&version, sizeof version, network);
    version >>= 4;
    if (version == 4) {
        bpf_probe_read_kernel(event->remote_address.bytes, 4, network + 12);
        bpf_probe_read_kernel(event->local_address.bytes, 4, network + 16);
    } else if (version == 6) {
        bpf_probe_read_kernel(event->remote_address.bytes, 16, network + 8);
        bpf_probe_read_kernel(event->local_address.bytes, 16, network + 24);
    } else {
        return;
    }
    event->remote_address.family = event->local_address.family = version;
    bpf_probe_read_kernel(ports, sizeof ports, transport);
    event->remote_port = bpf_ntohs(ports[0]);
    event->local_port = bpf_ntohs(ports[1]);
}

/* A reset in answer to a packet. The socket can be none, or one that is none any more (TIME_WAIT): nothing of it is read but by
 * helpers that check. Kernels before 6.13 take it for certain that a tracepoint's pointers are not null, and read through them
 * without a guard (torvalds/linux@838a10bd2ebf). */
static __always_inline int tell_answer(struct sock* sk, __u64 raw_sk, __u64 raw_skb) {
    const struct sk_buff* skb = (const void*)raw_skb;
    const struct sock* any = (const void*)raw_sk;
    struct moment moment = {.kind = tcp_kind_reset, .what = tcp_reset_sent};
    struct waggle_event who = {};
    if (raw_sk) moment.before = moment.after = BPF_CORE_READ(any, __sk_common.skc_state);
    if (sk) name_owner(sk, moment.before, &who);
    struct tcp_moment_event* event = reserve_moment(&who, &moment);
    if (!event) return 0;
    event->local_port = event->remote_port = 0;
    read_ends(event, skb);
    event->netns = raw_sk ? BPF_CORE_READ(any, __sk_common.skc_net.net, ns.inum)
                          : BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
    waggle_submit(event);
    return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset_sent, struct sock* sk, struct sk_buff* skb) {
    __u64 raw[2] = {};
    bpf_probe_read_kernel(raw, sizeof raw, ctx);
    if (raw[1]) return tell_answer(sk, raw[0], raw[1]);
    /* One that a program's close() makes, or the kernel's own end of a connection: there is a socket. */
    if (!raw[0] || !sk) return 0;
    __u8 state = sk->__sk_common.skc_state;
    struct moment moment = {.kind = tcp_kind_reset, .what = tcp_reset_sent, .before = state, .after = state};
    return tell_moment(sk, &moment);
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_reset_received, struct sock* sk) {
    __u8 state = sk->__sk_common.skc_state;
    struct moment moment = {
        .kind = tcp_kind_reset, .what = tcp_reset_received, .before = state, .after = state};
    return tell_moment(sk, &moment);
}

/* Listening sockets that are there already, and who has them: the first that is found. */
SEC("iter/task_file")
int on_file(struct bpf_iter__task_file* context) {
    struct task_struct* task = context->task;
    struct file* file = context->file;
    if (!task || !file) return 0;
    struct socket* socket = bpf_sock_from_file(file);
    if (!socket) return 0;
    struct sock* sk = socket->sk;
    if (!sk || sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_state != LISTEN) return 0;
    __u16 family = sk->__sk_common.skc_family;
    if (family != AF_INET && family != AF_INET6) return 0;
    struct port_key key = {BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum), local_port(sk)};
    struct older_listener* known = bpf_map_lookup_elem(&older_listeners, &key);
    if (known) {
        if (known->socket != (__u64)sk && known->who.pid != task->tgid)
            __builtin_memset(&known->who, 0, sizeof known->who);
        return 0;
    }
    struct older_listener made = {.socket = (__u64)sk};
    made.who.start_ns = waggle_start_ns(task);
    made.who.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
    made.who.pid = made.who.tid = task->tgid;
    waggle_process_comm(made.who.comm, task);
    if (bpf_map_update_elem(&older_listeners, &key, &made, BPF_NOEXIST))
        __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}
