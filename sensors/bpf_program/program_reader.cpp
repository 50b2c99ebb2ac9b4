// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpf_program/program_reader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/put.h"
#include "base/text.h"
#include "model/schema.h"
#include "sensors/bpf_program/calls.h"
#include "sensors/bpf_program/pins.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {
namespace {

using facts::put;

constexpr std::uint64_t second_ns = 1'000'000'000;
// Who holds what and how full maps are can change without a new program or link.
constexpr std::uint64_t read_again_ns = 5 * second_ns;
// A program is loaded first and attached, pinned or handed on after that.
constexpr std::uint64_t settles_ns = 2 * second_ns + second_ns / 2;
// However much there is to read: never more than this share of the time.
constexpr std::uint64_t least_pause = 20;

std::vector<std::uint32_t> ids_of(int (*next)(__u32, __u32*)) {
    std::vector<std::uint32_t> out;
    for (__u32 id = 0; next(id, &id) == 0;) out.push_back(id);
    return out;
}

std::string name_of(const char* name, std::uint32_t number) {
    return name ? name : fmt::format("type {}", number);
}

// The kernel memory of an object that we have open.
std::uint64_t memory_of(int fd) {
    const auto text = read_file(fmt::format("/proc/self/fdinfo/{}", fd), 4096);
    return text ? facts::number_behind<std::uint64_t>(*text, "memlock:") : 0;
}

std::string_view text_in(const char (&name)[BPF_OBJ_NAME_LEN]) {
    return {name, ::strnlen(name, sizeof name)};
}

std::uint16_t kind_of(const std::vector<std::byte>& record) { return load<waggle_event>(record).kind; }

}  // namespace

Result<std::unique_ptr<ProgramReader>> ProgramReader::open(const Options& options) {
    Result<KernelPasses> passes = KernelPasses::open();
    if (!passes) return passes.error();
    std::unique_ptr<ProgramReader> reader(new ProgramReader(options, std::move(*passes)));
    const Result<StatisticsCost> cost = reader->passes_.measure();
    if (!cost) return cost.error();
    reader->cost_ = *cost;
    Result<RunStatistics> on = RunStatistics::enable();
    if (!on) return on.error();
    reader->statistics_.emplace(std::move(*on));
    reader->cpus_ = static_cast<std::uint32_t>(std::max(1l, ::sysconf(_SC_NPROCESSORS_ONLN)));
    return reader;
}

bool ProgramReader::is_shown(std::uint32_t id) const {
    if (options_.own) return true;
    const auto owner = owners_.find(id);
    return owner == owners_.end() || !owner->second.own;
}

void ProgramReader::read_totals(const RecordSink& sink) {
    const SystemClock clock;
    std::vector<RecordWriter<bpf_program_total>> writers;
    std::map<std::uint32_t, Counted> now;
    const bool first = last_totals_ns_ == 0;
    for (const std::uint32_t id : ids_of(::bpf_prog_get_next_id)) {
        if (!is_shown(id)) continue;
        const OwnedFd fd(::bpf_prog_get_fd_by_id(id));
        bpf_prog_info info{};
        __u32 size = sizeof info;
        if (!fd && errno == ENOENT) continue;  // gone meanwhile
        if (!fd || ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
            ++unread_;
            continue;
        }
        Counted& counted = now[id];
        counted = {info.load_time,   clock.monotonic_ns(),  info.run_cnt,
                   info.run_time_ns, info.recursion_misses, false};
        const auto before = counted_.find(id);
        // What is new ran only since it was loaded, and that was after the last reading.
        const bool known = before != counted_.end() && before->second.loaded_ns == info.load_time;
        const Counted then = known ? before->second : Counted{0, last_totals_ns_, 0, 0, 0, false};
        counted.ever_ran = then.ever_ran || (!first && counted.runs > then.runs);
        if (first || !counted.ever_ran) continue;
        RecordWriter<bpf_program_total>& writer = writers.emplace_back();
        bpf_program_total& total = writer.fixed;
        if (const auto owner = owners_.find(id); owner != owners_.end()) total.header = owner->second.header;
        total.header.kind = options_.total_kind;
        total.header.time_ns = counted.at_ns;
        total.id = id;
        total.cpus = cpus_;
        put(total.name, text_in(info.name));
        total.runs = counted.runs - then.runs;
        total.run_time_ns = counted.run_time_ns - then.run_time_ns;
        total.measuring_ns = std::min(total.run_time_ns, total.runs * cost_.inside_ns);
        total.counting_ns = total.runs * cost_.whole_ns;
        total.recursion_misses = counted.misses - then.misses;
        total.covers_ns = counted.at_ns - then.at_ns;
    }
    counted_ = std::move(now);
    last_totals_ns_ = clock.monotonic_ns();
    std::vector<Bytes> records;
    for (RecordWriter<bpf_program_total>& writer : writers) records.push_back(writer.finish());
    if (!records.empty()) sink(records);
}

