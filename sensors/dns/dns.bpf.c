// SPDX-License-Identifier: GPL-2.0
/* Questions and answers are seen where the socket that asks has them: the packets of the root control group pass
 * once when a socket sends them and once when a socket takes them, however many devices lie between, and what is
 * only forwarded here does not pass. docs/decisions/014 says what else there was.
 *
 * A question is remembered under who asked, its id and its name, so that it is one also when it is sent again, by
 * another socket or to another server. The name is found and hashed here; what it says is read in user space. */
/* clang-format off */
#include "bpf/ring.h"
#include "bpf/task.h"
#include "sensors/dns/message.bpf.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

/* Programs that ask several servers at once send within this time; later it is sent again. */
#define AT_ONCE_NS 50000000ULL

__u64 lost_map_full = 0;   /* questions or totals that found no room */
__u64 lost_desks = 0;      /* messages that came while all desks of the processor were in use */
__u64 lost_names_full = 0; /* failed questions whose name found no room; they are counted in the totals */

/* Whose a socket is that asked, and what it asked last: an answer need not repeat the question. */
struct asker {
    struct waggle_event who; /* only the owner: start_ns, cgroup_id, pid, tid, comm */
    __u32 recent_hash[4];
    __u16 recent_id[4];
    __u32 netns;
    __u32 turn;
};
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct asker);
} askers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct dns_question_key);
    __type(value, struct dns_question_state);
} questions SEC(".maps");

struct total_key {
    __u64 start_ns;
    __u32 pid;
    __u32 netns;
    __u32 server[4];
    __u16 port;
    __u8 family;
    __u8 reserved[5];
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2048);
    __type(key, struct total_key);
    __type(value, struct dns_total_state);
} totals SEC(".maps");

/* When `totals` is full: one entry for each network namespace, so that the sums stay exact. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 128);
    __type(key, struct total_key);
    __type(value, struct dns_total_state);
} overflow SEC(".maps");

struct failure_key {
    __u64 start_ns;
    __u32 pid;
    __u32 netns;
    __u32 name_hash;
    __u32 code;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct failure_key);
    __type(value, struct dns_failure_state);
} failures SEC(".maps");

/* Too large for the stack. A task that sends can be interrupted by another packet, or by another task, so there is
 * more than one for each processor. */
struct desk {
    struct dns_question_state question;
    struct dns_total_state total; /* its slots stay empty */
    struct dns_failure_state failure;
    __u64 taken;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct desk);
} desks SEC(".maps");

static __always_inline struct desk* take_desk(void) {
    for (__u32 i = 0; i < 4; i++) {
        __u32 which = i;
        struct desk* desk = bpf_map_lookup_elem(&desks, &which);
        if (desk && __sync_val_compare_and_swap(&desk->taken, 0, 1) == 0) return desk;
    }
    __sync_fetch_and_add(&lost_desks, 1);
    return 0;
}

