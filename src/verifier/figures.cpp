// SPDX-License-Identifier: Apache-2.0
#include "verifier/figures.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "verifier/log.h"

namespace waggle::kernel {
namespace {

template <std::size_t size>
bool has_part(std::string_view text, const std::array<std::string_view, size>& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

template <std::size_t size>
bool begins_with(std::string_view text, const std::array<std::string_view, size>& heads) {
    return std::any_of(heads.begin(), heads.end(),
                       [&](std::string_view head) { return text.starts_with(head); });
}

}  // namespace

bool gives_back(std::string_view function) {
    constexpr std::array<std::string_view, 7> words = {"release", "submit",  "discard",  "drop",
                                                       "put",     "destroy", "kptr_xchg"};
    return has_part(function, words);
}

bool moves_packet(std::string_view function) {
    constexpr std::array<std::string_view, 13> words = {
        "adjust_",   "skb_change_",   "skb_vlan_",    "pull_data", "push_data",
        "pop_data",  "store_bytes",   "csum_replace", "encap",     "bpf_clone_redirect",
        "lwt_seg6_", "store_hdr_opt", "tail_call"};
    return has_part(function, words);
}

bool goes_into_collection(std::string_view function) {
    return function.starts_with("bpf_list_push_") || function.starts_with("bpf_rbtree_add");
}

bool one_stops(std::string_view helper) {
    return helper == "bpf_loop" || helper == "bpf_for_each_map_elem" || helper == "bpf_user_ringbuf_drain";
}

std::string_view access_of(std::string_view helper, int argument) {
    constexpr std::array<std::string_view, 6> into_first = {"bpf_probe_read",       "bpf_copy_from_user",
                                                            "bpf_get_current_comm", "bpf_snprintf",
                                                            "bpf_dynptr_read",      "bpf_sysctl_get_"};
    constexpr std::array<std::string_view, 5> into_second = {
        "bpf_get_stack", "bpf_get_task_stack", "bpf_d_path", "bpf_fib_lookup", "bpf_skb_get_tunnel_"};
    constexpr std::array<std::string_view, 4> into_third = {"bpf_skb_load_bytes", "bpf_xdp_load_bytes",
                                                            "bpf_get_ns_current_pid_tgid",
                                                            "bpf_perf_event_read_value"};
    constexpr std::array<std::string_view, 6> readers = {"bpf_map_",
                                                         "bpf_perf_event_output",
                                                         "bpf_ringbuf_output",
                                                         "bpf_skb_store_bytes",
                                                         "bpf_xdp_store_bytes",
                                                         "bpf_trace_"};
    if ((argument == 1 && begins_with(helper, into_first)) ||
        (argument == 2 && begins_with(helper, into_second)) ||
        (argument == 3 && begins_with(helper, into_third)))
        return "writes";
    return begins_with(helper, readers) ? "reads" : "uses";
}

bool takes_context(std::string_view helper) {
    constexpr std::array<std::string_view, 10> heads = {
        "bpf_skb_",       "bpf_xdp_",           "bpf_msg_",       "bpf_l3_csum_", "bpf_l4_csum_",
        "bpf_sk_lookup_", "bpf_clone_redirect", "bpf_fib_lookup", "bpf_lwt_",     "bpf_perf_event_output"};
    return begins_with(helper, heads);
}

bool in_c_library(std::string_view function) {
    constexpr std::array<std::string_view, 44> names = {
        "strstr",     "strlen",  "strnlen", "strcmp",   "strncmp", "strcpy", "strncpy", "strcat", "strncat",
        "strchr",     "strrchr", "strtok",  "strtol",   "strtoul", "strtod", "strdup",  "strspn", "strcspn",
        "strcasecmp", "memcpy",  "memset",  "memcmp",   "memmove", "memchr", "malloc",  "calloc", "realloc",
        "free",       "printf",  "sprintf", "snprintf", "fprintf", "puts",   "sscanf",  "atoi",   "atol",
        "abs",        "qsort",   "rand",    "time",     "getpid",  "sleep",  "exit",    "abort"};
    return std::find(names.begin(), names.end(), function) != names.end();
}

std::string_view loader_of(std::string_view section) {
    constexpr std::array<std::string_view, 10> socket_buffers = {
        "tc",         "classifier", "action", "socket", "cgroup_skb",
        "cgroup/skb", "sk_skb",     "lwt_",   "netkit", "tcx"};
    if (section.starts_with("xdp")) return "bpf_xdp_load_bytes";
    return begins_with(section, socket_buffers) ? "bpf_skb_load_bytes" : "";
}

bool has_plain_context(std::string_view section) {
    constexpr std::array<std::string_view, 8> heads = {"tp/",    "tracepoint/", "raw_tp",    "raw_tracepoint",
                                                       "tp_btf", "kprobe",      "kretprobe", "uprobe"};
    return begins_with(section, heads);
}

std::string sleepable_section(std::string_view section) {
    constexpr std::array<std::string_view, 11> kinds = {
        "fentry",    "fexit",        "fmod_ret",        "lsm",  "iter",      "uprobe",
        "uretprobe", "uprobe.multi", "uretprobe.multi", "usdt", "struct_ops"};
    const std::size_t slash = std::min(section.find('/'), section.size());
    const std::string_view kind = section.substr(0, slash);
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) return {};
    return fmt::format("{}.s{}", kind, section.substr(slash));
}

std::string_view map_type_name(std::int64_t number) {
    // enum bpf_map_type of include/uapi/linux/bpf.h
    constexpr std::array<std::string_view, 35> names = {"unspec",
                                                        "hash",
                                                        "array",
                                                        "prog_array",
                                                        "perf_event_array",
                                                        "percpu_hash",
                                                        "percpu_array",
                                                        "stack_trace",
                                                        "cgroup_array",
                                                        "lru_hash",
                                                        "lru_percpu_hash",
                                                        "lpm_trie",
                                                        "array_of_maps",
                                                        "hash_of_maps",
                                                        "devmap",
                                                        "sockmap",
                                                        "cpumap",
                                                        "xskmap",
                                                        "sockhash",
                                                        "cgroup_storage",
                                                        "reuseport_sockarray",
                                                        "percpu_cgroup_storage",
                                                        "queue",
                                                        "stack",
                                                        "sk_storage",
                                                        "devmap_hash",
                                                        "struct_ops",
                                                        "ringbuf",
                                                        "inode_storage",
                                                        "task_storage",
                                                        "bloom_filter",
                                                        "user_ringbuf",
                                                        "cgrp_storage",
                                                        "arena",
                                                        "insn_array"};
    const auto index = static_cast<std::size_t>(number);
    return number > 0 && index < names.size() ? names[index] : std::string_view{};
}

std::string_view packet_begin_field(std::string_view section) {
    return section == "sockops" ? "skb_data" : "data";
}

std::string_view packet_end_field(std::string_view section) {
    return section == "sockops" ? "skb_data_end" : "data_end";
}

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
