// SPDX-License-Identifier: Apache-2.0
// doctor: what this kernel and these privileges allow, each thing found out by doing it.
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/command.h"
#include "kernel/hook_kinds.h"
#include "sensors/rooms.h"

namespace waggle::cli {
namespace {

struct SensorReport {
    std::string name;
    std::string problem;
    std::vector<HookUse> hooks;
    bool on_request = false;  // what it lacks is missed only by who asks for it
};

SensorReport try_sensor(const sensors::Room& room) {
    const std::unique_ptr<Sensor> sensor = room.make();
    Names names;
    SensorReport report{std::string(room.name), {}, {}, sensor->on_request()};
    if (report.on_request) {
        report.hooks = sensor->hooks();
    } else if (auto started = sensor->start({}, names); !started) {
        report.problem = started.error().message;
    } else {
        report.hooks = sensor->hooks();
        sensor->stop();
    }
    return report;
}

std::string mark(bool good) { return good ? "yes" : "no "; }

}  // namespace

int run_doctor(const Options& options) {
    utsname system{};
    uname(&system);
    struct stat btf{};
    const bool has_btf = stat("/sys/kernel/btf/vmlinux", &btf) == 0;
    const std::vector<kernel::Capability> capabilities = kernel::capabilities();
    const std::string missing = kernel::missing_to_watch();
    Result<std::vector<kernel::HookKind>> kinds = Error{missing};
    if (missing.empty()) kinds = kernel::probe_hook_kinds();
    std::vector<SensorReport> reports;
    bool whole = missing.empty() && has_btf;
    if (missing.empty())
        for (const sensors::Room& room : sensors::rooms()) {
            reports.push_back(try_sensor(room));
            whole &= reports.back().problem.empty();
        }
    if (options.json) {
        using nlohmann::json;
        json out{{"kernel", system.release},
                 {"machine", system.machine},
                 {"btf", has_btf},
                 {"user_id", geteuid()}};
        for (const kernel::Capability& c : capabilities) out["capabilities"][std::string(c.name)] = c.held;
        if (kinds)
            for (const kernel::HookKind& kind : *kinds)
                out["hooks"].push_back({{"kind", kind.name},
                                        {"works", kind.works},
                                        {"reason", kind.reason},
                                        {"option", kind.option}});
        for (const SensorReport& report : reports) {
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
        text += has_btf ? fmt::format(
                              "Kernel types  /sys/kernel/btf/vmlinux, {} (BTF: the kernel's own description "
                              "of its data)\n",
                              format_bytes(static_cast<double>(btf.st_size)))
                        : "Kernel types  missing: no /sys/kernel/btf/vmlinux. Build the kernel with "
                          "CONFIG_DEBUG_INFO_BTF=y; no sensor works without.\n";
        text += fmt::format("User          {}\n\nPrivileges (capabilities)\n",
                            geteuid() == 0 ? "root" : fmt::format("number {}, not root", geteuid()));
        for (const kernel::Capability& c : capabilities)
            text += fmt::format("  {}  {:<20} {}\n", mark(c.held), c.name, c.use);
        text += "\nKinds of hooks (each loaded and attached for a moment)\n";
        if (!kinds) {
            text += fmt::format("  not tried: {}\n", kinds.error().message);
        } else {
            for (const kernel::HookKind& kind : *kinds) {
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
        for (const SensorReport& report : reports) {
            if (!report.problem.empty())
                text += fmt::format("  {:<13} does not start: {}\n", report.name, report.problem);
            for (std::size_t i = 0; i < report.hooks.size(); ++i) {
                const HookUse& use = report.hooks[i];
                text += fmt::format(
                    "  {:<13} {:<10} {}\n", i == 0 ? report.name : "", use.moment,
                    use.hook.empty() ? fmt::format("nothing: {} ({})", use.lost, use.reason) : use.hook);
            }
        }
        if (!missing.empty())
            text += fmt::format(
                "  not tried: {}. Run it as root, or with sudo.\n\nWithout them these work: waggle what, "
                "waggle replay, waggle query --recording.\n",
                missing);
        else
            text += whole ? "\nEverything waggle needs is here.\n"
                          : "\nSome of it does not work here; see above.\n";
        print(text);
    }
    return missing.empty() ? (whole ? exit_fine : exit_failed) : exit_privilege;
}

}  // namespace waggle::cli
