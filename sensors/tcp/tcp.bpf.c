// SPDX-License-Identifier: GPL-2.0
/* A connection's life by its states, never by its packets: it begins (SYN_SENT, or ESTABLISHED of one that was
 * made by the other side), and everything else is read from the socket at its end. What is sent again has a
 * hook of its own, so that it is seen while a connection lives.
 *
 * How it ended follows from the state it had and from sk_err, so resets need no hook: tcp_send_reset comes
 * after the end, and tcp_receive_reset also for data that arrived after close(). */
/* clang-format off */
#include "bpf/ring.h"
#include "bpf/process_flags.h"
#include <bpf/bpf_endian.h>
#include "sensors/tcp/tcp.event.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define CA_RECOVERY 3
#define CA_LOSS 4
#define EPIPE 32
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113

/* The kernel's own numbers of TCP states. */
enum {
    ESTABLISHED = 1,
    SYN_SENT = 2,
    SYN_RECV = 3,
    FIN_WAIT1 = 4,
    FIN_WAIT2 = 5,
    CLOSED = 7,
    CLOSE_WAIT = 8,
    LAST_ACK = 9,
    LISTEN = 10,
    CLOSING = 11,
};

__u64 lost_map_full = 0; /* connections or totals that found no room */

/* What a socket does not remember itself. Goes when the socket goes. */
struct life {
    struct waggle_event who; /* only the owner: start_ns, cgroup_id, pid, tid, comm */
    __u64 began_ns;
    __u64 connect_ns;
    __u32 syn_retransmits;
    __u32 timeout_retransmits;
    __u32 fast_retransmits;
    __u32 other_retransmits;
    __u32 retransmits_seen; /* of tcp_sock.total_retrans */
    __u32 segments_seen;    /* of tcp_sock.segs_out */
    __u8 role;
    __u8 begun; /* filled in */
    __u8 reserved[6];
};
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct life);
} lives SEC(".maps");

struct total_key {
    __u64 start_ns;
    __u32 pid;
    __u32 netns;
    __u32 remote[4];
    __u16 port; /* the one that is not chosen anew for each connection */
    __u8 family;
    __u8 role;
    __u32 reserved;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct total_key);
    __type(value, struct tcp_total_state);
} totals SEC(".maps");

/* When `totals` is full: one entry for each network namespace and role, so that the sums stay exact. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 128);
    __type(key, struct total_key);
    __type(value, struct tcp_total_state);
} overflow SEC(".maps");

/* A record too large for the stack, built here. on_state and on_retransmit can build at the same time. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct tcp_total_state);
} new_total SEC(".maps");

static __always_inline void add(__u64* counter, __u64 more) {
    if (more) __sync_fetch_and_add(counter, more);
}

/* The owner's place in a row or a life; the kernel itself is nobody. */
static __always_inline void name_current(struct waggle_event* who) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (task->flags & PF_KTHREAD) return;
    waggle_header(who, 0, 0, task);
}

/* An IPv4 address that an IPv6 socket uses is told as IPv4. */
static __always_inline __u8 read_address(const struct sock* sk, _Bool remote, __u32* out) {
    const struct sock_common* common = &sk->__sk_common;
    out[0] = out[1] = out[2] = out[3] = 0;
    if (common->skc_family != AF_INET6) {
        out[0] = remote ? common->skc_daddr : common->skc_rcv_saddr;
        return 4;
    }
    const struct in6_addr* from = remote ? &common->skc_v6_daddr : &common->skc_v6_rcv_saddr;
    __u32 first = from->in6_u.u6_addr32[0], second = from->in6_u.u6_addr32[1];
    __u32 third = from->in6_u.u6_addr32[2], fourth = from->in6_u.u6_addr32[3];
    if (!first && !second && third == bpf_htonl(0xffff)) {
        out[0] = fourth;
        return 4;
    }
    out[0] = first, out[1] = second, out[2] = third, out[3] = fourth;
    return 6;
}

