// SPDX-License-Identifier: Apache-2.0
#include "waggle/object.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "binary/object_check.h"
#include "engine/maps/legacy_maps.h"
#include "engine/object/object_state.h"
#include "engine/object/verifier_load.h"
#include "engine/support/hook_kinds.h"
#include "engine/support/libbpf_log.h"
#include "engine/support/libbpf_options.h"

namespace waggle {
namespace {

// To a program it refuses the verifier says EACCES, whoever asks; a missing capability is EPERM.
// EPERM is a missing privilege only where one is missing: a kernel built without kprobes also answers so.
bool is_privilege(int error) { return error == EPERM && !kernel::missing_to_watch().empty(); }

// For the rungs of a ladder, where libbpf's own words say why one fell.
Result<kernel::AttachmentLink> attach_as_section_says(const bpf_program* program,
                                                      kernel::AttachContext& context) {
    // libbpf finds a classic tracepoint only where tracefs is mounted.
    if (bpf_program__type(program) == BPF_PROG_TYPE_TRACEPOINT)
        if (const auto spec = AttachSpec::from_section(bpf_program__section_name(program)))
            return kernel::attach(program, *spec, context);
    bpf_link* link = bpf_program__attach(program);
    if (!link) return Error{kernel::libbpf_last_words(errno)};
    return kernel::AttachmentLink(link);
}

}  // namespace

void Object::State::close() {
    for (const auto& [section, mapping] : mappings) ::munmap(mapping.address, mapping.size);
    mappings.clear();
    attached.clear();
    if (object && holds_kernel_types) {
        // libbpf before 1.3 forgets them when an object is closed that was never loaded; so nothing is
        // loaded.
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object) bpf_map__set_autocreate(map, false);
        bpf_object__load(object);
    }
    holds_kernel_types = false;
    if (object) bpf_object__close(object);
    object = nullptr;
    loaded = false;
}

Result<void> Object::State::reopen() {
    close();
    kernel::libbpf_log().clear();
    bpf_object_open_opts open_options;
    kernel::clear_options(open_options);
    open_options.object_name = name.c_str();
    if (!options.btf_path.empty()) open_options.btf_custom_path = options.btf_path.c_str();
    if (!options.pin_root.empty()) open_options.pin_root_path = options.pin_root.c_str();
    object = bpf_object__open_mem(elf.data(), elf.size(), &open_options);
    if (!object)
        return Error{fmt::format("open {}: {}", name, escape_control(kernel::libbpf_last_words(errno)))};
    kernel::take_types_off_rings(object);
    for (const auto& [variable, value] : constants)
        if (auto set = write_constant(variable, value, GlobalType::any); !set) return set;
    for (const auto& [map_name, entries] : max_entries)
        if (auto set = write_max_entries(map_name, entries); !set) return set;
    for (const auto& [program, load] : autoload) {
        const auto found = find_program(program);
        if (!found) return found.error();
        bpf_program__set_autoload(*found, load);
    }
    for (const auto& [program, spec] : plans) {
        const auto found = find_program(program);
        if (!found) return found.error();
        if (auto applied = apply_plan(*found, spec); !applied) return applied;
    }
    return {};
}

Result<bpf_program*> Object::State::find_program(std::string_view program) const {
    bpf_program* found = bpf_object__find_program_by_name(object, std::string(program).c_str());
    if (found) return found;
    std::vector<std::string_view> known;
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, object) known.emplace_back(bpf_program__name(each));
    return Error{fmt::format("{} has no program named {}{}", name, escape_control(program),
                             did_you_mean(program, known))};
}

Result<bpf_map*> Object::State::find_map(std::string_view map) const {
    bpf_map* found = bpf_object__find_map_by_name(object, std::string(map).c_str());
    if (found) return found;
    std::vector<std::string_view> known;
    bpf_map* each = nullptr;
    bpf_object__for_each_map(each, object) known.emplace_back(bpf_map__name(each));
    return Error{
        fmt::format("{} has no map named {}{}", name, escape_control(map), did_you_mean(map, known))};
}

Result<void> Object::State::write_max_entries(std::string_view map_name, std::uint32_t entries) const {
    const auto map = find_map(map_name);
    if (!map) return map.error();
    if (bpf_map__set_max_entries(*map, entries) != 0)
        return Error{
            fmt::format("{}: map {} refuses {} entries: {}", name, map_name, entries, std::strerror(errno))};
    return {};
}

