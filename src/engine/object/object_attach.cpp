// SPDX-License-Identifier: Apache-2.0
// Plans and attachments of an object.
#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/attach.h"
#include "engine/object/object_state.h"
#include "engine/support/hook_kinds.h"
#include "engine/support/libbpf_log.h"

namespace waggle {

Result<void> Object::State::apply_plan(bpf_program* program, const AttachSpec& spec) const {
    holds_kernel_types = true;
    if (auto planned = kernel::prepare_to_load(program, spec); !planned)
        return while_doing(fmt::format("{}: plan {}", name, escape_control(bpf_program__name(program))),
                           planned.error());
    return {};
}

// Kinds whose target the kernel was told when it loaded the program.
Result<void> Object::State::check_loaded_for(const bpf_program* program, const AttachSpec& spec) const {
    switch (spec.kind) {
        case AttachKind::tp_btf:
        case AttachKind::fentry:
        case AttachKind::fexit:
        case AttachKind::lsm:
        case AttachKind::iter:
            break;
        case AttachKind::section:
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
        case AttachKind::kprobe_multi:
        case AttachKind::kretprobe_multi:
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
        case AttachKind::usdt:
        case AttachKind::tracepoint:
        case AttachKind::raw_tp:
        case AttachKind::perf:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return {};
    }
    const std::string_view program_name = bpf_program__name(program);
    const auto planned = plans.find(program_name);
    const auto loaded_for = planned != plans.end() && planned->second.kind != AttachKind::section
                                ? Result<AttachSpec>(planned->second)
                                : AttachSpec::from_section(bpf_program__section_name(program));
    if (loaded_for && loaded_for->kind == spec.kind && loaded_for->target == spec.target) return {};
    return Error{fmt::format(
        "{}: {} was loaded for {}, not for {}: plan() it before load()", name, escape_control(program_name),
        loaded_for ? to_string(*loaded_for) : std::string("no such place"), to_string(spec))};
}

Result<void> Object::plan(std::string_view program, const AttachSpec& spec) {
    const auto found = state_->find_program(program);
    if (!found) return found.error();
    if (state_->loaded)
        return Error{fmt::format("{} is loaded: plan where its programs go before load()", state_->name)};
    if (auto applied = state_->apply_plan(*found, spec); !applied) return applied;
    state_->plans[std::string(program)] = spec;
    return {};
}

Result<void> Object::start(std::span<const Plan> plans) {
    if (state_->loaded) return Error{fmt::format("{} is loaded already", state_->name)};
    const auto autoload_before = state_->autoload;
    const auto plans_before = state_->plans;
    const auto undo = [&](const Error& error) {
        state_->autoload = autoload_before;
        state_->plans = plans_before;
        const auto reopened = state_->reopen();
        return reopened ? error : reopened.error();
    };
    for (const ObjectProgram& each : programs()) {
        const bool wanted = std::ranges::any_of(plans, [&](const Plan& p) { return p.program == each.name; });
        if (auto set = set_autoload(each.name, wanted); !set) return undo(set.error());
    }
    for (const Plan& each : plans)
        if (auto planned = plan(each.program, each.spec); !planned) return undo(planned.error());
    if (auto loaded = state_->load_chosen(); !loaded) return undo(loaded.error());
    for (const Plan& each : plans)
        if (auto attached = attach(each.program, each.spec); !attached) return undo(attached.error());
    return {};
}

Result<void> Object::start(std::string_view program, std::string_view spec) {
    const Result<AttachSpec> parsed = AttachSpec::parse(spec);
    if (!parsed) return parsed.error();
    const Plan plan{program, *parsed};
    return start({&plan, 1});
}

Result<std::string> Object::attach(std::string_view program, std::string_view spec) {
    const Result<AttachSpec> parsed = AttachSpec::parse(spec);
    if (!parsed) return parsed.error();
    return attach(program, *parsed);
}

Result<std::string> Object::attach(std::string_view program, const AttachSpec& asked) {
    const auto found = state_->find_program(program);
    if (!found) return found.error();
    if (bpf_program__fd(*found) < 0)
        return Error{fmt::format("{}: {} is not loaded; attach it after load()", state_->name, program)};
    AttachSpec spec = asked;
    if (spec.kind == AttachKind::section) {
        const auto planned = state_->plans.find(program);
        const auto place = planned != state_->plans.end() && planned->second.kind != AttachKind::section
                               ? Result<AttachSpec>(planned->second)
                               : AttachSpec::from_section(bpf_program__section_name(*found));
        if (!place) return while_doing(fmt::format("{}: attach {}", state_->name, program), place.error());
        // What was said besides the place stays said.
        spec = *place;
        if (asked.pid) spec.pid = asked.pid;
        if (asked.cookie) spec.cookie = asked.cookie;
        if (!asked.name.empty()) spec.name = asked.name;
    }
    if (auto fits = state_->check_loaded_for(*found, spec); !fits) return fits.error();
    kernel::libbpf_log().clear();
    Result<kernel::AttachmentLink> link = kernel::attach(*found, spec, state_->context);
    if (!link)
        return while_doing(fmt::format("{}: attach {} to {}", state_->name, program, to_string(spec)),
                           link.error());
    const std::string wanted = escape_control(spec.name.empty() ? std::string(program) : spec.name);
    std::string taken = wanted;
    const auto is_taken = [&](const State::Attached& each) { return each.name == taken; };
    for (int number = 2; std::ranges::any_of(state_->attached, is_taken); ++number)
        taken = fmt::format("{}#{}", wanted, number);
    state_->attached.push_back({taken, *found, to_string(spec), std::move(*link)});
    return taken;
}

Result<void> Object::detach(std::string_view attachment) {
    const auto found = std::ranges::find(state_->attached, attachment, &State::Attached::name);
    if (found != state_->attached.end()) {
        state_->attached.erase(found);
        return {};
    }
    std::vector<std::string_view> known;
    for (const State::Attached& each : state_->attached) known.emplace_back(each.name);
    return Error{fmt::format("{} has no attachment named {}{}", state_->name, escape_control(attachment),
                             did_you_mean(attachment, known))};
}

std::size_t Object::detach_all() {
    const std::size_t count = state_->attached.size();
    // The newest first, as scopes end.
    while (!state_->attached.empty()) state_->attached.pop_back();
    return count;
}

std::vector<Attachment> Object::attachments() const {
    std::vector<Attachment> out;
    for (const State::Attached& each : state_->attached) {
        Attachment one;
        one.name = each.name;
        one.program = bpf_program__name(each.program);
        one.where = each.where;
        one.links = static_cast<std::uint32_t>(each.link.count());
        bpf_prog_info info{};
        __u32 length = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_program__fd(each.program), &info, &length) == 0) {
            one.runs = info.run_cnt;
            one.run_ns = info.run_time_ns;
            one.missed = info.recursion_misses;
        }
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace waggle
