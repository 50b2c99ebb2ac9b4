// SPDX-License-Identifier: Apache-2.0
// The perf events by their names.
#pragma once

#include <fmt/format.h>
#include <linux/perf_event.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::kernel {

struct PerfEvent {
    std::string_view name;
    std::uint32_t type;
    std::uint64_t config;
};

// Those that a spec can name.
inline constexpr PerfEvent perf_events[] = {
    {"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK},
    {"task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
    {"page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
    {"minor-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN},
    {"major-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ},
    {"context-switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
    {"cpu-migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
    {"alignment-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS},
    {"emulation-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS},
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    {"cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
    {"cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    {"branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
    {"branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
    {"bus-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES},
    {"ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES},
};

// Those that no spec names: nothing is to be had from a program at them, but others' programs can be at one.
inline constexpr PerfEvent other_perf_events[] = {
    {"dummy", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY},
    {"bpf-output", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT},
    {"cgroup-switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CGROUP_SWITCHES},
    {"stalled-cycles-frontend", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND},
    {"stalled-cycles-backend", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND},
};

// Other names of theirs.
struct PerfEventAlias {
    std::string_view name;
    std::string_view event;
};
inline constexpr PerfEventAlias perf_event_aliases[] = {
    {"cpu", "cpu-clock"},       {"faults", "page-faults"},
    {"cs", "context-switches"}, {"migrations", "cpu-migrations"},
    {"cpu-cycles", "cycles"},   {"branch-instructions", "branches"},
};

// By its name or another one; null where there is none.
inline const PerfEvent* perf_event_named(std::string_view name) {
    const auto* alias = std::ranges::find(perf_event_aliases, name, &PerfEventAlias::name);
    const auto* event = std::ranges::find(
        perf_events, alias == std::end(perf_event_aliases) ? name : alias->event, &PerfEvent::name);
    return event == std::end(perf_events) ? nullptr : event;
}

inline std::vector<std::string_view> perf_event_names() {
    std::vector<std::string_view> out;
    for (const PerfEvent& each : perf_events) out.push_back(each.name);
    for (const PerfEventAlias& each : perf_event_aliases) out.push_back(each.name);
    return out;
}

inline std::string perf_event_name(std::uint32_t type, std::uint64_t config) {
    for (const std::span<const PerfEvent> known :
         {std::span<const PerfEvent>(perf_events), std::span<const PerfEvent>(other_perf_events)})
        for (const PerfEvent& event : known)
            if (event.type == type && event.config == config) return std::string(event.name);
    return fmt::format("event {} of type {}", config, type);
}

}  // namespace waggle::kernel
