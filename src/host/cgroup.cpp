// SPDX-License-Identifier: Apache-2.0
#include "host/cgroup.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/text.h"

namespace waggle::context {
namespace {

constexpr std::size_t id_length = 64;
constexpr std::size_t short_id_length = 12;

bool is_container_id(std::string_view text) {
    return text.size() == id_length && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool cut_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

bool cut_suffix(std::string_view& text, std::string_view suffix) {
    if (!text.ends_with(suffix)) return false;
    text.remove_suffix(suffix.size());
    return true;
}

struct Runtime {
    std::string_view word;
    std::string_view name;
};
// Before the id in one name: docker-ID.scope, …:cri-containerd:ID. "crio-conmon-ID" and "libpod-conmon-ID"
// are the containers' monitors, not in the container: what follows their first word is no id.
constexpr Runtime prefixes[] = {
    {"docker", "docker"}, {"cri-containerd", "containerd"}, {"nerdctl", "containerd"},
    {"crio", "cri-o"},    {"libpod-payload", "podman"},     {"libpod", "podman"},
};
// The directory in which bare ids lie: /docker/ID. The kubelet's pods do not say their runtime.
constexpr Runtime parents[] = {
    {"docker", "docker"},
    {"ecs", "docker"},
    {"moby", "docker"},
    {"k8s.io", "containerd"},
};

struct Container {
    std::string_view id;
    std::string_view runtime;
};

Container container_of(std::string_view segment, std::string_view parent) {
    cut_suffix(segment, ".scope");
    if (is_container_id(segment)) {
        for (const Runtime& known : parents)
            if (parent == known.word) return {segment, known.name};
        return {segment, {}};
    }
    // The kubelet with the systemd driver over a runtime without it: "slice:cri-containerd:ID".
    if (const std::size_t colon = segment.find(':'); colon != std::string_view::npos) {
        const auto parts = split(segment, ':');
        if (!is_container_id(parts.back())) return {};
        for (const Runtime& known : prefixes)
            if (parts[parts.size() - 2] == known.word) return {parts.back(), known.name};
        return {parts.back(), {}};
    }
    for (const Runtime& known : prefixes) {
        std::string_view rest = segment;
        if (cut_prefix(rest, known.word) && cut_prefix(rest, "-") && is_container_id(rest))
            return {rest, known.name};
    }
    return {};
}

bool is_unit(std::string_view segment) {
    constexpr std::string_view suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};
    return std::any_of(std::begin(suffixes), std::end(suffixes), [&](std::string_view suffix) {
        return segment.size() > suffix.size() && segment.ends_with(suffix);
    });
}

}  // namespace

CgroupIdentity identify_cgroup(std::string_view path) {
    // A process that outlived its group: the kernel marks the path.
    cut_suffix(path, " (deleted)");
    CgroupIdentity out;
    if (path.empty()) return out;
    out.path = path;
    std::string_view parent;
    for (std::string_view segment : split(path, '/')) {
        if (segment.empty()) continue;
        if (const Container container = container_of(segment, parent); !container.id.empty()) {
            out.container = container.id.substr(0, short_id_length);
            out.runtime = container.runtime;
        } else if (is_unit(segment)) {
            // systemd puts '_' before names that would clash with the kernel's files ("_memory.service").
            std::string_view unit = segment;
            cut_prefix(unit, "_");
            // init.scope below a unit or in a container is its manager's corner; the unit says more.
            if (unit != "init.scope" || (out.unit.empty() && out.container.empty())) out.unit = unit;
        }
        parent = segment;
    }
    return out;
}

CgroupIdentity identify_proc_cgroup(std::string_view text) {
    CgroupIdentity best;
    for (std::string_view line : split(text, '\n')) {
        // hierarchy:controllers:path; the path itself may hold colons.
        const std::size_t first = line.find(':');
        if (first == std::string_view::npos) continue;
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        CgroupIdentity found = identify_cgroup(line.substr(second + 1));
        // Among equals the last line wins: that is where the kernel puts v2.
        const auto says = [](const CgroupIdentity& identity) {
            return std::tuple(!identity.container.empty(), !identity.unit.empty(), identity.path.size());
        };
        if (says(found) >= says(best)) best = std::move(found);
    }
    return best;
}

}  // namespace waggle::context