static __noinline int make_total(struct total_key* key, const struct waggle_event* who, __u32 desk,
                                 _Bool overflows) {
    struct tcp_total_state* made = bpf_map_lookup_elem(&new_total, &desk);
    if (!made || !key || !who) return 0;
    __builtin_memset(&made->row, 0, sizeof made->row);
    made->row.header.kind = tcp_kind_total;
    made->row.header.size = sizeof made->row;
    made->row.header.start_ns = key->start_ns;
    made->row.header.pid = key->pid;
    made->row.header.tid = key->pid;
    made->row.netns = key->netns;
    made->row.role = key->role;
    made->row.overflow = overflows;
    if (overflows) return bpf_map_update_elem(&overflow, key, made, BPF_NOEXIST);
    made->row.header.cgroup_id = who->cgroup_id;
    if (key->pid) __builtin_memcpy(made->row.header.comm, who->comm, sizeof made->row.header.comm);
    made->row.remote_address.family = key->family;
    __builtin_memcpy(made->row.remote_address.bytes, key->remote, sizeof key->remote);
    if (key->role == tcp_role_active) made->row.remote_port = key->port;
    if (key->role == tcp_role_passive) made->row.local_port = key->port;
    return bpf_map_update_elem(&totals, key, made, BPF_NOEXIST);
}

static __noinline struct tcp_total_state* make_room(struct total_key* key, const struct waggle_event* who,
                                                    __u32 desk) {
    make_total(key, who, desk, 0);
    struct tcp_total_state* total = bpf_map_lookup_elem(&totals, key);
    if (total) return total;
    struct total_key rest = {.netns = key->netns, .role = key->role};
    total = bpf_map_lookup_elem(&overflow, &rest);
    if (!total) {
        make_total(&rest, who, desk, 1);
        total = bpf_map_lookup_elem(&overflow, &rest);
    }
    return total;
}

static __always_inline struct tcp_total_state* total_of(const struct sock* sk, const struct tcp_sock* tp,
                                                        const struct life* life, __u32 desk) {
    struct total_key key = {.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum), .role = life->role};
    if (life->role == tcp_role_active) {
        key.start_ns = life->who.start_ns;
        key.pid = life->who.pid;
        key.port = bpf_ntohs(sk->__sk_common.skc_dport);
    } else if (life->role == tcp_role_passive) {
        key.port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
    }
    key.family = read_address(sk, 1, key.remote);
    struct tcp_total_state* total = bpf_map_lookup_elem(&totals, &key);
    if (!total) total = make_room(&key, &life->who, desk);
    if (!total) __sync_fetch_and_add(&lost_map_full, 1);
    return total;
}

#include "sensors/tcp/moments.bpf.h"

/* --pid and the like: of passive ones no process is known while they live. */
static __always_inline _Bool is_wanted(const struct life* life) { return waggle_wanted(&life->who); }

/* A socket's life; made where it has none. */
static __always_inline struct life* life_of(struct sock* sk) {
    struct life* life = bpf_sk_storage_get(&lives, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!life) __sync_fetch_and_add(&lost_map_full, 1);
    return life;
}

static __always_inline void begin(struct life* life, __u8 role, __u64 now) {
    /* A socket can connect again after it has failed. */
    __builtin_memset(life, 0, sizeof *life);
    life->role = role;
    life->begun = 1;
    life->began_ns = now;
}

/* connect(): the state is set by the task that calls it. */
static __always_inline void on_connect(struct life* life, const struct tcp_sock* tp, __u64 now) {
    begin(life, tcp_role_active, now);
    name_current(&life->who);
    life->retransmits_seen = tp->total_retrans;
    life->segments_seen = tp->segs_out;
}

static __always_inline void count_opened(struct tcp_total_state* total, const struct life* life,
                                         _Bool is_new) {
    __sync_fetch_and_add(&total->row.opened, 1);
    if (is_new) add(&total->row.syn_retransmits, life->syn_retransmits);
    if (life->role != tcp_role_active) return;
    if (life->syn_retransmits) __sync_fetch_and_add(&total->row.opened_late, 1);
    __sync_fetch_and_add(&total->row.connect_ns, life->connect_ns);
    waggle_hist_count(total->connect_slots, life->connect_ns, TCP_TIME_UNIT, TCP_TIME_END);
}

