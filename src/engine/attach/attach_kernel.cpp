// SPDX-License-Identifier: Apache-2.0
// Places in the kernel: functions, tracepoints, security hooks, iterators, perf events.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/attach.h"
#include "engine/attach/perf_events.h"
#include "engine/attach/tracefs.h"
#include "engine/support/hook_kinds.h"
#include "engine/support/libbpf_log.h"
#include "engine/support/libbpf_options.h"

namespace waggle::kernel {
namespace {

OwnedFd open_perf_event(perf_event_attr attr, int pid, int cpu) {
    attr.size = sizeof attr;
    return OwnedFd(
        static_cast<int>(::syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

// The link owns the event from here on.
bpf_link* link_perf_event(const bpf_program* program, OwnedFd& event, std::uint64_t cookie) {
    bpf_perf_event_opts options;
    clear_options(options);
    options.bpf_cookie = cookie;
    bpf_link* link = bpf_program__attach_perf_event_opts(program, event.get(), &options);
    if (link) event.release();
    return link;
}

std::vector<int> online_cpus() {
    const Result<std::string> text = read_file("/sys/devices/system/cpu/online", 4096);
    return text ? numbers_of_list(*text) : std::vector<int>();
}

std::vector<int> threads_of(std::uint32_t pid) {
    std::vector<int> out;
    DIR* directory = ::opendir(fmt::format("/proc/{}/task", pid).c_str());
    if (!directory) return out;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view name = entry->d_name;
        int tid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), tid).ec == std::errc{})
            out.push_back(tid);
    }
    ::closedir(directory);
    return out;
}

// Names with one of these behind a dot are what the compiler made of a function.
std::string variants(const std::string& function, const std::vector<std::string>& known) {
    std::vector<std::string> out;
    const std::string begin = function + ".";
    for (auto each = std::ranges::lower_bound(known, begin); each != known.end() && each->starts_with(begin);
         ++each)
        if (out.size() < 3) out.push_back(*each);
    return out.empty() ? std::string() : fmt::format("; the compiler left {}", fmt::join(out, ", "));
}

}  // namespace

Result<AttachmentLink> attach_kprobe(const bpf_program* program, const AttachSpec& spec) {
    bpf_kprobe_opts options;
    clear_options(options);
    options.bpf_cookie = spec.cookie;
    options.offset = spec.offset;
    options.retprobe = spec.kind == AttachKind::kretprobe;
    if (bpf_link* link = bpf_program__attach_kprobe_opts(program, spec.target.c_str(), &options))
        return AttachmentLink(link);
    const int error = errno;
    const Error reason = attach_error(error, spec.kind);
    if (reason.kind == ErrorKind::privilege || !kernel_lacks(to_string(spec.kind)).empty()) return reason;
    const std::vector<std::string> known = kernel_functions();
    if (!known.empty() && !std::ranges::binary_search(known, spec.target)) {
        const std::string made = variants(spec.target, known);
        return Error{fmt::format("the kernel has no function {}{}", escape_control(spec.target),
                                 made.empty() ? did_you_mean(spec.target, known) : made)};
    }
    if (error == EILSEQ)
        return Error{fmt::format("no instruction of {} begins at byte {}", spec.target, spec.offset)};
    if (error == EINVAL && spec.offset)
        return Error{fmt::format("the kernel refuses a probe at byte {} of {}", spec.offset, spec.target)};
    if (error == EINVAL || error == EADDRNOTAVAIL)
        return Error{fmt::format(
            "the kernel allows no probe in {} (it is part of the probing itself, or of what must not "
            "be interrupted)",
            spec.target)};
    return reason;
}

Result<AttachmentLink> attach_kprobe_multi(const bpf_program* program, const AttachSpec& spec) {
    // Only functions that ftrace can stop at: one other among them, and the kernel refuses all.
    std::vector<std::string> known;
    if (const auto tracefs = Tracefs::open())
        if (auto traceable = tracefs->traceable_functions()) known = std::move(*traceable);
    const bool filtered = !known.empty();
    if (!filtered) known = kernel_functions();
    std::vector<const char*> symbols;
    for (const std::string& each : known)
        if (glob_match(spec.target, each)) symbols.push_back(each.c_str());
    if (symbols.empty()) {
        if (const std::string lacks = kernel_lacks("kprobe.multi"); !lacks.empty()) return Error{lacks};
        return Error{fmt::format("no function of the kernel that can be traced is named {}{}",
                                 escape_control(spec.target), did_you_mean(spec.target, known))};
    }
    const std::vector<__u64> cookies(symbols.size(), spec.cookie);
    bpf_kprobe_multi_opts options;
    clear_options(options);
    options.syms = symbols.data();
    options.cnt = symbols.size();
    options.cookies = spec.cookie ? cookies.data() : nullptr;
    options.retprobe = spec.kind == AttachKind::kretprobe_multi;
    if (bpf_link* link = bpf_program__attach_kprobe_multi_opts(program, nullptr, &options))
        return AttachmentLink(link);
    return attach_error(errno, spec.kind);
}

