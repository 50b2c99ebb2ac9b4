// SPDX-License-Identifier: Apache-2.0
// Who is who: the rows of a machine that starts one short process after the other, learned; items are rows.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "base/clock.h"
#include "bench.h"
#include "context/process_directory.h"
#include "records.h"

namespace waggle::bench {
namespace {

constexpr std::size_t lives = 1024;  // made in advance; each pass gives them new pids

std::uint64_t start_of(std::uint32_t pid) { return std::uint64_t{pid} * 125'003; }

void learn(benchmark::State& state, std::span<const Kind> kinds) {
    const SystemClock clock;
    auto directory = context::ProcessDirectory::open({}, clock);
    if (!directory) return state.SkipWithError(directory.error().message.c_str());
    std::vector<Records> moments;  // fork, exec, exit
    for (const std::string_view name : {"process_fork", "process_exec", "process_exit"}) {
        const auto kind =
            std::find_if(kinds.begin(), kinds.end(), [&](const Kind& k) { return k.name == name; });
        moments.emplace_back(kind->schema(), kind->index, lives);
    }
    // Above every pid there can be, so that /proc has nothing to say of them. The first is everybody's
    // parent.
    const std::uint32_t parent = 10'000'000;
    std::uint32_t pid = parent;
    const auto tell = [&](const Records& moment, std::size_t i) {
        auto* bytes = const_cast<std::byte*>(moment.all()[i].data());
        auto* header = reinterpret_cast<waggle_event*>(bytes);
        header->pid = header->tid = pid;
        header->start_ns = start_of(pid);
        header->cgroup_id = 1;
        const std::uint64_t parent_start_ns = start_of(parent);
        std::memcpy(bytes + moment.schema().find("parent_pid")->offset, &parent, sizeof parent);
        std::memcpy(bytes + moment.schema().find("parent_start_ns")->offset, &parent_start_ns,
                    sizeof parent_start_ns);
        directory->learn(Row(moment.schema(), moment.all()[i]));
    };
    tell(moments[1], 0);
    for (auto _ : state)
        for (std::size_t i = 0; i < lives; ++i) {
            ++pid;
            for (const Records& moment : moments) tell(moment, i);
        }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * lives * moments.size()));
}

}  // namespace

void register_directory() {
    static const std::vector<Kind> kinds = all_kinds();
    benchmark::RegisterBenchmark("directory/learn", [](auto& state) { learn(state, kinds); });
}

}  // namespace waggle::bench