static __always_inline __u8 end_of_attempt(const struct tcp_sock* tp, int error) {
    /* connect() sets the state before it looks for a port, and takes it back where it finds none. */
    if (!error && !tp->segs_out && !tp->inet_conn.icsk_inet.inet_sport) return tcp_end_no_port;
    /* Only TCP's own segments count in segs_in: ICMP's "port unreachable" gives the same error. */
    if (error == ECONNREFUSED) return tp->segs_in ? tcp_end_refused : tcp_end_unreachable;
    if (error == ETIMEDOUT) return tcp_end_no_answer;
    if (error == EHOSTUNREACH || error == ENETUNREACH) return tcp_end_unreachable;
    if (error == ECONNABORTED) return tcp_end_destroyed;
    if (error) return tcp_end_other;
    return tp->segs_out ? tcp_end_gave_up : tcp_end_not_sent;
}

static __always_inline __u8 end_of(const struct tcp_sock* tp, int state, int error) {
    if (state == SYN_SENT) return end_of_attempt(tp, error);
    if (state == SYN_RECV) return tcp_end_not_accepted;
    if (error == ETIMEDOUT) return tcp_end_timed_out;
    if (error == ECONNABORTED) return tcp_end_destroyed;
    if (state == ESTABLISHED && error == ECONNRESET) return tcp_end_reset_by_peer;
    if (error == ECONNRESET || error == EPIPE) return tcp_end_reset_in_closing;
    if (error) return tcp_end_other;
    if (state == ESTABLISHED || state == CLOSE_WAIT) return tcp_end_reset_here;
    if (state == LAST_ACK) return tcp_end_closed_there;
    if (state == FIN_WAIT2 || state == CLOSING) return tcp_end_closed_here;
    return tcp_end_other;
}

static __always_inline void count_end(struct tcp_total_event* row, __u8 ended) {
    __u64* counter = &row->other_ends;
    switch (ended) {
        case tcp_end_closed_here:
        case tcp_end_closed_there:
            counter = &row->closed;
            break;
        case tcp_end_reset_by_peer:
            counter = &row->reset_by_peer;
            break;
        case tcp_end_reset_here:
            counter = &row->reset_here;
            break;
        case tcp_end_reset_in_closing:
            counter = &row->reset_in_closing;
            break;
        case tcp_end_timed_out:
            counter = &row->timed_out;
            break;
        case tcp_end_refused:
            counter = &row->refused;
            break;
        case tcp_end_unreachable:
            counter = &row->unreachable;
            break;
        case tcp_end_no_answer:
            counter = &row->no_answer;
            break;
        case tcp_end_gave_up:
            counter = &row->gave_up;
            break;
        case tcp_end_no_port:
            counter = &row->no_port;
            break;
    }
    __sync_fetch_and_add(counter, 1);
}

/* Why a program here reset it. What a process that ends has open is closed by the kernel, and was not meant so. */
static __always_inline void count_reset_here(struct tcp_total_event* row, const struct sock* sk,
                                             const struct tcp_sock* tp, int state) {
    if (bpf_get_current_task_btf()->flags & PF_EXITING) return;
    __u32 unread = tp->rcv_nxt - tp->copied_seq;
    if (state == CLOSE_WAIT && unread) --unread; /* the other side's FIN has a number too */
    if (unread) {
        __sync_fetch_and_add(&row->reset_unread, 1);
        __sync_fetch_and_add(&row->unread_bytes, unread);
    } else if (sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_LINGER) & 1 &&
               !sk->sk_lingertime) {
        __sync_fetch_and_add(&row->reset_asked, 1);
    }
}

static __always_inline __u64 received_bytes(const struct sock* sk, const struct tcp_sock* tp) {
    /* The other side's FIN has a sequence number too, and is counted as a byte. */
    __u64 fin = sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
    return tp->bytes_received - (tp->bytes_received ? fin : 0);
}