bool ProgramReader::is_due(std::uint64_t now_ns) {
    std::vector<std::uint32_t> ids = ids_of(::bpf_prog_get_next_id);
    const std::vector<std::uint32_t> links = ids_of(::bpf_link_get_next_id);
    ids.push_back(0);
    ids.insert(ids.end(), links.begin(), links.end());
    if (ids != ids_) changed_at_ns_ = now_ns;
    const bool due = ids != ids_ || read_at_ns_ == 0 || now_ns >= read_at_ns_ + read_again_ns ||
                     read_at_ns_ < changed_at_ns_ + settles_ns;
    if (!due || (read_at_ns_ != 0 && now_ns < read_at_ns_ + took_ns_ * least_pause)) return false;
    ids_ = std::move(ids);
    return true;
}

// The lowest pid that holds the program itself, its link or its event. Called with ascending pids.
void ProgramReader::find_owners(const std::vector<bpf_holder>& holders) {
    owners_.clear();
    for (const bpf_holder& holder : holders) {
        Owner& owner = owners_[holder.program_id];
        owner.own = owner.own || holder.own;
        if (owner.holders > 0 && owner.last_pid == holder.pid) continue;
        owner.last_pid = holder.pid;
        if (owner.holders++ > 0) continue;
        owner.header.pid = holder.pid;
        owner.header.tid = holder.pid;
        owner.header.start_ns = holder.start_ns;
        owner.header.cgroup_id = holder.cgroup_id;
        std::memcpy(owner.header.comm, holder.comm, sizeof owner.header.comm);
    }
}

const bpf_program_map* ProgramReader::map_of(std::uint32_t map_id,
                                             const std::map<std::uint32_t, std::int64_t>& fills) {
    const auto [place, fresh] = maps_.try_emplace(map_id);
    bpf_program_map& map = place->second;
    if (!fresh) return map.map_id ? &map : nullptr;
    const OwnedFd fd(::bpf_map_get_fd_by_id(map_id));
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (!fd || ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) return nullptr;
    map.header.kind = BPF_PROGRAM_MAP;
    map.map_id = map_id;
    put(map.kind, name_of(::libbpf_bpf_map_type_str(static_cast<bpf_map_type>(info.type)), info.type));
    put(map.name, text_in(info.name));
    map.memory_bytes = memory_of(fd.get());
    map.max_entries = info.max_entries;
    const auto fill = fills.find(map_id);
    map.entries = fill == fills.end() ? null_i64 : fill->second;
    return &map;
}

void ProgramReader::add_program(std::uint32_t id, std::uint64_t now_ns, const std::vector<ProgramHook>& hooks,
                                const std::map<std::uint32_t, std::string>& pins,
                                const std::map<std::uint32_t, std::int64_t>& fills) {
    const OwnedFd fd(::bpf_prog_get_fd_by_id(id));
    std::vector<__u32> map_ids(64);
    bpf_prog_info info{};
    __u32 size = sizeof info;
    info.nr_map_ids = static_cast<__u32>(map_ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(map_ids.data());
    if (!fd || ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) return;  // gone meanwhile
    map_ids.resize(std::min<std::size_t>(map_ids.size(), info.nr_map_ids));
    Known& known = known_[id];
    if (known.loaded_ns != info.load_time) known = {info.load_time, memory_of(fd.get())};
    RecordWriter<bpf_program_state> writer;
    bpf_program_state& state = writer.fixed;
    if (const auto owner = owners_.find(id); owner != owners_.end()) {
        state.header = owner->second.header;
        state.holders = owner->second.holders;
        state.own = owner->second.own;
    }
    state.header.kind = BPF_PROGRAM;
    state.header.time_ns = now_ns;
    state.id = id;
    state.uid = info.created_by_uid;
    put(state.kind, name_of(::libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(info.type)), info.type));
    put(state.name, text_in(info.name));
    std::string tag;
    for (const __u8 byte : info.tag) tag += fmt::format("{:02x}", byte);
    put(state.tag, tag);
    state.loaded_ns = info.load_time;
    constexpr std::size_t verified_end = offsetof(bpf_prog_info, verified_insns) + sizeof info.verified_insns;
    state.verified_instructions =
        size >= verified_end ? static_cast<std::int64_t>(info.verified_insns) : null_i64;
    state.instructions = info.xlated_prog_len / sizeof(bpf_insn);
    state.jited_bytes = info.jited_prog_len;
    state.memory_bytes = known.memory_bytes;
    state.maps = info.nr_map_ids;
    for (const ProgramHook& hook : hooks) {
        if (hook.program_id != id) continue;
        if (state.hooks++ == 0) {
            put(state.hook_kind, hook.kind);
            put(state.hook, hook.hook);
        }
        RecordWriter<bpf_program_hook> place;
        place.fixed.header.kind = BPF_PROGRAM_HOOK;
        place.fixed.id = id;
        place.fixed.link_id = hook.link_id;
        place.fixed.places = hook.places;
        put(place.fixed.hook_kind, hook.kind);
        put(place.fixed.hook, hook.hook);
        keep(place);
    }
    for (const std::uint32_t map_id : map_ids) {
        const bpf_program_map* map = map_of(map_id, fills);
        if (!map) continue;
        state.map_memory_bytes += map->memory_bytes;
        RecordWriter<bpf_program_map> used;
        used.fixed = *map;
        used.fixed.id = id;
        keep(used);
    }
    if (const auto pin = pins.find(id); pin != pins.end())
        writer.text(&bpf_program_state::pinned, pin->second);
    writer.text(&bpf_program_state::map_ids, fmt::format("{}", fmt::join(map_ids, ", ")));
    keep(writer);
}

