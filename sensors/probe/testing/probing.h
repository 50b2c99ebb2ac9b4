// SPDX-License-Identifier: Apache-2.0
// What the kernel tests of the room share: a probe that sees this process alone, and what it saw.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "sensors/probe/probe_words.h"
#include "sensors/probe/probed_place.h"

namespace waggle::sensors::probing {

inline AttachSpec spec_of(const std::string& text) {
    const auto spec = AttachSpec::parse(text);
    EXPECT_TRUE(spec) << spec.error().message;
    return spec ? *spec : AttachSpec{};
}

inline ProbeRequest request_at(const std::string& spec) {
    ProbeRequest request;
    request.spec = spec_of(spec);
    request.start.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
    request.start.mode = Mode::events;
    request.start.ring_bytes = 4u << 20;
    return request;
}

inline std::vector<probe_event> drained(ProbedPlace& probe) {
    std::vector<probe_event> out;
    probe.drain([&](const probe_event& event) { out.push_back(event); });
    return out;
}

inline std::uint64_t lost(const ProbedPlace& probe) {
    const std::vector<Loss> losses = probe.losses();
    return std::accumulate(losses.begin(), losses.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Loss& loss) { return sum + loss.count; });
}

// What was counted, by its key in words.
inline std::map<std::string, ProbedPlace::Count> counted(const ProbedPlace& probe) {
    std::map<std::string, ProbedPlace::Count> out;
    const auto counts = probe.counts();
    EXPECT_TRUE(counts) << counts.error().message;
    const ProbeWords words(probe);
    if (!counts) return out;
    for (const ProbedPlace::Count& each : *counts) {
        EXPECT_TRUE(out.emplace(words.key(each.key, 0), each).second) << "one key is there twice";
    }
    return out;
}

inline std::map<std::string, std::uint64_t> times_by_key(const ProbedPlace& probe) {
    std::map<std::string, std::uint64_t> out;
    for (const auto& [key, count] : counted(probe)) out[key] = count.times;
    return out;
}
using Times = std::map<std::string, std::uint64_t>;

}  // namespace waggle::sensors::probing
