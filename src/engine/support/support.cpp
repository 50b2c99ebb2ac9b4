// SPDX-License-Identifier: Apache-2.0
#include "waggle/support.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "binary/object_check.h"
#include "engine/support/hook_kinds.h"
#include "waggle/owned_fd.h"

namespace waggle {
namespace {

// "6.12.41+deb13-amd64": 6 and 12.
std::pair<int, int> version_of(std::string_view release) {
    int major = 0, minor = 0;
    const char* end = release.data() + release.size();
    const auto first = std::from_chars(release.data(), end, major);
    if (first.ptr != end && *first.ptr == '.') std::from_chars(first.ptr + 1, end, minor);
    return {major, minor};
}

SupportFact kernel_fact(std::string release) {
    if (release.empty()) {
        utsname name{};
        ::uname(&name);
        release = name.release;
    }
    SupportFact fact{"kernel 5.8 or newer",
                     escape_control(release),
                     "ring buffers and programs with types",
                     false,
                     true,
                     ""};
    fact.holds = version_of(release) >= std::pair(5, 8);
    if (!fact.holds) fact.reason = fmt::format("the kernel is {}; ring buffers came with 5.8", fact.found);
    return fact;
}

SupportFact btf_fact(const std::string& path) {
    SupportFact fact{
        "kernel types (BTF)", "", "finding each field's place in this kernel's structs", false, true, ""};
    const Result<std::string> text = read_file(path);
    if (!text) {
        fact.reason =
            fmt::format("{}: the kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted",
                        text.error().message);
        return fact;
    }
    if (auto checked = kernel::check_btf(bytes_of(std::string_view(*text))); !checked) {
        fact.reason = fmt::format("{}: {}", path, checked.error().message);
        return fact;
    }
    fact.holds = true;
    fact.found = fmt::format("{:.1f} MiB", static_cast<double>(text->size()) / (1 << 20));
    return fact;
}

SupportFact tracefs_fact(const std::string& mounts) {
    SupportFact fact{"tracefs", "", "the list of tracepoints and traceable functions", false, false, ""};
    const Result<std::string> text = read_file(mounts);
    if (text)
        for (const std::string_view line : split(*text, '\n')) {
            const auto words = split(line, ' ');
            if (words.size() < 3 || words[2] != "tracefs") continue;
            fact.holds = true;
            fact.found = fmt::format("mounted at {}", escape_control(words[1]));
            return fact;
        }
    const auto held = kernel::capabilities();
    fact.holds =
        std::ranges::any_of(held, [](const auto& each) { return each.name == "CAP_SYS_ADMIN" && each.held; });
    fact.found = fact.holds ? "not mounted; waggle mounts it for itself alone" : "not mounted";
    if (!fact.holds)
        fact.reason =
            "it is not mounted, and mounting it needs CAP_SYS_ADMIN (mount -t tracefs tracefs "
            "/sys/kernel/tracing)";
    return fact;
}

}  // namespace

bool Support::enough() const {
    return std::ranges::all_of(facts, [](const SupportFact& fact) { return fact.holds || !fact.required; });
}

Support check_support(const SupportSources& sources) {
    Support out;
    out.facts.push_back(kernel_fact(sources.release));
    out.facts.push_back(btf_fact(sources.btf));
    for (const kernel::Capability& each : kernel::capabilities()) {
        SupportFact fact{std::string(each.name),
                         each.held ? "held" : "not held",
                         std::string(each.use),
                         each.held,
                         each.name == "CAP_BPF" || each.name == "CAP_PERFMON",
                         ""};
        if (!each.held) fact.reason = fmt::format("this process does not have {}; run it as root", each.name);
        out.facts.push_back(std::move(fact));
    }
    out.facts.push_back(tracefs_fact(sources.mounts));
    return out;
}

}  // namespace waggle
