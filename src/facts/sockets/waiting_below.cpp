// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/waiting_below.h"

#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <vector>

#include "facts/sockets/waiting_for.h"

namespace waggle::facts {
namespace {

constexpr int most_generations = 16;
constexpr std::uint32_t no_socket = ~0u;
// The kernel gives user and system time each to 1/100 s, rounded down.
constexpr std::uint64_t rounded_ns = 20'000'000;

bool has_ended(Procfs& proc, std::uint32_t pid) {
    ProcessStat stat;
    return !parse_stat(proc.file(pid, "stat"), stat) || stat.state == 'Z' || stat.state == 'X';
}

// "101 102 " of each thread; the kernel's CONFIG_PROC_CHILDREN.
std::vector<std::uint32_t> children_of(Procfs& proc, std::uint32_t pid) {
    std::vector<std::uint32_t> children;
    for (const std::uint32_t tid : proc.threads(pid)) {
        const std::string text(proc.file(pid, fmt::format("task/{}/children", tid)));
        const char *at = text.data(), *end = text.data() + text.size();
        for (std::uint32_t child = 0; at < end; ++at) {
            const auto [next, wrong] = std::from_chars(at, end, child);
            if (wrong != std::errc()) break;
            if (!has_ended(proc, child)) children.push_back(child);
            at = next;
        }
    }
    return children;
}

Waiting waiting_of(Procfs& proc, std::uint32_t pid) {
    return waiting_for(proc, pid, system_calls_of(proc, pid), no_socket);
}

// The one that the others wait for: who waits at a pipe in a pipeline waits for one beside it.
std::optional<std::uint32_t> child_that_counts(Procfs& proc, std::vector<std::uint32_t> children) {
    if (children.size() > 1)
        std::erase_if(children, [&](std::uint32_t child) { return waiting_of(proc, child).at_pipe; });
    return children.size() == 1 ? std::optional(children.front()) : std::nullopt;
}

std::optional<WaitingBelow> described(Procfs& proc, std::uint32_t pid, const Waiting& waiting) {
    ProcessStat stat;
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const std::uint64_t now_ns =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
    if (!parse_stat(proc.file(pid, "stat"), stat) || stat.start_ns > now_ns) return std::nullopt;
    return WaitingBelow{pid, std::string(stat.comm), waiting.words, now_ns - stat.start_ns,
                        stat.cpu_ns + rounded_ns};
}

}  // namespace

std::optional<WaitingBelow> waiting_below(Procfs& proc, std::uint32_t pid) {
    for (int generation = 0; generation < most_generations; ++generation) {
        const Waiting waiting = waiting_of(proc, pid);
        if (waiting.words.empty()) return std::nullopt;
        if (!waiting.for_child) return described(proc, pid, waiting);
        const std::optional<std::uint32_t> child = child_that_counts(proc, children_of(proc, pid));
        if (!child) return std::nullopt;
        pid = *child;
    }
    return std::nullopt;
}

}  // namespace waggle::facts