Result<void> Object::State::load_chosen() {
    // What a map's pin path names before the load is what the load takes instead of a new map.
    std::set<std::string, std::less<>> already;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const char* path = bpf_map__pin_path(map);
        if (path && ::access(path, F_OK) == 0) already.insert(bpf_map__name(map));
    }
    kernel::libbpf_log().clear();
    holds_kernel_types = false;
    if (bpf_object__load(object) != 0) return load_error(errno);
    loaded = true;
    reused_maps = std::move(already);
    return {};
}

Object::Object(std::unique_ptr<State> state) : state_(std::move(state)) {}
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

Result<Object> Object::open_state(std::unique_ptr<State> state) {
    kernel::capture_libbpf_log();
    const auto checked = kernel::check_object(state->elf);
    if (!checked) return Error{fmt::format("open {}: {}", state->name, checked.error().message)};
    state->has_licence = checked->has_licence;
    // libbpf says of a file of types that it cannot read no more than that relocating failed.
    if (!state->options.btf_path.empty())
        if (auto types = kernel::check_btf_file(state->options.btf_path); !types)
            return while_doing("open " + state->name, types.error());
    if (checked->legacy_maps) {
        auto adapted = kernel::adapt_legacy_maps(state->elf);
        if (!adapted) return while_doing("open " + state->name, adapted.error());
        state->kept = std::move(adapted->elf);
        state->elf = state->kept;
        state->legacy_maps.insert(adapted->maps.begin(), adapted->maps.end());
    }
    if (auto opened = state->reopen(); !opened) return opened.error();
    return Object(std::move(state));
}

Result<Object> Object::open(std::string_view name, Bytes elf, const ObjectOptions& options) {
    auto state = std::make_unique<State>();
    state->name = escape_control(name);
    state->options = options;
    state->elf = elf;
    return open_state(std::move(state));
}

Result<Object> Object::open(std::string_view name, std::vector<std::byte> elf, const ObjectOptions& options) {
    auto state = std::make_unique<State>();
    state->name = escape_control(name);
    state->options = options;
    state->kept = std::move(elf);
    state->elf = state->kept;
    return open_state(std::move(state));
}

Result<Object> Object::open_file(const std::string& path, const ObjectOptions& options) {
    const Result<std::string> text = read_file(path);
    if (!text) return text.error();
    std::string_view name = path;
    name.remove_prefix(std::min(name.size(), name.rfind('/') + 1));
    for (const std::string_view ending : {".o", ".bpf"})
        if (name.ends_with(ending)) name.remove_suffix(ending.size());
    const Bytes bytes = bytes_of(std::string_view(*text));
    return open(name, std::vector<std::byte>(bytes.begin(), bytes.end()), options);
}

const std::string& Object::name() const { return state_->name; }
bpf_object* Object::libbpf() const { return state_->object; }

Result<void> Object::set_constant_bytes(std::string_view variable, Bytes value, GlobalType type) {
    if (auto set = state_->write_constant(variable, value, type); !set) return set;
    state_->constants[std::string(variable)].assign(value.begin(), value.end());
    return {};
}

Result<void> Object::set_max_entries(std::string_view map, std::uint32_t entries) {
    if (auto set = state_->write_max_entries(map, entries); !set) return set;
    state_->max_entries[std::string(map)] = entries;
    return {};
}

Result<void> Object::set_autoload(std::string_view program, bool load) {
    const auto found = state_->find_program(program);
    if (!found) return found.error();
    if (state_->loaded)
        return Error{fmt::format("{} is loaded: choose its programs before load()", state_->name)};
    bpf_program__set_autoload(*found, load);
    state_->autoload[std::string(program)] = load;
    return {};
}

Result<void> Object::load() {
    if (state_->loaded) return Error{fmt::format("{} is loaded already", state_->name)};
    auto loaded = state_->load_chosen();
    if (loaded) return {};
    if (auto opened = state_->reopen(); !opened) return opened;
    return loaded;
}