Result<AttachmentLink> attach_tracepoint(const bpf_program* program, const AttachSpec& spec) {
    const auto tracefs = Tracefs::open();
    if (!tracefs) return tracefs.error();
    const auto id = tracefs->tracepoint(spec.group, spec.target);
    if (!id) return id.error();
    perf_event_attr attr{};
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = *id;
    // A program on a tracepoint's event runs for every task on every CPU, whichever the event was opened for.
    OwnedFd event = open_perf_event(attr, -1, 0);
    bpf_link* link = event ? link_perf_event(program, event, spec.cookie) : nullptr;
    if (link) return AttachmentLink(link);
    const int error = errno;
    // With the event open, the kernel refuses the program for one reason.
    if (event && error == EACCES && missing_to_watch().empty())
        return Error{
            fmt::format("the program reads behind the end of what the record of {}:{} has on this kernel "
                        "(its fields: cat "
                        "/sys/kernel/tracing/events/{}/{}/format)",
                        spec.group, spec.target, spec.group, spec.target)};
    return attach_error(error, spec.kind);
}

Result<AttachmentLink> attach_raw_tp(const bpf_program* program, const AttachSpec& spec) {
    if (bpf_link* link = bpf_program__attach_raw_tracepoint(program, spec.target.c_str()))
        return AttachmentLink(link);
    const int error = errno;
    if (error == EEXIST) return Error{"the program is attached there already; this kernel takes it once"};
    if (error != ENOENT) return attach_error(error, spec.kind);
    std::vector<std::string> known;
    for (const std::string& each : kernel_functions())
        if (each.starts_with("__traceiter_")) known.push_back(each.substr(12));
    return Error{fmt::format("the kernel has no tracepoint {}{}", escape_control(spec.target),
                             did_you_mean(spec.target, known))};
}

Result<AttachmentLink> attach_typed(const bpf_program* program, const AttachSpec& spec) {
    bpf_link* link = nullptr;
    if (spec.kind == AttachKind::lsm) {
        const Result<std::string> active = read_file("/sys/kernel/security/lsm", 4096);
        if (active) {
            const auto modules = split(trim(*active), ',');
            if (std::ranges::find(modules, "bpf") == modules.end())
                return Error{fmt::format(
                    "the kernel was started without BPF's security hooks: lsm={} lacks bpf", trim(*active))};
        }
        link = bpf_program__attach_lsm(program);
    } else if (spec.kind == AttachKind::iter) {
        link = bpf_program__attach_iter(program, nullptr);
    } else {
        bpf_trace_opts options;
        clear_options(options);
        options.cookie = spec.cookie;
        link = bpf_program__attach_trace_opts(program, &options);
    }
    if (link) return AttachmentLink(link);
    return attach_error(errno, spec.kind);
}

Result<AttachmentLink> attach_perf(const bpf_program* program, const AttachSpec& spec) {
    const auto* event = std::ranges::find(perf_events, spec.target, &PerfEvent::name);
    if (event == std::end(perf_events)) return Error{fmt::format("there is no perf event {}", spec.target)};
    perf_event_attr attr{};
    attr.type = event->type;
    attr.config = event->config;
    attr.freq = spec.hertz != 0;
    if (spec.hertz)
        attr.sample_freq = spec.hertz;
    else
        attr.sample_period = spec.every;
    // Of one process: each of its threads, with the threads that those start.
    attr.inherit = spec.pid != 0;
    const std::vector<int> whom = spec.pid        ? threads_of(spec.pid)
                                  : spec.cpu >= 0 ? std::vector<int>{spec.cpu}
                                                  : online_cpus();
    if (whom.empty()) return Error{fmt::format("there is no process {}", spec.pid)};
    AttachmentLink out;
    for (const int one : whom) {
        OwnedFd fd = spec.pid ? open_perf_event(attr, one, -1) : open_perf_event(attr, -1, one);
        if (!fd && errno == ESRCH) continue;  // the thread has ended
        if (!fd && event->type == PERF_TYPE_HARDWARE && (errno == ENOENT || errno == EOPNOTSUPP))
            return Error{fmt::format("this machine's processor gives no counter for {}", spec.target)};
        bpf_link* link = fd ? link_perf_event(program, fd, spec.cookie) : nullptr;
        if (!link) return attach_error(errno, spec.kind);
        out.add(link);
    }
    if (out.count() == 0) return Error{fmt::format("process {} has ended", spec.pid)};
    return out;
}

}  // namespace waggle::kernel
