/* SPDX-License-Identifier: GPL-2.0 */
/* Whose doing is it? */
#pragma once

/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
/* clang-format on */

#include "bpf/process_flags.h"

/* The running task is not interrupted, unless user space was: the kernel's interrupts and softirqs run on a stack of their
 * own, but those that hit user space use the task's (arch/x86: run_irq_on_irqstack_cond()). `context` is the program's own
 * (raw tracepoints keep it on the stack in use). */
static __always_inline _Bool waggle_on_own_stack(const __u64* context, struct task_struct* task) {
    const struct pt_regs* registers = (const struct pt_regs*)bpf_task_pt_regs(task);
    /* As numbers, which the kernel lets us compare: pointers are read back from where they were stored. */
    const void* volatile stored[3] = {context, task->stack, registers};
    __u64 address[3] = {};
    bpf_probe_read_kernel(address, sizeof address, (const void*)stored);
    return address[0] >= address[1] && address[0] < address[2];
}

/* The running task got here by its own system call: no interrupt, no softirq, no fault. Interrupts and faults of user space
 * leave -1 for the system call's number (idtentry_body). preempt_count would say it too, but is a symbol only where
 * CONFIG_KALLSYMS_ALL is set. */
static __always_inline _Bool waggle_in_system_call(const __u64* context, struct task_struct* task) {
    if (task->flags & PF_KTHREAD) return 0; /* calls nobody */
    if (!waggle_on_own_stack(context, task)) return 0;
    return (long)((const struct pt_regs*)bpf_task_pt_regs(task))->orig_ax >= 0;
}