static __always_inline void tell(const struct sock* sk, const struct tcp_sock* tp, const struct life* life,
                                 __u8 ended, int error) {
    struct tcp_connection_event* event = waggle_reserve(sizeof *event);
    if (!event) return;
    __u64 now = bpf_ktime_get_ns();
    __u32 address[4];
    event->header = life->who;
    event->header.kind = tcp_kind_connection;
    event->header.size = sizeof *event;
    event->header.time_ns = now;
    __builtin_memset(&event->local_address, 0, 2 * sizeof event->local_address);
    event->local_address.family = read_address(sk, 0, address);
    __builtin_memcpy(event->local_address.bytes, address, sizeof address);
    event->remote_address.family = read_address(sk, 1, address);
    __builtin_memcpy(event->remote_address.bytes, address, sizeof address);
    event->lived_ns = life->began_ns ? now - life->began_ns : 0;
    event->connect_ns = life->connect_ns;
    event->sent_bytes = tp->bytes_sent - tp->bytes_retrans;
    event->received_bytes = received_bytes(sk, tp);
    event->rtt_ns = (tp->srtt_us >> 3) * 1000ULL;
    __u32 least_us = tp->rtt_min.s[0].v;
    event->least_rtt_ns = least_us == ~0U ? 0 : least_us * 1000ULL; /* ~0: nothing was measured */
    event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    event->error = error;
    event->sent_segments = tp->segs_out;
    event->received_segments = tp->segs_in;
    event->syn_retransmits = life->syn_retransmits;
    event->timeout_retransmits = life->timeout_retransmits;
    event->fast_retransmits = life->fast_retransmits;
    event->other_retransmits = life->other_retransmits;
    event->local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
    event->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
    event->role = life->role;
    event->ended = ended;
    event->reserved[0] = event->reserved[1] = 0;
    waggle_submit(event);
}

static __always_inline void count_life(struct tcp_total_event* row, const struct sock* sk,
                                       const struct tcp_sock* tp, const struct life* life, int state,
                                       __u8 ended, __u64 now) {
    count_end(row, ended);
    if (ended == tcp_end_closed_here) __sync_fetch_and_add(&row->closed_here, 1);
    if (ended == tcp_end_reset_here) count_reset_here(row, sk, tp, state);
    if (life->began_ns && state != SYN_SENT && state != SYN_RECV)
        __sync_fetch_and_add(&row->lived_ns, now - life->began_ns);
    add(&row->sent_segments, tp->segs_out - life->segments_seen);
    add(&row->sent_bytes, tp->bytes_sent - tp->bytes_retrans);
    add(&row->received_bytes, received_bytes(sk, tp));
}

static __always_inline void on_end(const struct sock* sk, const struct tcp_sock* tp, struct life* life,
                                   struct tcp_total_state* total, int state, __u64 now) {
    int error = sk->sk_err;
    __u8 ended = end_of(tp, state, error);
    /* A kernel can leave out the event of a segment that is sent again; its own count has it. */
    __u32 unseen = state == SYN_SENT && life->begun ? tp->total_retrans - life->retransmits_seen : 0;
    if (unseen && total) {
        if (!life->syn_retransmits) __sync_fetch_and_add(&total->row.unanswered, 1);
        add(&total->row.syn_retransmits, unseen);
    }
    life->syn_retransmits += unseen;
    if (total) count_life(&total->row, sk, tp, life, state, ended, now);
    if (events_wanted) tell(sk, tp, life, ended, error);
    life->begun = 0; /* the socket can connect again */
}

