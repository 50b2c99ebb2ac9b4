// SPDX-License-Identifier: Apache-2.0
#include "waggle/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/text.h"
#include "kernel/hook_kinds.h"
#include "kernel/libbpf_log.h"

namespace waggle {
namespace {

// libbpf names the failing program in a line "prog 'NAME': failed to load: …".
std::string failed_program() {
    for (std::string_view line : split(kernel::libbpf_log(), '\n')) {
        const std::size_t at = line.find("prog '");
        if (at == std::string_view::npos || line.find("failed to load") == std::string_view::npos) continue;
        const std::string_view rest = line.substr(at + 6);
        return std::string(rest.substr(0, rest.find('\'')));
    }
    return {};
}

}  // namespace

struct Object::State {
    std::string name;
    Bytes elf;
    bpf_object* object = nullptr;
    std::vector<bpf_link*> links;
    std::vector<bpf_program*> attached;
    std::map<std::string, std::vector<std::byte>, std::less<>> constants;
    std::map<std::string, std::uint32_t, std::less<>> max_entries;
    struct Mapping {
        void* address;
        std::size_t size;
    };
    std::map<std::string, Mapping, std::less<>> mappings;

    ~State() { close(); }

    void close() {
        for (const auto& [section, mapping] : mappings) ::munmap(mapping.address, mapping.size);
        mappings.clear();
        for (bpf_link* link : links) bpf_link__destroy(link);
        links.clear();
        attached.clear();
        if (object) bpf_object__close(object);
        object = nullptr;
    }

    Result<void> reopen() {
        close();
        kernel::libbpf_log().clear();
        bpf_object_open_opts options{};
        options.sz = sizeof options;
        options.object_name = name.c_str();
        object = bpf_object__open_mem(elf.data(), elf.size(), &options);
        if (!object) return Error{fmt::format("open {}: {}", name, kernel::libbpf_last_words(errno))};
        for (const auto& [variable, value] : constants)
            if (auto set = write_constant(variable, value); !set) return set;
        for (const auto& [map_name, entries] : max_entries)
            if (auto set = write_max_entries(map_name, entries); !set) return set;
        return {};
    }

    struct Place {
        bpf_map* map;
        std::uint32_t offset;
        std::uint32_t size;
    };

    // Finds a global by name in the object's BTF: its section's map, offset and size.
    Result<Place> find_global(std::string_view variable) const {
        const btf* types = bpf_object__btf(object);
        for (__u32 id = 1; types && id < btf__type_cnt(types); ++id) {
            const btf_type* section = btf__type_by_id(types, id);
            if (!btf_is_datasec(section)) continue;
            const btf_var_secinfo* info = btf_var_secinfos(section);
            for (int i = 0; i < btf_vlen(section); ++i, ++info) {
                const btf_type* var = btf__type_by_id(types, info->type);
                if (variable != btf__name_by_offset(types, var->name_off)) continue;
                const std::string_view section_name = btf__name_by_offset(types, section->name_off);
                bpf_map* map = nullptr;
                bpf_object__for_each_map(map, object) {
                    const std::string_view map_name = bpf_map__name(map);
                    if (bpf_map__is_internal(map) && map_name.ends_with(section_name))
                        return Place{map, info->offset, info->size};
                }
            }
        }
        return Error{fmt::format("{} has no global named {}", name, variable)};
    }

    Result<void> write_constant(std::string_view variable, Bytes value) const {
        const Result<Place> place = find_global(variable);
        if (!place) return place.error();
        if (place->size != value.size())
            return Error{
                fmt::format("{}: {} has {} bytes, {} were given", name, variable, place->size, value.size())};
        std::size_t size = 0;
        const auto* initial = static_cast<const std::byte*>(bpf_map__initial_value(place->map, &size));
        if (!initial || place->offset + value.size() > size)
            return Error{fmt::format("{}: {} has no initial value to set", name, variable)};
        std::vector<std::byte> section(initial, initial + size);
        std::memcpy(section.data() + place->offset, value.data(), value.size());
        if (bpf_map__set_initial_value(place->map, section.data(), size) != 0)
            return Error{fmt::format("{}: {} cannot be set: {}", name, variable, std::strerror(errno))};
        return {};
    }

