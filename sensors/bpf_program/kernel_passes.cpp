// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpf_program/kernel_passes.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bpf_program.skel.h"
#include "engine/object/iterator_records.h"

namespace waggle::sensors {
namespace {

// An event of our own that never counts: its descriptor is of the kind that is looked for.
OwnedFd idle_event() {
    perf_event_attr attributes{};
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_DUMMY;
    attributes.disabled = 1;
    return OwnedFd(
        static_cast<int>(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
}

// A link of this program.
OwnedFd link_of(int program_fd) {
    bpf_prog_info program{};
    __u32 size = sizeof program;
    if (::bpf_obj_get_info_by_fd(program_fd, &program, &size) != 0) return OwnedFd();
    for (__u32 id = 0; ::bpf_link_get_next_id(id, &id) == 0;) {
        OwnedFd link(::bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        size = sizeof info;
        if (link && ::bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 && info.prog_id == program.id)
            return link;
    }
    return OwnedFd();
}

struct OwnRuns {
    std::uint64_t runs = 0;
    std::uint64_t run_time_ns = 0;
    std::uint64_t wall_ns = 0;  // of one run, the loop around it included
};

// Runs the empty program so often, by the kernel's own test run.
Result<OwnRuns> run_empty(int fd, int times) {
    char packet[64] = {};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof packet, .repeat = times);
    bpf_prog_info before{}, after{};
    __u32 size = sizeof before;
    if (::bpf_obj_get_info_by_fd(fd, &before, &size) != 0) return Error{"cannot read an own BPF program"};
    if (::bpf_prog_test_run_opts(fd, &run) != 0)
        return Error{fmt::format("cannot run an empty BPF program: {}", std::strerror(errno))};
    size = sizeof after;
    if (::bpf_obj_get_info_by_fd(fd, &after, &size) != 0) return Error{"cannot read an own BPF program"};
    return OwnRuns{after.run_cnt - before.run_cnt, after.run_time_ns - before.run_time_ns, run.duration};
}

// The quietest of some: what else ran on the machine only adds.
Result<OwnRuns> run_empty_quietly(int fd) {
    constexpr int rounds = 5, times = 20'000;
    OwnRuns least;
    for (int round = 0; round < rounds; ++round) {
        const Result<OwnRuns> ran = run_empty(fd, times);
        if (!ran) return ran;
        if (round == 0 || ran->wall_ns < least.wall_ns) least = *ran;
    }
    return least;
}

}  // namespace

Result<KernelPasses> KernelPasses::open() {
    static constexpr std::string_view file[] = {"on_file"};
    static constexpr std::string_view map[] = {"on_map"};
    static constexpr std::string_view measured[] = {"measure"};
    static constexpr Moment moments[] = {
        {"holders", file, "Who holds a BPF program is not seen.", false},
        {"entries", map, "How full maps are is not seen.", false},
        {"measuring", measured, "What the statistics cost is not known.", true, true},
    };
    std::size_t size = 0;
    const void* elf = bpf_program_bpf__elf_bytes(&size);
    auto object = Object::open("bpf_program", {static_cast<const std::byte*>(elf), size});
    if (!object) return object.error();
    if (auto loaded = object->load(moments); !loaded) return loaded.error();
    KernelPasses passes(std::move(*object));
    if (auto learnt = passes.learn(); !learnt) return learnt.error();
    return passes;
}

Result<void> KernelPasses::learn() {
    if (!object_.is_attached("on_file")) return {};
    const Result<int> program = object_.program_fd("measure");
    if (!program) return program.error();
    const OwnedFd event = idle_event();
    const Result<int> iterator = object_.program_fd("on_file");
    if (!iterator) return iterator.error();
    const OwnedFd link = link_of(*iterator);
    const auto known = object_.global<std::uint32_t[3]>("known_fd");
    if (!known) return known.error();
    (**known)[0] = static_cast<std::uint32_t>(*program);
    (**known)[1] = static_cast<std::uint32_t>(link.get());
    (**known)[2] = static_cast<std::uint32_t>(event.get());
    kernel::records_of_pass<bpf_holder>(object_, "on_file");
    // Other files will have these numbers.
    for (int i = 0; i < 3; ++i) (**known)[i] = UINT32_MAX;
    return {};
}

std::vector<bpf_holder> KernelPasses::holders() const {
    std::vector<bpf_holder> out =
        kernel::records_of_pass<bpf_holder>(object_, "on_file").value_or(std::vector<bpf_holder>());
    std::ranges::stable_sort(out, {}, &bpf_holder::pid);
    return out;
}

std::map<std::uint32_t, std::int64_t> KernelPasses::fills() const {
    std::map<std::uint32_t, std::int64_t> out;
    const auto fills = kernel::records_of_pass<bpf_map_fill>(object_, "on_map");
    if (fills)
        for (const bpf_map_fill& fill : *fills) out[fill.id] = fill.entries;
    return out;
}

Result<StatisticsCost> KernelPasses::measure() const {
    const Result<int> fd = object_.program_fd("measure");
    if (!fd) return fd.error();
    const Result<OwnRuns> without = run_empty_quietly(*fd);
    if (!without) return without.error();
    Result<RunStatistics> on = RunStatistics::enable();
    if (!on) return on.error();
    const Result<OwnRuns> with = run_empty_quietly(*fd);
    if (!with) return with.error();
    StatisticsCost cost;
    cost.were_on = without->runs > 0;
    if (with->runs > 0) cost.inside_ns = with->run_time_ns / with->runs;
    if (!cost.were_on) cost.whole_ns = with->wall_ns - std::min(with->wall_ns, without->wall_ns);
    return cost;
}

}  // namespace waggle::sensors