void ProgramReader::add_calls() {
    const OwnedFd fd(::bpf_prog_get_fd_by_id(options_.calls_of));
    if (!fd) {
        calls_problem_ = fmt::format("there is no BPF program with the number {}", options_.calls_of);
        return;
    }
    const auto calls = calls_of(fd.get());
    calls_problem_ = calls ? ""
                           : fmt::format("what BPF program {} calls is not known: {}", options_.calls_of,
                                         calls.error().message);
    if (!calls) return;
    for (const auto& [called, times] : *calls) {
        RecordWriter<bpf_program_call> writer;
        writer.fixed.header.kind = BPF_PROGRAM_CALL;
        writer.fixed.id = options_.calls_of;
        writer.fixed.times = times;
        put(writer.fixed.called, called);
        keep(writer);
    }
}

bool ProgramReader::read_state() {
    const SystemClock clock;
    const std::uint64_t began_ns = clock.monotonic_ns();
    if (!is_due(began_ns)) return false;
    const bool first = read_at_ns_ == 0;
    std::vector<std::vector<std::byte>> calls;
    if (!first)
        for (std::vector<std::byte>& record : states_)
            if (kind_of(record) == BPF_PROGRAM_CALL) calls.push_back(std::move(record));
    states_.clear();
    maps_.clear();
    const std::vector<bpf_holder> holders = passes_.holders();
    const std::vector<ProgramHook> hooks = hook_reader_.read(holders);
    const std::map<std::uint32_t, std::string> pins = pinned_programs();
    const std::map<std::uint32_t, std::int64_t> fills = passes_.fills();
    find_owners(holders);
    for (const std::uint32_t id : ids_of(::bpf_prog_get_next_id))
        if (is_shown(id)) add_program(id, began_ns, hooks, pins, fills);
    std::erase_if(known_,
                  [&](const auto& each) { return std::ranges::find(ids_, each.first) == ids_.end(); });
    // A program's instructions do not change.
    states_.insert(states_.end(), std::make_move_iterator(calls.begin()),
                   std::make_move_iterator(calls.end()));
    if (first && options_.calls_of) add_calls();
    read_at_ns_ = began_ns;
    took_ns_ = clock.monotonic_ns() - began_ns;
    return true;
}

std::vector<Bytes> ProgramReader::state_of(std::uint16_t kind) const {
    std::vector<Bytes> out;
    for (const std::vector<std::byte>& record : states_)
        if (kind_of(record) == kind) out.emplace_back(record);
    return out;
}

std::vector<std::string> ProgramReader::problems() const {
    return calls_problem_.empty() ? std::vector<std::string>{} : std::vector<std::string>{calls_problem_};
}

std::vector<HookUse> ProgramReader::hooks() const {
    std::vector<HookUse> out = passes_.hooks();
    out.push_back({"statistics", "BPF_ENABLE_STATS", "What BPF programs cost is not seen.", ""});
    return out;
}

}  // namespace waggle::sensors
