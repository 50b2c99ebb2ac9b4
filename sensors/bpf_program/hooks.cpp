// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpf_program/hooks.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <set>

#include "base/descriptor.h"
#include "engine/attach/perf_events.h"
#include "engine/support/owned_btf.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {
namespace {

// What the kernel says of a link. The headers of libbpf 1.1 know some of it: kernels grow kinds.
enum LinkType : std::uint32_t {
    link_raw_tracepoint = 1,
    link_tracing = 2,
    link_cgroup = 3,
    link_iterator = 4,
    link_netns = 5,
    link_xdp = 6,
    link_perf_event = 7,
    link_kprobe_multi = 8,
    link_struct_ops = 9,
    link_netfilter = 10,
    link_tcx = 11,
    link_uprobe_multi = 12,
    link_netkit = 13,
    link_sockmap = 14,
};
struct LinkInfo {
    __u32 type, id, program_id, reserved;
    union {
        struct {
            __u64 name;
            __u32 length;
        } named;  // a raw tracepoint, an iterator
        struct {
            __u32 attach_type, target_object, target_type;
        } tracing;
        struct {
            __u64 id;
            __u32 attach_type;
        } cgroup;
        struct {
            __u32 number, attach_type;
        } device;  // a network namespace, a network device
        struct {
            __u32 family, hook;
            __s32 priority;
        } netfilter;
        struct {
            __u32 type, reserved;
            __u64 name;  // of a counter its number
            __u32 length;
            __u32 offset;  // of a counter the length's place is its type
        } event;
        struct {
            __u64 addresses;
            __u32 count, flags;
        } kprobes;
        struct {
            __u64 path, offsets, counters, cookies;
            __u32 path_length, count, flags, pid;
        } uprobes;
        char all[112];
    };
};
static_assert(sizeof(LinkInfo) == 128);

std::string attach_type_of(std::uint32_t type) {
    const char* name = ::libbpf_bpf_attach_type_str(static_cast<bpf_attach_type>(type));
    return name ? name : fmt::format("attach type {}", type);
}

std::string tracing_kind(std::uint32_t attach_type) {
    switch (attach_type) {
        case BPF_TRACE_RAW_TP:
            return "raw_tracepoint";
        case BPF_TRACE_FENTRY:
            return "function_entry";
        case BPF_TRACE_FEXIT:
            return "function_exit";
        case BPF_MODIFY_RETURN:
            return "function_result";
        case BPF_LSM_MAC:
            return "lsm";
        default:
            return "tracing";
    }
}

// The path of a control group by its number, as the kernel's own file handles say it.
std::string cgroup_path_of(std::uint64_t id) {
    for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
        const OwnedFd top(::open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!top) continue;
        alignas(file_handle) char bytes[sizeof(file_handle) + sizeof id];
        auto* handle = reinterpret_cast<file_handle*>(bytes);
        handle->handle_bytes = sizeof id;
        handle->handle_type = 0xfe;  // FILEID_KERNFS
        std::memcpy(handle->f_handle, &id, sizeof id);
        const OwnedFd group(::open_by_handle_at(top.get(), handle, O_RDONLY | O_CLOEXEC));
        if (!group) continue;
        std::string out = path_of_descriptor(group.get());
        if (out.empty()) continue;
        if (out.starts_with(root)) out.erase(0, std::strlen(root));
        return out.empty() ? "/" : out;
    }
    return fmt::format("number {}", id);
}

std::string with_offset(std::string name, std::uint64_t offset) {
    return offset ? fmt::format("{}+0x{:x}", name, offset) : name;
}

void name_event(const LinkInfo& info, const char* text, ProgramHook& hook) {
    static constexpr std::string_view kinds[] = {"",          "uprobe",     "uretprobe", "kprobe",
                                                 "kretprobe", "tracepoint", "sample"};
    if (info.event.type == 0 || info.event.type >= std::size(kinds)) return;  // 0: before 6.6
    hook.kind = kinds[info.event.type];
    hook.hook = hook.kind == "sample"       ? kernel::perf_event_name(info.event.length, info.event.name)
                : hook.kind == "tracepoint" ? text
                                            : with_offset(text, info.event.offset);
}

