// SPDX-License-Identifier: GPL-2.0
/* A call is known by the thread and by where its return address lies on the stack. Of calls within calls (gethostbyname calls
 * gethostbyname_r, or goes on as gethostbyname2) the outermost is told. A call that was never returned from is seen when its thread
 * ends, begins another program, or calls again where the first one is no longer under way. What is kept of a thread is the kernel's task
 * storage, which goes with the thread. */
#include "bpf/ring.h"
#include "sensors/name_lookup/name_lookup.event.h"

char LICENSE[] SEC("license") = "GPL";

#define UNKNOWN ((__s64)(-0x7fffffffffffffffLL - 1))

#define PAGE_BYTES 4096 /* x86-64 */

#define EAI_NONAME -2
#define EAI_AGAIN -3
#define EAI_NODATA -5
#define EAI_ADDRFAMILY -9
#define AI_NUMERICHOST 4
#define HOST_NOT_FOUND 1
#define TRY_AGAIN 2
#define NO_DATA 4

__u64 lost_map_full = 0; /* calls of threads, or totals of processes, that found no room */
__u64 turn = 0;          /* user space counts it up, and every program begins for the first time again */

struct call {
    __u64 sp; /* where its return address lies; 0: no call is under way */
    __u64 since_ns;
    __u64 name_at;
    __u64 answer_at; /* of the reentrant ones: where the answer's address is to be put */
    __u64 h_errno_at;
    __u64 inner_sp; /* a reentrant one called by this one */
    __u64 inner_h_errno_at;
    __s32 inner_h_errno;
    __u8 function;
    __u8 unread;
    __u8 numeric_only;
    __u8 reserved;
    char name[NAME_LOOKUP_COPY + 7];
};
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct call);
} calls SEC(".maps");

struct total_key {
    __u64 start_ns;
    __u64 pid;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct total_key);
    __type(value, struct name_lookup_total_state);
} totals SEC(".maps");

/* Programs that were started, so that each is told of once. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, struct name_lookup_program);
    __type(value, __u8);
} programs SEC(".maps");

/* Its head says what it is, so that it can be read before it is filled in. */
static const struct name_lookup_total_state none = {
    .row.header = {.kind = name_lookup_kind_total, .size = sizeof none.row}};

static __always_inline struct name_lookup_total_state* total_of(struct task_struct* task) {
    struct total_key key = {.start_ns = waggle_start_ns(task), .pid = task->tgid};
    struct name_lookup_total_state* total = bpf_map_lookup_elem(&totals, &key);
    if (!total) {
        bpf_map_update_elem(&totals, &key, &none, BPF_NOEXIST);
        total = bpf_map_lookup_elem(&totals, &key);
    }
    if (!total) {
        __sync_fetch_and_add(&lost_map_full, 1);
        return 0;
    }
    struct waggle_event* who = &total->row.header;
    if (!who->pid) {
        who->start_ns = key.start_ns;
        who->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
        who->tid = task->tgid;
        waggle_process_comm(who->comm, task);
        who->pid = task->tgid;
    }
    return total;
}

static __always_inline _Bool is_not_found(__s64 result) {
    return result == EAI_NONAME || result == EAI_NODATA || result == EAI_ADDRFAMILY ||
           result == HOST_NOT_FOUND || result == NO_DATA;
}

static __always_inline void count(struct task_struct* task, struct call* call, __s64 result, __s64 latency_ns,
                                  __u8 ending) {
    struct name_lookup_total_state* total = total_of(task);
    if (!total) return;
    struct name_lookup_total_event* row = &total->row;
    __sync_fetch_and_add(&row->calls, 1);
    if (ending != name_lookup_returned) {
        __sync_fetch_and_add(&row->not_returned, 1);
        return;
    }
    __sync_fetch_and_add(&row->latency_ns, latency_ns);
    waggle_hist_count(total->latency_slots, latency_ns, NAME_LOOKUP_TIME_UNIT, NAME_LOOKUP_TIME_END);
    /* A name is no address in numbers: that is the answer, and no error. */
    if (result == 0 || (call->numeric_only && result == EAI_NONAME)) return;
    if (is_not_found(result))
        __sync_fetch_and_add(&row->not_found, 1);
    else if (result == EAI_AGAIN || result == TRY_AGAIN)
        __sync_fetch_and_add(&row->try_again, 1);
    else
        __sync_fetch_and_add(&row->other_errors, 1);
}

static __always_inline void finish(struct task_struct* task, struct call* call, __s64 result, __u8 ending) {
    __u64 now = bpf_ktime_get_ns();
    __s64 latency_ns = now - call->since_ns;
    call->sp = call->inner_sp = 0;
    count(task, call, result, latency_ns, ending);
    if (!events_wanted) return;
    struct name_lookup_state* event = waggle_reserve(sizeof *event);
    if (!event) return;
    waggle_header(&event->row.header, name_lookup_kind_call, sizeof event->row, task);
    event->row.header.time_ns = now;
    event->row.name.offset = event->row.name.length = 0;
    event->row.latency_ns = ending == name_lookup_left ? UNKNOWN : latency_ns;
    event->row.result = result;
    event->row.function = call->function;
    event->row.ending = ending;
    event->row.cut = 0;
    event->row.unread = call->unread;
    event->row.numeric_only = call->numeric_only;
    __builtin_memset(event->row.reserved, 0, sizeof event->row.reserved);
    __builtin_memcpy(event->name, call->name, sizeof event->name);
    waggle_submit(event);
}

/* The flags stand first in getaddrinfo's hints. */
static __always_inline _Bool wants_numbers(struct pt_regs* ctx, __u64 function) {
    __u32 flags = 0;
    if (function == name_lookup_getaddrinfo)
        bpf_probe_read_user(&flags, sizeof flags, (const void*)PT_REGS_PARM3_CORE(ctx));
    return flags & AI_NUMERICHOST;
}

