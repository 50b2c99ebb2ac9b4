// SPDX-License-Identifier: Apache-2.0
// Subject: who an event belongs to. Found by the process's identity (pid, start_ns), so a reused pid is never
// mistaken for the one before, and kept after the process has gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace waggle {

struct Subject {
    std::uint32_t pid = 0;
    std::uint64_t start_ns = 0;  // CLOCK_BOOTTIME; /proc gives it only to 1/100 s
    std::uint32_t parent_pid = 0;
    std::string comm;
    std::string exe;        // path of the executable; empty where unknown
    std::string cgroup;     // path below the cgroup root: /system.slice/nginx.service
    std::string container;  // container id, 12 characters; empty outside containers
    std::string runtime;    // docker, containerd, cri-o, podman; empty outside containers
    std::string unit;       // systemd unit: nginx.service; empty outside units
};

// The columns a subject adds to every row that has one, in this order.
struct SubjectColumn {
    std::string_view name;
    std::string_view meaning;
    std::string Subject::* member;
};
inline constexpr SubjectColumn subject_columns[] = {
    {"exe", "Path of the process's executable.", &Subject::exe},
    {"unit", "The systemd unit (service) the process runs in.", &Subject::unit},
    {"container", "Id of the container the process runs in, 12 characters.", &Subject::container},
    {"cgroup", "Path of the process's control group (the kernel's unit of resource accounting).",
     &Subject::cgroup},
};

// Thread-safe: whoever asks may ask while others learn.
class Subjects {
  public:
    virtual ~Subjects() = default;

    // Calls `visit(const Subject&)` where somebody is known and says whether. The subject lives until `visit`
    // returns, and nobody learns meanwhile: copy what is wanted and come back.
    template <class Visit>
    bool with(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id, Visit&& visit) const {
        return look_up(
            pid, start_ns, cgroup_id,
            [](void* to, const Subject& subject) {
                (*static_cast<std::remove_reference_t<Visit>*>(to))(subject);
            },
            &visit);
    }

  protected:
    using Visitor = void (*)(void* to, const Subject& subject);
    virtual bool look_up(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id, Visitor visit,
                         void* to) const = 0;
};

}  // namespace waggle