/* Only close() and shutdown() set these states, by a task that has the socket. */
static __always_inline void on_closing(struct sock* sk) {
    struct life* life = bpf_sk_storage_get(&lives, sk, 0, 0);
    if (!life || life->role != tcp_role_passive || life->who.pid) return;
    name_current(&life->who);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock* sk, int before, int after) {
    if (sk->sk_protocol != IPPROTO_TCP) return 0;
    if (after == FIN_WAIT1 || after == LAST_ACK) {
        if (events_wanted) on_closing(sk);
        return 0;
    }
    if (after != SYN_SENT && after != ESTABLISHED && after != CLOSED) return 0;
    if (before == LISTEN || (before == CLOSED && after == CLOSED)) return 0;
    struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
    struct life* life = tp ? life_of(sk) : 0;
    if (!life) return 0;
    const __u64 now = bpf_ktime_get_ns();
    _Bool is_new = 0;
    if (after == SYN_SENT) {
        on_connect(life, tp, now);
    } else if (after == ESTABLISHED) {
        /* SYN_RECV without SYN_SENT before: the other side made it. A listener's child never has a life yet. */
        is_new = before == SYN_RECV && !life->begun;
        if (is_new) {
            begin(life, tcp_role_passive, now);
            life->syn_retransmits = life->retransmits_seen = tp->total_retrans;
        }
        if (!life->begun) return 0;
        if (life->role == tcp_role_active) life->connect_ns = now - life->began_ns;
    } else if (!life->begun) {
        /* It was there before waggle; or it was never whole (SYN_RECV). */
        __builtin_memset(life, 0, sizeof *life);
        life->role = before == SYN_RECV ? tcp_role_passive : tcp_role_unknown;
        life->segments_seen = tp->segs_out;
    }
    if (!is_wanted(life)) return 0;
    struct tcp_total_state* total = total_of(sk, tp, life, 0);
    if (after == CLOSED)
        on_end(sk, tp, life, total, before, now);
    else if (total && after == SYN_SENT)
        __sync_fetch_and_add(&total->row.attempts, 1);
    else if (total)
        count_opened(total, life, is_new);
    return 0;
}

/* How many segments were sent again with this call: since the last one, where that is known. */
static __always_inline __u32 segments_again(const struct tcp_sock* tp, const struct life* life,
                                            const struct sk_buff* skb) {
    if (life->begun) return tp->total_retrans - life->retransmits_seen;
    __u16 segments = 0;
    bpf_probe_read_kernel(&segments, sizeof segments,
                          (const char*)skb + bpf_core_field_offset(struct sk_buff, cb) +
                              bpf_core_field_offset(struct tcp_skb_cb, tcp_gso_segs));
    return segments ? segments : 1;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, struct sock* sk, struct sk_buff* skb) {
    struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
    if (!tp) return 0;
    struct life* life = life_of(sk);
    if (!life) return 0;
    __u32 again = segments_again(tp, life, skb);
    if (!life->begun) {
        life->begun = 1;
        life->segments_seen = tp->segs_out - again;
    }
    __u32 sent = tp->segs_out - life->segments_seen;
    life->retransmits_seen = tp->total_retrans;
    life->segments_seen = tp->segs_out;
    __u8 state = sk->__sk_common.skc_state;
    _Bool is_syn = state == SYN_SENT || state == SYN_RECV;
    _Bool is_first = is_syn && !life->syn_retransmits;
    __u8 mood = BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state);
    __u8 why = is_syn                ? tcp_again_syn
               : mood == CA_LOSS     ? tcp_again_timeout
               : mood == CA_RECOVERY ? tcp_again_fast
                                     : tcp_again_other;
    if (why == tcp_again_syn)
        life->syn_retransmits += again;
    else if (why == tcp_again_timeout)
        life->timeout_retransmits += again;
    else if (why == tcp_again_fast)
        life->fast_retransmits += again;
    else
        life->other_retransmits += again;
    if (waggle_named(tcp_kind_retransmit)) tell_retransmit(sk, state, why, again);
    if (!is_wanted(life)) return 0;
    struct tcp_total_state* total = total_of(sk, tp, life, 1);
    if (!total) return 0;
    if (is_first && state == SYN_SENT) __sync_fetch_and_add(&total->row.unanswered, 1);
    __u64* counter = why == tcp_again_syn       ? &total->row.syn_retransmits
                     : why == tcp_again_timeout ? &total->row.timeout_retransmits
                     : why == tcp_again_fast    ? &total->row.fast_retransmits
                                                : &total->row.other_retransmits;
    add(counter, again);
    add(&total->row.sent_segments, sent);
    return 0;
}
