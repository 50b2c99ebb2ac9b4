// SPDX-License-Identifier: Apache-2.0
#include "kernel/verifier_figures.h"

#include <fmt/core.h>

#include <array>

#include "base/text.h"
#include "kernel/verifier_log.h"

namespace waggle::kernel {

// How programs of a section say "go on".
std::string_view verdict_of(std::string_view section) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 15> verdicts = {
        {{"xdp", "XDP_PASS"},
         {"tc", "TC_ACT_OK"},
         {"classifier", "TC_ACT_OK"},
         {"action", "TC_ACT_OK"},
         {"netkit", "TC_ACT_OK"},
         {"cgroup", "1"},
         {"sockops", "1"},
         {"sk_skb", "SK_PASS"},
         {"sk_msg", "SK_PASS"},
         {"sk_lookup", "SK_PASS"},
         {"sk_reuseport", "SK_PASS"},
         {"lwt", "BPF_OK"},
         {"flow_dissector", "BPF_OK"},
         {"netfilter", "1"},
         {"socket", "0"}}};
    for (const auto& [prefix, verdict] : verdicts)
        if (section.starts_with(prefix)) return verdict;
    return "0";
}

std::int64_t number_in(const Facts& facts, std::string_view name, std::int64_t otherwise) {
    const auto found = facts.find(name);
    if (found == facts.end()) return otherwise;
    std::string_view text = found->second;
    return take_number(text).value_or(otherwise);
}

bool has(const Facts& facts, std::string_view name) {
    const auto found = facts.find(name);
    return found != facts.end() && !found->second.empty();
}

std::int64_t width_of(std::string_view width) {
    if (width == "u8" || width == "s8") return 1;
    if (width == "u16" || width == "s16") return 2;
    if (width == "u32" || width == "s32") return 4;
    return width == "u64" ? 8 : 0;
}

// The register that a complaint names: "R3 offset is outside of the packet", "…, R3(id=0…".
std::string register_in(std::string_view line) {
    for (std::size_t at = line.find('R'); at != std::string_view::npos; at = line.find('R', at + 1)) {
        if (at > 0 && line[at - 1] != ' ' && line[at - 1] != '%') continue;
        std::string_view rest = line.substr(at + 1);
        if (rest.empty() || rest[0] < '0' || rest[0] > '9') continue;
        if (const auto number = take_number(rest);
            number && *number <= 11 && (rest.empty() || rest[0] == ' ' || rest[0] == '('))
            return fmt::format("R{}", *number);
    }
    return {};
}

// "[0, 1]" and "(0x0; 0x1)" (a value and the bits that vary) as first and last.
std::optional<std::pair<std::int64_t, std::int64_t>> read_range(std::string_view text) {
    const bool bits = text.starts_with("(");
    if (!bits && !text.starts_with("[")) return std::nullopt;
    text.remove_prefix(1);
    const auto first = take_number(text);
    if (!first || text.empty()) return std::nullopt;
    text = trim(text.substr(1));
    const auto second = take_number(text);
    if (!second) return std::nullopt;
    return std::pair(*first, bits ? static_cast<std::int64_t>(static_cast<std::uint64_t>(*first) +
                                                              static_cast<std::uint64_t>(*second))
                                  : *second);
}

}  // namespace waggle::kernel