/* A page that nobody has touched yet cannot be read here. */
static __always_inline void read_name(struct call* call) {
    call->name[0] = call->unread = 0;
    if (!events_wanted) return;
    call->unread = call->name_at &&
                   bpf_probe_read_user_str(call->name, NAME_LOOKUP_COPY, (const void*)call->name_at) < 0;
}

static __always_inline _Bool is_reentrant(__u64 function) {
    return function == name_lookup_gethostbyname_r || function == name_lookup_gethostbyname2_r;
}

/* The last two arguments of a reentrant one. */
static __always_inline void read_places(struct pt_regs* ctx, __u64 function, __u64* answer_at,
                                        __u64* h_errno_at) {
    *answer_at = BPF_CORE_READ(ctx, r8);
    *h_errno_at = BPF_CORE_READ(ctx, r9);
    if (function != name_lookup_gethostbyname2_r) return;
    *answer_at = *h_errno_at;
    bpf_probe_read_user(h_errno_at, sizeof *h_errno_at, (const void*)(PT_REGS_SP_CORE(ctx) + 8));
}

/* Whether the call that is known is one that the call from `sp` is made in. While it is under way, its return address is that of the
 * page to which the kernel lets watched calls return, its first byte (get_trampoline_vaddr()). */
static __always_inline _Bool is_within(const struct call* call, __u64 sp) {
    __u64 return_to = 1;
    if (call->sp < sp) return 0;
    bpf_probe_read_user(&return_to, sizeof return_to, (const void*)call->sp);
    return !(return_to & (PAGE_BYTES - 1));
}

SEC("uprobe")
int on_call(struct pt_regs* ctx) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (!waggle_task_wanted(task)) return 0;
    struct call* call = bpf_task_storage_get(&calls, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!call) {
        __sync_fetch_and_add(&lost_map_full, 1);
        return 0;
    }
    __u64 function = bpf_get_attach_cookie(ctx), sp = PT_REGS_SP_CORE(ctx), answer_at = 0, h_errno_at = 0;
    if (is_reentrant(function)) read_places(ctx, function, &answer_at, &h_errno_at);
    if (is_within(call, sp)) {
        if (!h_errno_at) return 0;
        call->inner_sp = sp;
        call->inner_h_errno_at = h_errno_at;
        return 0;
    }
    if (call->sp) finish(task, call, UNKNOWN, name_lookup_left);
    call->since_ns = bpf_ktime_get_ns();
    call->name_at = PT_REGS_PARM1_CORE(ctx);
    call->answer_at = answer_at;
    call->h_errno_at = h_errno_at;
    call->inner_h_errno = 0;
    call->function = function;
    call->numeric_only = wants_numbers(ctx, function);
    read_name(call);
    call->sp = sp;
    return 0;
}

static __always_inline __s64 result_of_pointer(struct call* call, __u64 returned) {
    if (returned) return 0;
    return call->inner_h_errno > 0 ? call->inner_h_errno : name_lookup_failed;
}

static __always_inline __s64 result_of_reentrant(struct call* call, __u64 returned) {
    __u64 answer = 0;
    __s32 error = 0;
    bpf_probe_read_user(&answer, sizeof answer, (const void*)call->answer_at);
    bpf_probe_read_user(&error, sizeof error, (const void*)call->h_errno_at);
    if (!(__s32)returned && answer) return 0;
    if (error > 0) return error;
    return (__s32)returned > 0 ? name_lookup_result_errno + (__s32)returned : name_lookup_failed;
}

SEC("uprobe")
int on_return(struct pt_regs* ctx) {
    struct task_struct* task = bpf_get_current_task_btf();
    struct call* call = bpf_task_storage_get(&calls, task, 0, 0);
    if (!call || !call->sp) return 0;
    __u64 sp = PT_REGS_SP_CORE(ctx) - 8, returned = PT_REGS_RC_CORE(ctx);
    if (sp == call->inner_sp) {
        bpf_probe_read_user(&call->inner_h_errno, sizeof call->inner_h_errno,
                            (const void*)call->inner_h_errno_at);
        call->inner_sp = 0;
        return 0;
    }
    if (sp != call->sp) return 0;
    if (call->unread) read_name(call);
    __s64 result = call->function == name_lookup_getaddrinfo ? (__s32)returned
                   : is_reentrant(call->function)            ? result_of_reentrant(call, returned)
                                                             : result_of_pointer(call, returned);
    finish(task, call, result, name_lookup_returned);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct* task) {
    struct call* call = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), 0, 0);
    if (call && call->sp) finish(bpf_get_current_task_btf(), call, UNKNOWN, name_lookup_thread_ended);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct* task, pid_t old_pid, struct linux_binprm* bprm) {
    struct task_struct* current = bpf_get_current_task_btf();
    struct call* call = bpf_task_storage_get(&calls, current, 0, 0);
    if (call && call->sp) finish(current, call, UNKNOWN, name_lookup_left);
    struct inode* inode = bprm->file->f_inode;
    struct name_lookup_program program = {.inode = inode->i_ino,
                                          .device = inode->i_sb->s_dev,
                                          .mounts = current->nsproxy->mnt_ns->ns.inum,
                                          .turn = turn};
    const __u8 known = 1;
    if (bpf_map_update_elem(&programs, &program, &known, BPF_NOEXIST)) return 0;
    struct name_lookup_began* began = waggle_reserve(sizeof *began);
    if (!began) return 0;
    waggle_header(&began->header, name_lookup_kind_began, sizeof *began, current);
    began->program = program;
    waggle_submit(began);
    return 0;
}
