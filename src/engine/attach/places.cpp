// SPDX-License-Identifier: Apache-2.0
#include "engine/attach/places.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "base/text.h"
#include "engine/attach/tracefs.h"
#include "engine/attach/user_binary.h"

namespace waggle::kernel {
namespace {

bool has_wildcard(std::string_view text) { return text.find_first_of("*?") != std::string_view::npos; }

std::vector<AttachSpec> with_targets(const AttachSpec& spec, std::span<const std::string> known) {
    std::vector<AttachSpec> out;
    for (const std::string& each : known)
        if (glob_match(spec.target, each)) {
            out.push_back(spec);
            out.back().target = each;
        }
    return out;
}

Result<std::vector<AttachSpec>> tracepoints(const AttachSpec& spec) {
    const Result<Tracefs> list = Tracefs::open();
    if (!list) return list.error();
    std::vector<AttachSpec> out;
    for (const Tracefs::Tracepoint& each : list->tracepoints(spec.group, spec.target)) {
        out.push_back(spec);
        out.back().group = each.category;
        out.back().target = each.name;
    }
    return out;
}

std::vector<std::string> functions_of_the_kernel() {
    if (const auto tracefs = Tracefs::open())
        if (auto traceable = tracefs->traceable_functions(); traceable && !traceable->empty())
            return std::move(*traceable);
    return kernel_functions();
}

std::vector<std::string> raw_tracepoints() {
    constexpr std::string_view begin = "__traceiter_";
    std::vector<std::string> out;
    for (const std::string& each : kernel_functions())
        if (each.starts_with(begin)) out.push_back(each.substr(begin.size()));
    return out;
}

Result<std::vector<AttachSpec>> markers(const AttachSpec& spec) {
    const auto binary = UserBinary::find(spec);
    if (!binary) return binary.error();
    const auto known = binary->markers();
    if (!known) return known.error();
    std::vector<AttachSpec> out;
    for (const UserBinary::Marker& each : *known) {
        if (!glob_match(spec.group, each.provider) || !glob_match(spec.target, each.name)) continue;
        out.push_back(spec);
        out.back().group = each.provider;
        out.back().target = each.name;
    }
    return out;
}

Result<std::vector<AttachSpec>> user_functions(const AttachSpec& spec) {
    const auto binary = UserBinary::find(spec);
    if (!binary) return binary.error();
    const auto known = binary->functions();
    if (!known) return known.error();
    return with_targets(spec, *known);
}

Result<std::vector<AttachSpec>> listed(const AttachSpec& spec) {
    switch (spec.kind) {
        case AttachKind::tracepoint:
            return tracepoints(spec);
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
        case AttachKind::fentry:
        case AttachKind::fexit:
            return with_targets(spec, functions_of_the_kernel());
        case AttachKind::raw_tp:
        case AttachKind::tp_btf:
            return with_targets(spec, raw_tracepoints());
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
            return user_functions(spec);
        case AttachKind::usdt:
            return markers(spec);
        case AttachKind::section:
        case AttachKind::kprobe_multi:
        case AttachKind::kretprobe_multi:
        case AttachKind::lsm:
        case AttachKind::perf:
        case AttachKind::iter:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            break;
    }
    return Error{fmt::format("places of the kind {} cannot be listed", to_string(spec.kind)),
                 ErrorKind::usage};
}

}  // namespace

bool is_pattern(const AttachSpec& spec) {
    if (spec.kind == AttachKind::kprobe_multi || spec.kind == AttachKind::kretprobe_multi) return false;
    return has_wildcard(spec.group) || has_wildcard(spec.target);
}

Result<std::vector<AttachSpec>> places_of(const AttachSpec& spec) {
    if (!is_pattern(spec)) return std::vector<AttachSpec>{spec};
    Result<std::vector<AttachSpec>> out = listed(spec);
    if (out && out->empty())
        return Error{fmt::format("there is no place here as {} says", to_string(spec)), ErrorKind::usage};
    return out;
}

}  // namespace waggle::kernel
