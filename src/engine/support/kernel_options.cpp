// SPDX-License-Identifier: Apache-2.0
#include "engine/support/kernel_options.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>

#include "base/text.h"
#include "engine/support/libbpf_log.h"
#include "kernel_options.skel.h"

namespace waggle::kernel {
namespace {

constexpr char option_letters[] = {'n', 'y', 'm'};  // enum libbpf_tristate

// Where libbpf looks, in its order.
std::string configuration_file() {
    utsname system{};
    ::uname(&system);
    for (const std::string& path :
         {fmt::format("/boot/config-{}", system.release), std::string("/proc/config.gz")})
        if (::access(path.c_str(), R_OK) == 0) return path;
    return {};
}

std::optional<std::string> read_all(int fd) {
    char text[4096];
    const ssize_t got = ::read(fd, text, sizeof text);
    ::close(fd);
    if (got < 0) return std::nullopt;
    return std::string(text, static_cast<std::size_t>(got));
}

}  // namespace

std::optional<char> KernelOptions::value(std::string_view option) const {
    const auto found = values.find(option);
    return found == values.end() ? std::nullopt : std::optional(found->second);
}

KernelOptions read_kernel_options() {
    KernelOptions out;
    const std::string source = configuration_file();
    if (source.empty()) return out;
    const std::string log = libbpf_log();  // what was said before stays
    std::size_t size = 0;
    const void* elf = kernel_options_bpf__elf_bytes(&size);
    const std::unique_ptr<bpf_object, void (*)(bpf_object*)> object(bpf_object__open_mem(elf, size, nullptr),
                                                                    bpf_object__close);
    if (object) {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, object.get()) bpf_program__set_autoload(program, false);
        if (bpf_object__load(object.get()) == 0) {
            const btf* types = bpf_object__btf(object.get());
            const btf_type* section =
                btf__type_by_id(types, static_cast<__u32>(std::max(0, btf__find_by_name(types, ".kconfig"))));
            bpf_map* map = nullptr;
            bpf_map* each = nullptr;
            bpf_object__for_each_map(
                each, object.get()) if (std::string_view(bpf_map__name(each)).ends_with(".kconfig")) map =
                each;
            std::size_t bytes = 0;
            const void* values = map ? bpf_map__initial_value(map, &bytes) : nullptr;
            for (int i = 0; values && section && btf_is_datasec(section) && i < btf_vlen(section); ++i) {
                const btf_var_secinfo& place = btf_var_secinfos(section)[i];
                if (place.offset + sizeof(std::uint32_t) > bytes) continue;
                const auto value =
                    *reinterpret_cast<const std::uint32_t*>(static_cast<const char*>(values) + place.offset);
                const char* name = btf__name_by_offset(types, btf__type_by_id(types, place.type)->name_off);
                if (value < sizeof option_letters) out.values[name] = option_letters[value];
            }
            if (!out.values.empty()) out.source = source;
        }
    }
    libbpf_log() = log;
    return out;
}

std::optional<std::string> read_securityfs(const std::string& name) {
    const int mounted = ::open(("/sys/kernel/security/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (mounted >= 0) return read_all(mounted);
    constexpr unsigned close_on_exec = 1, create = 6;  // FSOPEN_CLOEXEC, FSCONFIG_CMD_CREATE
    const int context = static_cast<int>(::syscall(SYS_fsopen, "securityfs", close_on_exec));
    if (context < 0) return std::nullopt;
    std::optional<std::string> out;
    if (::syscall(SYS_fsconfig, context, create, nullptr, nullptr, 0) == 0) {
        const int root = static_cast<int>(::syscall(SYS_fsmount, context, close_on_exec, 0));
        if (root >= 0) {
            const int file = ::openat(root, name.c_str(), O_RDONLY | O_CLOEXEC);
            if (file >= 0) out = read_all(file);
            ::close(root);
        }
    }
    ::close(context);
    return out;
}

std::string lockdown_state() {
    const std::string text = read_securityfs("lockdown").value_or("");
    const std::size_t begin = text.find('['), end = text.find(']');
    if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
    const std::string state = text.substr(begin + 1, end - begin - 1);
    return state == "none" ? "" : state;
}

}  // namespace waggle::kernel