    Result<void> write_max_entries(const std::string& map_name, std::uint32_t entries) const {
        bpf_map* map = bpf_object__find_map_by_name(object, map_name.c_str());
        if (!map) return Error{fmt::format("{} has no map named {}", name, map_name)};
        if (bpf_map__set_max_entries(map, entries) != 0)
            return Error{fmt::format("{}: map {} refuses {} entries: {}", name, map_name, entries,
                                     std::strerror(errno))};
        return {};
    }
};

Object::Object(std::unique_ptr<State> state) : state_(std::move(state)) {}
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

Result<Object> Object::open(std::string_view name, Bytes elf) {
    kernel::capture_libbpf_log();
    auto state = std::make_unique<State>();
    state->name = name;
    state->elf = elf;
    if (auto opened = state->reopen(); !opened) return opened.error();
    return Object(std::move(state));
}

Result<void> Object::set_constant_bytes(std::string_view variable, Bytes value) {
    if (auto set = state_->write_constant(variable, value); !set) return set;
    state_->constants[std::string(variable)].assign(value.begin(), value.end());
    return {};
}

Result<void> Object::set_max_entries(std::string_view map, std::uint32_t entries) {
    if (auto set = state_->write_max_entries(std::string(map), entries); !set) return set;
    state_->max_entries[std::string(map)] = entries;
    return {};
}

Result<void> Object::load(std::span<const Moment> moments) {
    std::vector<std::size_t> rung(moments.size(), 0);
    std::vector<std::string> reasons(moments.size());
    // To a program it refuses the verifier says EACCES, whoever asks; a missing capability is EPERM.
    // EPERM is a missing privilege only where one is missing: a kernel built without kprobes also answers so.
    const auto privilege = [](int error) { return error == EPERM && !kernel::missing_to_watch().empty(); };
    // A rung falls when it does not load or does not attach; then all is opened anew with the next one,
    // because libbpf loads an object's programs all or none.
    for (;;) {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, state_->object) bpf_program__set_autoload(program, false);
        std::vector<bpf_program*> chosen(moments.size(), nullptr);
        for (std::size_t i = 0; i < moments.size(); ++i) {
            for (; rung[i] < moments[i].programs.size() && !chosen[i]; ++rung[i]) {
                const std::string wanted(moments[i].programs[rung[i]]);
                chosen[i] = bpf_object__find_program_by_name(state_->object, wanted.c_str());
                if (!chosen[i]) return Error{fmt::format("{} has no program named {}", state_->name, wanted)};
                break;
            }
            if (chosen[i]) bpf_program__set_autoload(chosen[i], true);
            if (!chosen[i] && moments[i].required)
                return Error{
                    fmt::format("{} cannot watch {}: {}", state_->name, moments[i].name, reasons[i])};
        }
        kernel::libbpf_log().clear();
        std::size_t fallen = moments.size();
        if (bpf_object__load(state_->object) != 0) {
            const int error = errno;
            const std::string culprit = failed_program();
            for (std::size_t i = 0; i < moments.size(); ++i)
                if (chosen[i] && culprit == bpf_program__name(chosen[i])) fallen = i;
            if (fallen == moments.size() || privilege(error))
                return Error{fmt::format("load {}: {}", state_->name, kernel::libbpf_last_words(error)),
                             privilege(error) ? ErrorKind::privilege : ErrorKind::failed};
            reasons[fallen] = kernel::libbpf_last_words(error);
        } else {
            for (std::size_t i = 0; i < moments.size() && fallen == moments.size(); ++i) {
                if (!chosen[i] || moments[i].load_only) continue;
                bpf_link* link = bpf_program__attach(chosen[i]);
                if (link) {
                    state_->links.push_back(link);
                    state_->attached.push_back(chosen[i]);
                } else {
                    fallen = i;
                    reasons[i] = kernel::libbpf_last_words(errno);
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

Result<int> Object::map_fd(std::string_view map) const {
    const int fd = bpf_object__find_map_fd_by_name(state_->object, std::string(map).c_str());
    if (fd < 0) return Error{fmt::format("{} has no loaded map named {}", state_->name, map)};
    return fd;
}

bool Object::is_attached(std::string_view program) const {
    return std::ranges::any_of(state_->attached,
                               [&](const bpf_program* each) { return bpf_program__name(each) == program; });
}

Result<OwnedFd> Object::iterate(std::string_view program) const {
    for (std::size_t i = 0; i < state_->attached.size(); ++i) {
        if (bpf_program__name(state_->attached[i]) != program) continue;
        OwnedFd pass(bpf_iter_create(bpf_link__fd(state_->links[i])));
        if (!pass)
            return Error{fmt::format("{}: iterate {}: {}", state_->name, program, std::strerror(errno))};
        return pass;
    }
    return Error{fmt::format("{} has no attached program named {}", state_->name, program)};
}

Result<std::vector<int>> Object::program_fds() const {
    std::vector<int> fds;
    for (const bpf_program* program : state_->attached) fds.push_back(bpf_program__fd(program));
    return fds;
}

std::uint64_t Object::missed_runs() const {
    std::uint64_t missed = 0;
    for (const bpf_program* program : state_->attached) {
        bpf_prog_info info{};
        __u32 length = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) == 0)
            missed += info.recursion_misses;
    }
    return missed;
}

Result<void*> Object::global_bytes(std::string_view variable, std::size_t size) {
    const Result<State::Place> place = state_->find_global(variable);
    if (!place) return place.error();
    if (place->size != size)
        return Error{
            fmt::format("{}: {} has {} bytes, {} were asked for", state_->name, variable, place->size, size)};
    const std::string section = bpf_map__name(place->map);
    auto mapping = state_->mappings.find(section);
    if (mapping == state_->mappings.end()) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t length = (bpf_map__value_size(place->map) + page - 1) / page * page;
        void* address =
            ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(place->map), 0);
        if (address == MAP_FAILED)
            return Error{fmt::format("{}: cannot map {}: {}", state_->name, section, std::strerror(errno))};
        mapping = state_->mappings.emplace(section, State::Mapping{address, length}).first;
    }
    return static_cast<void*>(static_cast<std::byte*>(mapping->second.address) + place->offset);
}

}  // namespace waggle
