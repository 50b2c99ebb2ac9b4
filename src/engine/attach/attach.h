// SPDX-License-Identifier: Apache-2.0
// Attaching one program to one place, kind by kind; Object::plan() and Object::attach() stand on these.
#pragma once

#include <map>
#include <memory>

#include "engine/attach/attachment_link.h"
#include "waggle/attach.h"
#include "waggle/result.h"

struct bpf_program;

namespace waggle::kernel {

// What attachments of one object share: the classifier qdiscs that were made for them, by device number. A
// qdisc goes when the last attachment on it has gone.
struct AttachContext {
    std::map<int, std::weak_ptr<void>> qdiscs;
};

// Before the program is loaded: gives it the type and the target that the place needs.
Result<void> prepare_to_load(bpf_program* program, const AttachSpec& spec);

// The program is loaded. The error names what is wrong with the place, with the nearest that exist, or the
// build option that the kernel lacks.
Result<AttachmentLink> attach(const bpf_program* program, const AttachSpec& spec, AttachContext& context);

Result<AttachmentLink> attach_kprobe(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_kprobe_multi(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_uprobe(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_usdt(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_tracepoint(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_raw_tp(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_typed(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_perf(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_xdp(const bpf_program* program, const AttachSpec& spec);
Result<AttachmentLink> attach_tc(const bpf_program* program, const AttachSpec& spec, AttachContext& context);
Result<AttachmentLink> attach_cgroup(const bpf_program* program, const AttachSpec& spec);

// What went wrong when libbpf or the kernel said `error`: a missing capability, a kind the kernel was built
// without, or their own words.
Error attach_error(int error, AttachKind kind);

}  // namespace waggle::kernel