Result<void> Object::load(std::span<const Moment> moments) {
    std::vector<std::size_t> rung(moments.size(), 0);
    std::vector<std::string> reasons(moments.size());
    // A rung falls when it does not load or does not attach; then all is opened again with the next one,
    // because libbpf loads an object's programs all or none.
    for (;;) {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, state_->object) bpf_program__set_autoload(program, false);
        std::vector<bpf_program*> chosen(moments.size(), nullptr);
        for (std::size_t i = 0; i < moments.size(); ++i) {
            if (rung[i] < moments[i].programs.size()) {
                const auto found = state_->find_program(moments[i].programs[rung[i]]);
                if (!found) return found.error();
                chosen[i] = *found;
            }
            if (chosen[i]) bpf_program__set_autoload(chosen[i], true);
            if (!chosen[i] && moments[i].required)
                return Error{
                    fmt::format("{} cannot watch {}: {}", state_->name, moments[i].name, reasons[i])};
        }
        kernel::libbpf_log().clear();
        std::size_t fallen = moments.size();
        state_->holds_kernel_types = false;
        if (bpf_object__load(state_->object) != 0) {
            const int error = errno;
            const std::string culprit = kernel::failed_program(kernel::libbpf_log());
            for (std::size_t i = 0; i < moments.size(); ++i)
                if (chosen[i] && culprit == bpf_program__name(chosen[i])) fallen = i;
            if (fallen == moments.size() || is_privilege(error))
                return Error{fmt::format("load {}: {}", state_->name, kernel::load_words(error, state_->elf)),
                             is_privilege(error) ? ErrorKind::privilege : ErrorKind::failed};
            reasons[fallen] = kernel::libbpf_last_words(error);
        } else {
            state_->loaded = true;
            for (std::size_t i = 0; i < moments.size() && fallen == moments.size(); ++i) {
                if (!chosen[i] || moments[i].load_only) continue;
                auto link = attach_as_section_says(chosen[i], state_->context);
                if (link) {
                    state_->attached.push_back({bpf_program__name(chosen[i]), chosen[i],
                                                bpf_program__section_name(chosen[i]), std::move(*link)});
                } else {
                    fallen = i;
                    reasons[i] = link.error().message;
                }
            }
        }
        if (fallen == moments.size()) {
            hooks_.clear();
            for (std::size_t i = 0; i < moments.size(); ++i)
                hooks_.push_back(
                    {std::string(moments[i].name), chosen[i] ? bpf_program__section_name(chosen[i]) : "",
                     chosen[i] ? "" : std::string(moments[i].lost), chosen[i] ? "" : reasons[i]});
            return {};
        }
        ++rung[fallen];
        if (auto opened = state_->reopen(); !opened) return opened;
    }
}

Result<Unloaded> Object::unload() {
    Unloaded out;
    out.attachments = state_->attached.size();
    if (state_->loaded) {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, state_->object) out.programs += bpf_program__fd(program) >= 0;
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, state_->object) out.maps += bpf_map__fd(map) >= 0;
    }
    hooks_.clear();
    if (auto opened = state_->reopen(); !opened) return opened.error();
    return out;
}

Result<int> Object::map_fd(std::string_view map) const {
    const int fd = bpf_object__find_map_fd_by_name(state_->object, std::string(map).c_str());
    if (fd < 0) return Error{fmt::format("{} has no loaded map named {}", state_->name, map)};
    return fd;
}

Result<int> Object::program_fd(std::string_view program) const {
    const auto found = state_->find_program(program);
    if (!found) return found.error();
    const int fd = bpf_program__fd(*found);
    if (fd < 0) return Error{fmt::format("{}: {} is not loaded", state_->name, program)};
    return fd;
}

bool Object::is_attached(std::string_view program) const {
    return std::ranges::any_of(state_->attached, [&](const State::Attached& each) {
        return bpf_program__name(each.program) == program;
    });
}

Result<OwnedFd> Object::iterate(std::string_view program) const {
    for (const State::Attached& each : state_->attached) {
        if (bpf_program__name(each.program) != program) continue;
        OwnedFd pass(bpf_iter_create(each.link.fd()));
        if (!pass)
            return Error{fmt::format("{}: iterate {}: {}", state_->name, program, std::strerror(errno))};
        return pass;
    }
    return Error{fmt::format("{} has no attached program named {}", state_->name, program)};
}

Result<std::vector<int>> Object::program_fds() const {
    std::vector<int> fds;
    for (const State::Attached& each : state_->attached) {
        const int fd = bpf_program__fd(each.program);
        if (std::ranges::find(fds, fd) == fds.end()) fds.push_back(fd);
    }
    return fds;
}

std::uint64_t Object::missed_runs() const {
    std::uint64_t missed = 0;
    const Result<std::vector<int>> fds = program_fds();
    for (const int fd : *fds) {
        bpf_prog_info info{};
        __u32 length = sizeof info;
        if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0) missed += info.recursion_misses;
    }
    return missed;
}

}  // namespace waggle
