// SPDX-License-Identifier: Apache-2.0
// AttachSpec: where a BPF program is attached, said in one line of text.
//
//   kprobe:SYMBOL[+OFFSET]      kretprobe:SYMBOL            kprobe.multi:GLOB     kretprobe.multi:GLOB
//   uprobe:PATH:SYMBOL[+OFFSET] uretprobe:PATH:SYMBOL       usdt:PATH:PROVIDER:NAME
//   tracepoint:CATEGORY:NAME    raw_tp:NAME                 tp_btf:NAME
//   fentry:FUNCTION             fexit:FUNCTION              lsm:HOOK
//   perf:EVENT@HERTZ            perf:EVENT#EVERY            iter:TYPE
//   xdp:DEVICE                  tc:DEVICE:ingress|egress    cgroup_skb:PATH:ingress|egress    sockops:PATH
//   section                     where the program's own section says (the default)
//
// PATH of uprobe and usdt is a file, or a library's name ("libc.so.6", "libssl"), or empty with build_id.
// SYMBOL of uprobe is a function's name, or its place in the file as a number ("0x11c0").
// Options follow behind commas: pid=N (uprobe, usdt, perf: only this process; its files are looked up in its
// own mount namespace), cookie=N (what bpf_get_attach_cookie() gives the program), build_id=HEX (uprobe,
// usdt: the file that was built with this id), cpu=N (perf: on this processor alone), name=TEXT (the
// attachment's name; else the program's).
// What bpftrace's users type is read too: k: kr: u: ur: U: t: rt: f: fr: it:, profile:hz:99 (perf:cpu-clock@99),
// interval:s:1 (perf:cpu-clock#1000000000,cpu=0), software:faults:100 (perf:page-faults#100), hardware:….
//
//   auto spec = AttachSpec::parse("uprobe:libc.so.6:malloc,pid=812");
//   if (spec) auto name = object.attach("on_malloc", *spec);
//
// Plain values: any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "waggle/result.h"

namespace waggle {

// The kinds of places, named as a spec names them; `section` is where the program's own section says.
enum class AttachKind {
    section,
    kprobe,
    kretprobe,
    kprobe_multi,
    kretprobe_multi,
    uprobe,
    uretprobe,
    usdt,
    tracepoint,
    raw_tp,
    tp_btf,
    fentry,
    fexit,
    lsm,
    perf,
    iter,
    xdp,
    tc,
    cgroup_skb,
    sockops,
};

// "kprobe.multi": the word a spec of this kind begins with.
std::string_view to_string(AttachKind kind);

// One place, with its options; which of the parts count depends on the kind.
struct AttachSpec {
    AttachKind kind = AttachKind::section;  // what stands before the first colon
    std::string path;    // uprobe, usdt: file or library; cgroup_skb, sockops: directory of the control group
    std::string group;   // tracepoint: category; usdt: provider
    std::string target;  // function, glob, tracepoint, hook, event, iterator's type or device
    std::uint64_t offset =
        0;                 // kprobe, uprobe: bytes behind the function's begin; without `target`, in the file
    bool ingress = false;  // tc, cgroup_skb: what comes in; else what goes out
    std::uint64_t hertz = 0;   // perf: samples a second, or
    std::uint64_t every = 0;   // perf: a sample at each so-many-th event
    int cpu = -1;              // perf: on this processor alone; -1: on each
    std::uint32_t pid = 0;     // 0: all processes
    std::uint64_t cookie = 0;  // for bpf_get_attach_cookie() and bpf_usdt_cookie()
    std::string build_id;      // lower-case hexadecimal
    std::string name;          // of the attachment; empty: the program's

    // An error (kind usage) names the column, counted from 1, and the word that was probably meant.
    static Result<AttachSpec> parse(std::string_view text);
    // The place that a program's section names ("kprobe/do_exit", "tp/sched/sched_switch"); an error where it
    // names none ("xdp").
    static Result<AttachSpec> from_section(std::string_view section);
};

// As parse() reads it, without the name.
std::string to_string(const AttachSpec& spec);

// One attachment as it is now. Runs are counted by the kernel for the program, so two attachments of one
// program show the same figures; they grow only while a RunStatistics lives (or kernel.bpf_stats_enabled is
// 1).
struct Attachment {
    std::string name;          // what detach() takes
    std::string program;       // its name in the object
    std::string where;         // the spec, as text
    std::uint32_t links = 0;   // kernel links that carry it; 0 for a tc filter (kernels before 6.6)
    std::uint64_t runs = 0;    // since the program was loaded
    std::uint64_t run_ns = 0;  // time spent in them
    std::uint64_t missed = 0;  // skipped, because the program was already running on that CPU
    // The mean; 0 before the first counted run.
    double ns_per_run() const { return runs ? static_cast<double>(run_ns) / static_cast<double>(runs) : 0; }
};

}  // namespace waggle