// Perf events, one on each processor, that are alike otherwise are one hook in several places.
void add_hook(std::vector<ProgramHook>& hooks, ProgramHook hook) {
    for (ProgramHook& known : hooks)
        if (known.program_id == hook.program_id && known.link_id == hook.link_id && known.kind == hook.kind &&
            known.hook == hook.hook) {
            ++known.places;
            return;
        }
    hooks.push_back(std::move(hook));
}

ProgramHook of_event(const bpf_holder& holder) {
    ProgramHook hook;
    hook.program_id = holder.program_id;
    char text[PATH_MAX] = "";
    __u32 length = sizeof text, program = 0, type = 0;
    __u64 offset = 0, address = 0;
    if (::bpf_task_fd_query(static_cast<int>(holder.pid), static_cast<int>(holder.fd), 0, text, &length,
                            &program, &type, &offset, &address) == 0) {
        static constexpr std::string_view kinds[] = {"raw_tracepoint", "tracepoint", "kprobe",
                                                     "kretprobe",      "uprobe",     "uretprobe"};
        if (type < std::size(kinds)) hook.kind = kinds[type];
        hook.hook = type <= 1 ? std::string(text) : with_offset(text, offset);
        return hook;
    }
    hook.kind = "sample";
    // The clocks count nanoseconds, also where a frequency was asked for, and are of a type of their own since 6.5.
    const std::string_view unit(holder.unit, ::strnlen(holder.unit, sizeof holder.unit));
    const bool software = holder.event_type == PERF_TYPE_SOFTWARE;
    const bool cpu_clock =
        unit == "cpu_clock" || (software && holder.event_config == PERF_COUNT_SW_CPU_CLOCK);
    const bool task_clock =
        unit == "task_clock" || (software && holder.event_config == PERF_COUNT_SW_TASK_CLOCK);
    hook.hook = cpu_clock    ? "cpu-clock"
                : task_clock ? "task-clock"
                             : kernel::perf_event_name(holder.event_type, holder.event_config);
    if (holder.event_period && (cpu_clock || task_clock) && !holder.event_is_frequency)
        hook.hook += fmt::format("@{}", (1'000'000'000 + holder.event_period / 2) / holder.event_period);
    else if (holder.event_period)
        hook.hook += fmt::format("{}{}", holder.event_is_frequency ? "@" : "/", holder.event_period);
    return hook;
}

}  // namespace

const std::string& ProgramHooks::function(std::uint32_t object, std::uint32_t type) {
    const auto [place, fresh] = functions_.try_emplace({object, type});
    if (!fresh || type == 0) return place->second;
    // The kernel's types are 10 MB as libbpf holds them, so they are let go of again.
    const kernel::OwnedBtf base(::btf__load_vmlinux_btf());
    const OwnedFd fd(::bpf_btf_get_fd_by_id(object));
    if (!fd) return place->second;
    char name[64] = "";
    bpf_btf_info info{};
    info.name = reinterpret_cast<std::uintptr_t>(name);
    info.name_len = sizeof name;
    __u32 size = sizeof info;
    if (::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) return place->second;
    kernel::OwnedBtf own;
    const btf* types = base.get();
    if (!info.kernel_btf || std::string_view(name) != "vmlinux") {
        own.reset(info.kernel_btf ? ::btf__load_from_kernel_by_id_split(object, base.get())
                                  : ::btf__load_from_kernel_by_id(object));
        types = own.get();
    }
    const btf_type* found = types ? ::btf__type_by_id(types, type) : nullptr;
    const char* text = found ? ::btf__name_by_offset(types, found->name_off) : nullptr;
    if (!text) return place->second;
    std::string_view word(text);
    constexpr std::string_view tracepoint = "btf_trace_";
    if (word.starts_with(tracepoint)) word.remove_prefix(tracepoint.size());
    place->second = word;
    return place->second;
}

ProgramHook ProgramHooks::of_link(int fd, bool& told) {
    ProgramHook hook;
    LinkInfo info{};
    __u32 size = sizeof info;
    told = ::bpf_obj_get_info_by_fd(fd, reinterpret_cast<bpf_link_info*>(&info), &size) == 0;
    if (!told) return hook;
    const std::uint32_t type = info.type;
    // Names are written to where the caller says, once the kind is known.
    char text[PATH_MAX] = "";
    if (type == link_raw_tracepoint || type == link_iterator || type == link_perf_event ||
        type == link_uprobe_multi) {
        info = {};
        if (type == link_perf_event) {
            info.event.name = reinterpret_cast<std::uintptr_t>(text);
            info.event.length = sizeof text;
        } else if (type == link_uprobe_multi) {
            info.uprobes.path = reinterpret_cast<std::uintptr_t>(text);
            info.uprobes.path_length = sizeof text;
        } else {
            info.named.name = reinterpret_cast<std::uintptr_t>(text);
            info.named.length = sizeof text;
        }
        size = sizeof info;
        told = ::bpf_obj_get_info_by_fd(fd, reinterpret_cast<bpf_link_info*>(&info), &size) == 0;
        if (!told) return hook;
    }
    hook.program_id = info.program_id;
    hook.link_id = info.id;
    switch (type) {  // kernels grow kinds
        case link_raw_tracepoint:
            hook.kind = "raw_tracepoint";
            hook.hook = text;
            break;
        case link_tracing:
            hook.kind = tracing_kind(info.tracing.attach_type);
            hook.hook = function(info.tracing.target_object, info.tracing.target_type);
            break;
        case link_cgroup:
            hook.kind = "cgroup";
            hook.hook =
                fmt::format("{} {}", cgroup_path_of(info.cgroup.id), attach_type_of(info.cgroup.attach_type));
            break;
        case link_iterator:
            hook.kind = "iterator";
            hook.hook = text;
            break;
        case link_netns:
            hook.kind = "netns";
            hook.hook = fmt::format("{} {}", info.device.number, attach_type_of(info.device.attach_type));
            break;
        case link_xdp:
            hook.kind = "xdp";
            hook.hook = fmt::format("interface {}", info.device.number);
            break;
        case link_tcx:
        case link_netkit:
            hook.kind = "tc";
            hook.hook = fmt::format("interface {}", info.device.number);
            break;
        case link_perf_event:
            name_event(info, text, hook);
            break;
        case link_kprobe_multi:
            hook.kind = info.kprobes.flags & 1 ? "kretprobe" : "kprobe";
            hook.places = std::max<std::uint32_t>(info.kprobes.count, 1);
            break;
        case link_uprobe_multi:
            hook.kind = info.uprobes.flags & 1 ? "uretprobe" : "uprobe";
            hook.hook = text;
            hook.places = std::max<std::uint32_t>(info.uprobes.count, 1);
            break;
        case link_netfilter: {
            static constexpr std::string_view hooks[] = {"prerouting", "input", "forward", "output",
                                                         "postrouting"};
            hook.kind = "netfilter";
            if (info.netfilter.hook < std::size(hooks)) hook.hook = hooks[info.netfilter.hook];
            break;
        }
        case link_struct_ops:
            hook.kind = "struct_ops";
            break;
        case link_sockmap:
            hook.kind = "sockmap";
            break;
        default:
            hook.kind = fmt::format("link type {}", type);
    }
    return hook;
}

std::vector<ProgramHook> ProgramHooks::read(std::span<const bpf_holder> holders) {
    std::vector<ProgramHook> out;
    std::set<std::uint32_t> told_by_link;
    for (__u32 id = 0; ::bpf_link_get_next_id(id, &id) == 0;) {
        const OwnedFd fd(::bpf_link_get_fd_by_id(id));
        if (!fd) continue;  // gone meanwhile
        bool told = false;
        ProgramHook hook = of_link(fd.get(), told);
        if (!told || hook.kind.empty()) continue;
        told_by_link.insert(hook.program_id);
        out.push_back(std::move(hook));
    }
    for (const bpf_holder& holder : holders)
        if (holder.kind == BPF_HOLDS_EVENT && !told_by_link.contains(holder.program_id))
            add_hook(out, of_event(holder));
    return out;
}

}  // namespace waggle::sensors
