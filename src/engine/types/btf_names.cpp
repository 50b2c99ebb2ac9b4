// SPDX-License-Identifier: Apache-2.0
#include "engine/types/btf_names.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/support/libbpf_log.h"
#include "engine/support/owned_btf.h"

namespace waggle::kernel {
namespace {

Result<OwnedBtf> read_types(const std::string& directory, std::string_view module, btf* base) {
    const std::string path = fmt::format("{}/{}", directory, module);
    OwnedBtf types(base ? btf__parse_split(path.c_str(), base) : btf__parse(path.c_str(), nullptr));
    if (types) return types;
    const int error = errno;
    return Error{fmt::format("cannot read the kernel's types in {}: {}", path, std::strerror(error)),
                 error == EPERM || error == EACCES ? ErrorKind::privilege : ErrorKind::failed};
}

// Adds the enum's values to `names`; false when the types have no such enum.
bool add_enum(const btf* types, const char* name, std::string_view strip_prefix, EnumNames& names) {
    const auto add = [&](std::uint64_t value, std::uint32_t name_at) {
        std::string_view text = btf__name_by_offset(types, name_at);
        if (text.starts_with(strip_prefix)) text.remove_prefix(strip_prefix.size());
        names.emplace(value, text);
    };
    if (const __s32 id = btf__find_by_name_kind(types, name, BTF_KIND_ENUM); id > 0) {
        const btf_type* type = btf__type_by_id(types, static_cast<__u32>(id));
        for (int i = 0; i < btf_vlen(type); ++i) {
            const struct btf_enum& entry = btf_enum(type)[i];
            // A signed 32-bit value stays what the kernel's u32 fields hold.
            add(static_cast<std::uint32_t>(entry.val), entry.name_off);
        }
        return true;
    }
    if (const __s32 id = btf__find_by_name_kind(types, name, BTF_KIND_ENUM64); id > 0) {
        const btf_type* type = btf__type_by_id(types, static_cast<__u32>(id));
        for (int i = 0; i < btf_vlen(type); ++i) {
            const struct btf_enum64& entry = btf_enum64(type)[i];
            add(btf_enum64_value(&entry), entry.name_off);
        }
        return true;
    }
    return false;
}

}  // namespace

Result<EnumNames> enum_names(std::string_view name, std::string_view strip_prefix, std::string_view module,
                             const std::string& directory) {
    capture_libbpf_log();
    Result<OwnedBtf> base = read_types(directory, "vmlinux", nullptr);
    if (!base) return base.error();
    OwnedBtf own;
    if (module != "vmlinux") {
        Result<OwnedBtf> types = read_types(directory, module, base->get());
        if (!types) return types.error();
        own = std::move(*types);
    }
    EnumNames names;
    if (!add_enum(own ? own.get() : base->get(), std::string(name).c_str(), strip_prefix, names))
        return Error{fmt::format("the kernel's types in {}/{} have no enum {}", directory, module, name)};
    return names;
}

Result<EnumNames> drop_reason_names(const std::string& directory) {
    capture_libbpf_log();
    Result<OwnedBtf> base = read_types(directory, "vmlinux", nullptr);
    if (!base) return base.error();
    EnumNames names;
    if (!add_enum(base->get(), "skb_drop_reason", "SKB_", names))
        return Error{
            "this kernel gives no reasons for dropped packets (enum skb_drop_reason came with 5.17)"};
    constexpr std::string_view prefix = "DROP_REASON_";
    std::erase_if(names, [](const auto& entry) {
        return entry.second.ends_with("_REASON_MAX") || entry.second.ends_with("_SUBSYS_MASK");
    });
    for (auto& [value, name] : names)
        if (name.starts_with(prefix)) name.erase(0, prefix.size());

    // Where a subsystem is built in, its enum is among the kernel's own types.
    struct Subsystem {
        const char* module;
        const char* enum_name;
        std::string_view prefix;
    };
    static constexpr Subsystem subsystems[] = {
        // mac80211 casts its enum to another type and puts underscores before the numbers' names (6.4).
        {"mac80211", "___mac80211_drop_reason", "___"},
        {"openvswitch", "ovs_drop_reason", ""},
    };
    for (const Subsystem& subsystem : subsystems) {
        EnumNames found;
        if (!add_enum(base->get(), subsystem.enum_name, subsystem.prefix, found)) {
            if (::access(fmt::format("{}/{}", directory, subsystem.module).c_str(), R_OK) != 0) continue;
            const Result<OwnedBtf> types = read_types(directory, subsystem.module, base->get());
            // The module may have gone since: then it drops nothing either.
            if (types) add_enum(types->get(), subsystem.enum_name, subsystem.prefix, found);
        }
        for (auto& [value, name] : found)
            if (value >> 16 != 0) names.emplace(value, std::move(name));
    }
    return names;
}

}  // namespace waggle::kernel
