/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that could not be started: an execve that came back. Where the kernel lets its functions be hooked at their end, those of
 * the two system calls are; that costs nobody else anything. Where it does not, the C library's execve is, at the instruction behind the
 * system call, which only one that failed reaches. The tracepoints of these system calls are no way: they slow down every system call
 * of every process. */
#pragma once

/* clang-format off */
#include "bpf/kernel_drift.h"
#include "bpf/process_flags.h"
#include "bpf/ring.h"
#include "sensors/process/process.event.h"
/* clang-format on */

#define AT_FDCWD (-100)

static __always_inline void tell_directory(struct process_directory* out, struct path* path) {
    struct vfsmount* mnt = BPF_CORE_READ(path, mnt);
    struct dentry* dentry = BPF_CORE_READ(path, dentry);
    out->mount =
        BPF_CORE_READ((struct mount*)((char*)mnt - bpf_core_field_offset(struct mount, mnt)), mnt_id);
    out->inode = dentry == BPF_CORE_READ(mnt, mnt_root) ? 0 : BPF_CORE_READ(dentry, d_inode, i_ino);
    out->reserved = 0;
}

/* `path` and `arguments` are the caller's: its memory is as it was, for it goes on. `directory_fd` is that of execveat. */
static __always_inline void send_failure(const char* path, const char* const* arguments, int directory_fd,
                                         long result) {
    if (result >= 0 || result < -4095) return;
    struct task_struct* task = bpf_get_current_task_btf();
    if (!waggle_task_wanted(task)) return;
    struct process_exec_failure_event* event = waggle_reserve(sizeof *event + PROCESS_EXE_MAX);
    if (!event) return;
    waggle_header(&event->header, PROCESS_EXEC_FAILURE, 0, task);
    struct task_struct* parent = waggle_parent(task);
    event->parent_pid = BPF_CORE_READ(parent, tgid);
    event->parent_start_ns = waggle_start_ns(parent);
    waggle_process_comm(event->parent_comm, parent);
    event->user = BPF_CORE_READ(task, cred, fsuid.val);
    event->group = BPF_CORE_READ(task, cred, fsgid.val);
    struct group_info* further = BPF_CORE_READ(task, cred, group_info);
    event->groups = BPF_CORE_READ(further, ngroups);
    if (bpf_probe_read_kernel(event->first_groups, sizeof event->first_groups, further->gid) != 0)
        event->groups = PROCESS_GROUPS + 1; /* not known */
    event->reserved_after = 0;
    event->error = -result;
    event->executed = !(BPF_CORE_READ(task, group_leader, flags) & PF_FORKNOEXEC);
    event->same_root = 0;
    __builtin_memset(event->reserved, 0, sizeof event->reserved);
    struct fs_struct* fs = BPF_CORE_READ(task, fs);
    tell_directory(&event->root, &fs->root);
    __builtin_memset(&event->directory, 0, sizeof event->directory);
    if (directory_fd == AT_FDCWD) tell_directory(&event->directory, &fs->pwd);

    char* tail = (char*)(event + 1);
    long length = waggle_user_text(tail, PROCESS_EXE_MAX, path);
    if (length == 1) { /* a file that is open already: what it is called by */
        const char* name = 0;
        bpf_probe_read_user(&name, sizeof name, arguments);
        length = waggle_user_text(tail, PROCESS_EXE_MAX, name);
    }
    length = length > 0 ? length - 1 : 0;
    event->path.offset = sizeof *event;
    event->path.length = length;
    struct waggle_text none = {sizeof *event + length, 0};
    event->reason = event->obstacle = event->found = event->wanted = none;
    event->root_kind = event->root_path = none;
    event->header.size = sizeof *event + length;
    waggle_submit(event);
}

/* The kernel's functions get the caller's registers. */
SEC("fexit/__x64_sys_execve")
int BPF_PROG(on_execve_end, const struct pt_regs* caller, long result) {
    send_failure((const char*)caller->di, (const char* const*)caller->si, AT_FDCWD, result);
    return 0;
}
SEC("fexit/__x64_sys_execveat")
int BPF_PROG(on_execveat_end, const struct pt_regs* caller, long result) {
    send_failure((const char*)caller->si, (const char* const*)caller->dx, caller->di, result);
    return 0;
}

/* Behind the system call in the C library: its registers as they were, but for ax, which holds the result. */
SEC("uprobe")
int on_library_execve(struct pt_regs* ctx) {
    send_failure((const char*)ctx->di, (const char* const*)ctx->si, AT_FDCWD, ctx->ax);
    return 0;
}
