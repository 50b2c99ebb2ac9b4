// SPDX-License-Identifier: Apache-2.0
// What is in an object: its programs and maps, with what the kernel says of them; pinning.
#include <bpf/bpf.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "engine/object/object_state.h"

namespace waggle {
namespace {

std::string text_or(const char* text, const char* otherwise) { return text ? text : otherwise; }

}  // namespace

Result<RunStatistics> RunStatistics::enable() {
    OwnedFd fd(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!fd)
        return Error{fmt::format("cannot count the runs of BPF programs: {}", std::strerror(errno)),
                     errno == EPERM ? ErrorKind::privilege : ErrorKind::failed};
    return RunStatistics(std::move(fd));
}

std::vector<ObjectProgram> Object::programs() const {
    std::vector<ObjectProgram> out;
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, state_->object) {
        ObjectProgram program;
        program.name = bpf_program__name(each);
        program.section = bpf_program__section_name(each);
        program.type = text_or(libbpf_bpf_prog_type_str(bpf_program__type(each)), "unknown");
        program.autoload = bpf_program__autoload(each);
        program.instructions = static_cast<std::uint32_t>(bpf_program__insn_cnt(each));
        bpf_prog_info info{};
        __u32 length = sizeof info;
        const int fd = bpf_program__fd(each);
        program.loaded = fd >= 0;
        if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &length) == 0) {
            program.id = info.id;
            program.runs = info.run_cnt;
            program.run_ns = info.run_time_ns;
            program.missed = info.recursion_misses;
        }
        out.push_back(std::move(program));
    }
    return out;
}

std::vector<ObjectMap> Object::maps() const {
    std::vector<ObjectMap> out;
    bpf_map* each = nullptr;
    bpf_object__for_each_map(each, state_->object) {
        ObjectMap map;
        map.name = bpf_map__name(each);
        map.type = text_or(libbpf_bpf_map_type_str(bpf_map__type(each)), "unknown");
        map.key_size = bpf_map__key_size(each);
        map.value_size = bpf_map__value_size(each);
        map.max_entries = bpf_map__max_entries(each);
        map.global_data = bpf_map__is_internal(each);
        map.legacy = state_->legacy_maps.contains(map.name);
        map.reused = state_->reused_maps.contains(map.name);
        map.pinned = text_or(bpf_map__is_pinned(each) ? bpf_map__pin_path(each) : nullptr, "");
        bpf_map_info info{};
        __u32 length = sizeof info;
        if (bpf_map__fd(each) >= 0 && bpf_obj_get_info_by_fd(bpf_map__fd(each), &info, &length) == 0) {
            map.id = info.id;
            // What libbpf rounds up or fills in (a ring's size, a per-CPU count) stands in the kernel's word.
            map.max_entries = info.max_entries;
        }
        out.push_back(std::move(map));
    }
    return out;
}

Result<void> Object::pin_map(std::string_view map, const std::string& path) {
    const auto found = state_->find_map(map);
    if (!found) return found.error();
    if (!state_->loaded) return Error{fmt::format("{}: map {} is pinned after load()", state_->name, map)};
    if (const int error = -bpf_map__pin(*found, path.c_str()); error != 0)
        return Error{
            fmt::format("{}: map {} cannot be pinned at {}: {}", state_->name, map, escape_control(path),
                        error == EINVAL ? "it is pinned already, or the path is not in a BPF file system"
                                        : std::strerror(error)),
            error == EPERM || error == EACCES ? ErrorKind::privilege : ErrorKind::failed};
    return {};
}

Result<void> Object::unpin_map(std::string_view map) {
    const auto found = state_->find_map(map);
    if (!found) return found.error();
    if (!bpf_map__is_pinned(*found)) return Error{fmt::format("{}: map {} is not pinned", state_->name, map)};
    if (const int error = -bpf_map__unpin(*found, nullptr); error != 0)
        return Error{
            fmt::format("{}: map {} cannot be unpinned: {}", state_->name, map, std::strerror(error))};
    return {};
}

}  // namespace waggle