/* The socket's network namespace. The pointer of this kind of program takes no offset, so it goes as a number. */
static __always_inline __u32 netns_of(const struct bpf_sock* shown) {
    const void* volatile stored = shown;
    const struct sock* sk = 0;
    bpf_probe_read_kernel(&sk, sizeof sk, (const void*)&stored);
    return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* The running task, if it is in a system call of its own and is of the socket's control group: what a firewall's
 * daemon lets pass is sent in the daemon's system call. */
static __always_inline void name_owner(struct __sk_buff* skb, struct waggle_event* who) {
    struct task_struct* task = bpf_get_current_task_btf();
    __u64 here = 0;
    if (!waggle_in_system_call(&here, task)) return;
    __u64 group = task->cgroups->dfl_cgrp->kn->id;
    if (group != bpf_skb_cgroup_id(skb)) return;
    who->start_ns = waggle_start_ns(task);
    who->cgroup_id = group;
    who->pid = task->tgid;
    who->tid = task->pid;
    bpf_probe_read_kernel(who->comm, sizeof who->comm, task->comm);
}

static __noinline int make_total(struct total_key* key, struct waggle_event* who, struct desk* desk,
                                 int overflows) {
    if (!key || !who || !desk) return 0;
    struct dns_total_state* made = &desk->total;
    __builtin_memset(&made->row, 0, sizeof made->row);
    made->row.header.kind = dns_kind_total;
    made->row.header.size = sizeof made->row;
    made->row.netns = key->netns;
    made->row.overflow = overflows;
    if (overflows) return bpf_map_update_elem(&overflow, key, made, BPF_NOEXIST);
    made->row.header.start_ns = who->start_ns;
    made->row.header.cgroup_id = who->cgroup_id;
    made->row.header.pid = who->pid;
    made->row.header.tid = who->pid;
    __builtin_memcpy(made->row.header.comm, who->comm, sizeof made->row.header.comm);
    made->row.server.family = key->family;
    __builtin_memcpy(made->row.server.bytes, key->server, sizeof key->server);
    made->row.server_port = key->port;
    return bpf_map_update_elem(&totals, key, made, BPF_NOEXIST);
}

static __noinline struct dns_total_state* make_room(struct total_key* key, struct waggle_event* who,
                                                    struct desk* desk) {
    make_total(key, who, desk, 0);
    struct dns_total_state* total = bpf_map_lookup_elem(&totals, key);
    if (total) return total;
    struct total_key rest = {.netns = key->netns};
    total = bpf_map_lookup_elem(&overflow, &rest);
    if (!total) {
        make_total(&rest, who, desk, 1);
        total = bpf_map_lookup_elem(&overflow, &rest);
    }
    return total;
}

static __always_inline struct dns_total_state* total_of(struct waggle_event* who, __u32 netns,
                                                        const void* server, __u8 family, __u16 port,
                                                        struct desk* desk) {
    struct total_key key = {
        .start_ns = who->start_ns, .pid = who->pid, .netns = netns, .port = port, .family = family};
    __builtin_memcpy(key.server, server, sizeof key.server);
    struct dns_total_state* total = bpf_map_lookup_elem(&totals, &key);
    if (!total) total = make_room(&key, who, desk);
    if (!total) __sync_fetch_and_add(&lost_map_full, 1);
    return total;
}

static __always_inline void key_of(struct dns_question_key* key, const struct asker* asker, __u32 netns,
                                   __u32 hash, const __u8* message) {
    __builtin_memset(key, 0, sizeof *key);
    key->start_ns = asker->who.start_ns;
    key->pid = asker->who.pid;
    key->netns = netns;
    key->name_hash = hash;
    key->id = message[0] << 8 | message[1];
}

static __always_inline _Bool is_same_server(const struct dns_question_state* question,
                                            const struct message* at) {
    const __u32* server = (const __u32*)question->server.bytes;
    return question->server.family == at->family && server[0] == at->peer[0] && server[1] == at->peer[1] &&
           server[2] == at->peer[2] && server[3] == at->peer[3];
}

static __always_inline void set_server(struct waggle_address* server, const struct message* at) {
    server->family = at->family;
    __builtin_memcpy(server->bytes, at->peer, sizeof at->peer);
}

static __always_inline void ask_again(struct dns_question_state* question, const struct message* at,
                                      struct asker* asker, struct desk* desk, __u64 now) {
    if (now - question->last_ns >= AT_ONCE_NS) {
        struct dns_total_state* before = total_of(&asker->who, asker->netns, question->server.bytes,
                                                  question->server.family, question->server_port, desk);
        if (before) __sync_fetch_and_add(&before->row.sent_again, 1);
    }
    question->tries++;
    question->last_ns = now;
    if (is_same_server(question, at)) return;
    question->asked_ns = now;
    question->several_servers = 1;
    set_server(&question->server, at);
}

static __noinline int ask(struct __sk_buff* skb, struct message* at, struct desk* desk) {
    if (!at || !desk) return 0;
    int hash = read_question(skb, at, &desk->question, 0);
    if (!hash) return 0;
    struct bpf_sock* sk = skb->sk;
    if (!sk) return 0;
    sk = bpf_sk_fullsock(sk);
    if (!sk) return 0;
    struct asker* asker = bpf_sk_storage_get(&askers, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!asker) {
        __sync_fetch_and_add(&lost_map_full, 1);
        return 1;
    }
    if (!asker->netns) asker->netns = netns_of(sk);
    name_owner(skb, &asker->who);
    if (!waggle_wanted(&asker->who)) return 1;
    struct dns_question_key key;
    key_of(&key, asker, asker->netns, hash, desk->question.message);
    asker->recent_hash[asker->turn & 3] = hash;
    asker->recent_id[asker->turn & 3] = key.id;
    asker->turn++;
    __u64 now = bpf_ktime_get_ns();
    struct dns_question_state* question = bpf_map_lookup_elem(&questions, &key);
    /* What TCP itself sends again is no second question. */
    if (question && at->tcp && question->tcp && is_same_server(question, at)) return 1;
    if (question) {
        ask_again(question, at, asker, desk, now);
    } else {
        question = &desk->question;
        question->who = asker->who;
        __builtin_memset(&question->server, 0, sizeof question->server);
        set_server(&question->server, at);
        question->first_ns = question->asked_ns = question->last_ns = now;
        question->netns = asker->netns;
        question->tries = 1;
        question->server_port = at->port;
        question->tcp = at->tcp;
        question->several_servers = 0;
        question->reserved = 0;
        if (bpf_map_update_elem(&questions, &key, question, BPF_NOEXIST))
            __sync_fetch_and_add(&lost_map_full, 1);
    }
    struct dns_total_state* total = total_of(&asker->who, asker->netns, at->peer, at->family, at->port, desk);
    if (total) __sync_fetch_and_add(&total->row.sent, 1);
    return 1;
}

static __always_inline void count_answer(struct dns_total_event* row, const __u8* message) {
    __u64* counter = &row->other_errors;
    switch (message[3] & 15) {
        case dns_code_noerror:
            counter = &row->noerror;
            /* Where neither the zone's own server nor a resolver says so, it refers to others. */
            if (!message[6] && !message[7] && !(message[2] & 2) && (message[2] & 4 || message[3] & 0x80))
                __sync_fetch_and_add(&row->empty, 1);
            break;
        case dns_code_nxdomain:
            counter = &row->nxdomain;
            break;
        case dns_code_servfail:
            counter = &row->servfail;
            break;
        case dns_code_refused:
            counter = &row->refused;
            break;
    }
    __sync_fetch_and_add(counter, 1);
    if (message[2] & 2) __sync_fetch_and_add(&row->truncated, 1);
}

static __noinline int count_failure(struct dns_question_key* key, struct message* at,
                                    struct dns_question_state* question, struct desk* desk) {
    if (!key || !at || !question || !desk) return 0;
    struct failure_key where = {.start_ns = key->start_ns,
                                .pid = key->pid,
                                .netns = key->netns,
                                .name_hash = key->name_hash,
                                .code = desk->question.message[3] & 15};
    struct dns_failure_state* failure = bpf_map_lookup_elem(&failures, &where);
    if (!failure) {
        struct dns_failure_state* made = &desk->failure;
        __builtin_memset(&made->row, 0, sizeof made->row);
        made->row.header = question->who;
        made->row.header.kind = dns_kind_failure;
        made->row.header.size = sizeof made->row;
        set_server(&made->row.server, at);
        made->row.netns = key->netns;
        made->row.server_port = at->port;
        made->row.code = where.code;
        __builtin_memcpy(made->message, question->message, sizeof made->message);
        bpf_map_update_elem(&failures, &where, made, BPF_NOEXIST);
        failure = bpf_map_lookup_elem(&failures, &where);
    }
    if (failure)
        __sync_fetch_and_add(&failure->row.times, 1);
    else
        __sync_fetch_and_add(&lost_names_full, 1);
    return 1;
}

static __noinline int tell(struct dns_question_state* question, struct message* at, struct desk* desk,
                           __u64 latency_ns) {
    if (!question || !at || !desk) return 0;
    struct dns_lookup_state* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    const __u8* answer = desk->question.message;
    event->row.header = question->who;
    event->row.header.kind = dns_kind_lookup;
    event->row.header.size = sizeof event->row;
    event->row.header.time_ns = bpf_ktime_get_ns();
    __builtin_memset(&event->row.server, 0, sizeof event->row - sizeof event->row.header);
    set_server(&event->row.server, at);
    event->row.latency_ns = latency_ns;
    event->row.netns = question->netns;
    event->row.tries = question->tries;
    event->row.server_port = at->port;
    event->row.answers = answer[6] << 8 | answer[7];
    event->row.answer_bytes = at->bytes < 0xffff ? at->bytes : 0xffff;
    event->row.code = answer[3] & 15;
    event->row.tcp = at->tcp;
    event->row.truncated = answer[2] >> 1 & 1;
    __builtin_memcpy(event->message, question->message, sizeof event->message);
    waggle_submit(event);
    return 1;
}

static __noinline int answer(struct __sk_buff* skb, struct message* at, struct desk* desk) {
    if (!at || !desk) return 0;
    struct bpf_sock* sk = skb->sk;
    if (!sk) return 0;
    sk = bpf_sk_fullsock(sk);
    if (!sk) return 0;
    struct asker* asker = bpf_sk_storage_get(&askers, sk, 0, 0);
    if (!asker) return 0; /* it asked nothing, or before we were here */
    const __u8* message = desk->question.message;
    int hash = read_question(skb, at, &desk->question, 1);
    if (!(message[2] & 0x80)) return 0;
    struct dns_question_key key;
    key_of(&key, asker, asker->netns, hash, message);
    /* An answer that does not repeat the question: an error, in the main. */
    if (!hash && !message[4] && !message[5])
        for (int i = 0; i < 4; i++)
            if (asker->recent_hash[i] && asker->recent_id[i] == key.id) key.name_hash = asker->recent_hash[i];
    struct dns_question_state* question = bpf_map_lookup_elem(&questions, &key);
    if (!question) return 0;
    __u64 now = bpf_ktime_get_ns();
    __u64 latency_ns = now - question->first_ns;
    /* The time that another server was waited for is not this one's: of one that was not asked last it is not known. */
    _Bool is_known = is_same_server(question, at);
    __u64 server_ns = now - question->asked_ns;
    struct dns_total_state* total = total_of(&asker->who, asker->netns, at->peer, at->family, at->port, desk);
    if (total) {
        count_answer(&total->row, message);
        if (is_known) {
            __sync_fetch_and_add(&total->row.latency_ns, server_ns);
            waggle_hist_count(total->latency_slots, server_ns, DNS_TIME_UNIT, DNS_TIME_END);
        }
    }
    if (message[3] & 15) count_failure(&key, at, question, desk);
    if (events_wanted) tell(question, at, desk, latency_ns);
    bpf_map_delete_elem(&questions, &key);
    return 1;
}

SEC("cgroup_skb/egress")
int on_send(struct __sk_buff* skb) {
    struct message at = {};
    if (!find_message(skb, &at, 0)) return 1;
    struct desk* desk = take_desk();
    if (!desk) return 1;
    struct message behind = at;
    if (!at.tcp || !skip_length(skb, &behind) || !ask(skb, &behind, desk)) ask(skb, &at, desk);
    desk->taken = 0;
    return 1;
}

SEC("cgroup_skb/ingress")
int on_receive(struct __sk_buff* skb) {
    struct message at = {};
    if (!find_message(skb, &at, 1)) return 1;
    struct desk* desk = take_desk();
    if (!desk) return 1;
    struct message behind = at;
    if (!at.tcp || !skip_length(skb, &behind) || !answer(skb, &behind, desk)) answer(skb, &at, desk);
    desk->taken = 0;
    return 1;
}
