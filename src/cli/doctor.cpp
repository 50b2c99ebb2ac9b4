// SPDX-License-Identifier: Apache-2.0
// doctor: what this kernel and these privileges allow, each thing found out by doing it.
#include <fmt/core.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/readiness.h"
#include "base/units.h"
#include "cli/command.h"

namespace waggle::cli {
namespace {

std::string mark(bool good) { return good ? "yes" : "no "; }

}  // namespace

int run_doctor(const Options& options) {
    utsname system{};
    uname(&system);
    const agent::Readiness ready = agent::find_readiness();
    if (options.json) {
        using nlohmann::json;
        json out{{"kernel", system.release},
                 {"machine", system.machine},
                 {"btf", ready.types_bytes.has_value()},
                 {"user_id", geteuid()},
                 {"missing", ready.obstacle.what},
                 {"cure", ready.obstacle.cure},
                 {"first_user_namespace", ready.standing.first_user_namespace},
                 {"seccomp_mode", ready.standing.seccomp_mode}};
        for (const kernel::Capability& c : ready.capabilities)
            out["capabilities"][std::string(c.name)] = c.held;
        if (ready.kinds)
            for (const kernel::HookKind& kind : *ready.kinds)
                out["hooks"].push_back({{"kind", kind.name},
                                        {"works", kind.works},
                                        {"reason", kind.reason},
                                        {"option", kind.option}});
        for (const agent::SourceReadiness& report : ready.sources) {
            json hooks = json::array();
            for (const HookUse& use : report.hooks)
                hooks.push_back(
                    {{"moment", use.moment}, {"hook", use.hook}, {"lost", use.lost}, {"reason", use.reason}});
            out["sensors"].push_back(
                {{"sensor", report.name}, {"problem", report.problem}, {"hooks", hooks}});
        }
        print(out.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    } else {
        std::string text = fmt::format("Kernel        {} {}\n", system.release, system.machine);
        text += ready.types_bytes
                    ? fmt::format(
                          "Kernel types  /sys/kernel/btf/vmlinux, {} (BTF: the kernel's own description "
                          "of its data)\n",
                          format_bytes(static_cast<double>(*ready.types_bytes)))
                    : "Kernel types  missing: no /sys/kernel/btf/vmlinux. Build the kernel with "
                      "CONFIG_DEBUG_INFO_BTF=y; no sensor works without.\n";
        text += fmt::format("User          {}{}\n{}\nPrivileges (capabilities)\n",
                            geteuid() == 0 ? "root" : fmt::format("number {}, not root", geteuid()),
                            ready.standing.first_user_namespace ? "" : ", in a user namespace",
                            ready.standing.seccomp_mode
                                ? "Seccomp       filters decide about this process's system calls\n"
                                : "");
        for (const kernel::Capability& c : ready.capabilities)
            text += fmt::format("  {}  {:<20} {}\n", mark(c.held), c.name, c.use);
        text += "\nKinds of hooks (each loaded and attached for a moment)\n";
        if (!ready.kinds) {
            text += fmt::format("  not tried: {}\n", ready.kinds.error().message);
        } else {
            for (const kernel::HookKind& kind : *ready.kinds) {
                text += fmt::format("  {}  {:<13} {}\n", mark(kind.works), kind.name, kind.meaning);
                if (kind.works) continue;
                // Classic tracepoints are found through tracefs; nothing else is.
                if (kind.name == "tracepoint" && access("/sys/kernel/tracing/events", F_OK) != 0)
                    text +=
                        "       tracefs is not mounted; waggle does without. To mount it: mount -t tracefs "
                        "tracefs /sys/kernel/tracing\n";
                else
                    text += fmt::format("       {}; the kernel's option: {}\n", kind.reason, kind.option);
            }
        }
        text += "\nSensors and the hooks each uses here\n";
        for (const agent::SourceReadiness& report : ready.sources) {
            if (!report.problem.empty())
                text += fmt::format("  {:<13} does not start: {}\n", report.name, report.problem);
            for (std::size_t i = 0; i < report.hooks.size(); ++i) {
                const HookUse& use = report.hooks[i];
                text += fmt::format(
                    "  {:<13} {:<10} {}\n", i == 0 ? report.name : "", use.moment,
                    use.hook.empty() ? fmt::format("nothing: {} ({})", use.lost, use.reason) : use.hook);
            }
        }
        if (!ready.obstacle.what.empty())
            text += fmt::format(
                "  not tried: {}. {}.\n\nWithout that these work: waggle what, "
                "waggle replay, waggle query --recording.\n",
                ready.obstacle.what, ready.obstacle.cure);
        else
            text += ready.whole ? "\nEverything waggle needs is here.\n"
                                : "\nSome of it does not work here; see above.\n";
        print(text);
    }
    return ready.obstacle.what.empty() ? (ready.whole ? exit_fine : exit_failed) : exit_privilege;
}

}  // namespace waggle::cli
