// SPDX-License-Identifier: Apache-2.0
#include "engine/support/privilege.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "base/text.h"

namespace waggle::kernel {
namespace {

constexpr std::string_view first_namespace = "user:[4026531837]";  // PROC_USER_INIT_INO, always this
constexpr int seccomp_filters = 2;                                 // SECCOMP_MODE_FILTER

std::string_view field_of(std::string_view status, std::string_view name) {
    for (const std::string_view line : split(status, '\n'))
        if (line.starts_with(name) && line.substr(name.size()).starts_with(':'))
            return trim(line.substr(name.size() + 1));
    return {};
}

std::uint64_t number_of(std::string_view text, int base, std::uint64_t otherwise) {
    std::uint64_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return end.ec == std::errc() && !text.empty() ? value : otherwise;
}

// Before any permission is asked for, the kernel refuses attributes larger than a page (E2BIG). Whatever else comes
// back came from a filter in front of it.
int ask_bpf() {
    constexpr unsigned nothing = 0, too_large = 1u << 20;
    if (::syscall(SYS_bpf, nothing, nullptr, too_large) == 0) return 0;
    return errno == E2BIG ? 0 : errno;
}

bool has(std::uint64_t capabilities, unsigned number) { return (capabilities >> number & 1) != 0; }
// Before 5.8, and to this day as a fallback, CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
bool has_to_watch(std::uint64_t capabilities, unsigned number) {
    return has(capabilities, number) || has(capabilities, CAP_SYS_ADMIN);
}

// "0 1000 1": "0 in it is 1000 outside".
std::string said_of_map(const std::string& map) {
    std::vector<std::string_view> words = split(map, ' ');
    std::erase(words, std::string_view());
    if (words.size() < 3) return "no user of it is one outside";
    return fmt::format("user {} in it is user {} outside", escape_control(words[0]),
                       escape_control(words[1]));
}

}  // namespace

Standing read_standing(const std::string& proc) {
    Standing out;
    const auto text_of = [&](const char* name) {
        const Result<std::string> text = read_file(proc + name);
        return text ? *text : std::string();
    };
    const std::string status = text_of("/self/status");
    out.effective = number_of(field_of(status, "CapEff"), 16, 0);
    out.bounding = number_of(field_of(status, "CapBnd"), 16, ~0ULL);
    out.no_new_privileges = field_of(status, "NoNewPrivs") == "1";
    out.seccomp_mode = static_cast<int>(number_of(field_of(status, "Seccomp"), 10, 0));
    std::array<char, 64> link{};
    const ssize_t size = ::readlink((proc + "/self/ns/user").c_str(), link.data(), link.size());
    if (size > 0)
        out.first_user_namespace =
            std::string_view(link.data(), static_cast<std::size_t>(size)) == first_namespace;
    const std::string map = text_of("/self/uid_map");
    out.user_map = std::string(trim(std::string_view(map).substr(0, map.find('\n'))));
    if (out.seccomp_mode == seccomp_filters) out.bpf_refusal = ask_bpf();
    return out;
}

bool counts(const Standing& standing, unsigned capability) {
    const bool to_watch = capability == CAP_BPF || capability == CAP_PERFMON;
    if (!(to_watch ? has_to_watch(standing.effective, capability) : has(standing.effective, capability)))
        return false;
    return standing.first_user_namespace || !(to_watch || capability == CAP_SYSLOG);
}

Obstacle obstacle_of(const Standing& standing) {
    std::string missing;
    int count = 0;
    bool obtainable = true;
    constexpr std::pair<unsigned, std::string_view> needed[] = {{CAP_BPF, "CAP_BPF"},
                                                                {CAP_PERFMON, "CAP_PERFMON"}};
    for (const auto& [number, name] : needed) {
        if (counts(standing, number)) continue;
        missing += (count++ ? " and " : "") + std::string(name);
        obtainable &= has_to_watch(standing.bounding, number);
    }
    if (count) missing += count == 1 ? " is missing" : " are missing";
    if (count && !standing.first_user_namespace)
        return {
            fmt::format(
                "{}: this process is in a user namespace, whose own capabilities do not count for it ({}, "
                "/proc/self/uid_map)",
                missing, said_of_map(standing.user_map)),
            "Run it outside of the user namespace, as root"};
    if (count && !obtainable)
        return {missing +
                    ", and nothing that is started here can get them: they are not in the bounding set "
                    "(CapBnd in "
                    "/proc/self/status)",
                "Run it where they were not taken away; docker run --cap-add gives them to a container"};
    if (count && standing.no_new_privileges)
        return {missing + ", and sudo cannot give them: NoNewPrivs in /proc/self/status is 1",
                "Run it as root, from a shell without that"};
    if (count) return {missing, "Run it as root, or with sudo"};
    if (standing.bpf_refusal)
        return {fmt::format("a seccomp filter refuses bpf(2): {} (Seccomp in /proc/self/status is {})",
                            std::strerror(standing.bpf_refusal), standing.seccomp_mode),
                "Run it outside of what set the filter: the seccomp profile of a container, or "
                "SystemCallFilter= of a unit"};
    return {};
}

}  // namespace waggle::kernel
