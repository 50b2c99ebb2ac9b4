// SPDX-License-Identifier: Apache-2.0
// Each program of an object, loaded by itself to hear what the verifier says.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "binary/object_check.h"
#include "engine/maps/legacy_maps.h"
#include "engine/support/hook_kinds.h"
#include "engine/support/libbpf_log.h"
#include "verifier/log.h"
#include "waggle/object.h"
#include "waggle/verifier.h"

namespace waggle {
namespace {

constexpr std::size_t most_object_bytes = 256u << 20;
constexpr std::size_t log_bytes = 8u << 20;  // 60,000 instructions with their registers; then the end counts
constexpr unsigned level_path = 1;           // the instructions of the failing path
constexpr unsigned level_counts = 4;         // only the counts at the end

struct Closer {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Opened = std::unique_ptr<bpf_object, Closer>;

Opened open_object(std::string_view name, Bytes elf) {
    kernel::capture_libbpf_log();
    kernel::libbpf_log().clear();
    const std::string title(name);
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = title.c_str();
    Opened object(bpf_object__open_mem(elf.data(), elf.size(), &options));
    if (!object) return object;
    kernel::take_types_off_rings(object.get());
    // Nothing is pinned, and nothing that is pinned is taken over.
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) bpf_map__set_pin_path(map, nullptr);
    return object;
}

struct Attempt {
    int error = 0;          // 0: it loaded
    std::string log;        // the verifier's
    std::string libbpf;     // libbpf's own lines
    std::string map;        // why one of its maps is not made
    std::string lacks;      // why the kernel takes no program of this kind
    bool too_long = false;  // `log` is ours: the kernel looked at no instruction
    std::optional<std::uint32_t> loop, loop_end;
    std::vector<std::uint32_t> calls;  // of the program's own functions
};

std::vector<std::uint32_t> own_calls(const bpf_program* program) {
    std::vector<std::uint32_t> out;
    const bpf_insn* code = bpf_program__insns(program);
    for (std::uint32_t i = 0; code && i < bpf_program__insn_cnt(program); ++i)
        if (code[i].code == (BPF_JMP | BPF_CALL) && code[i].src_reg == BPF_PSEUDO_CALL) out.push_back(i);
    return out;
}

// Where the longest jump backwards goes to, and where it stands.
std::optional<std::pair<std::uint32_t, std::uint32_t>> longest_loop(const bpf_program* program) {
    const bpf_insn* code = bpf_program__insns(program);
    std::optional<std::pair<std::uint32_t, std::uint32_t>> found;
    int longest = 0;
    for (std::size_t i = 0; code && i < bpf_program__insn_cnt(program); ++i) {
        const unsigned kind = BPF_CLASS(code[i].code), operation = BPF_OP(code[i].code);
        if ((kind != BPF_JMP && kind != BPF_JMP32) || operation == BPF_CALL || operation == BPF_EXIT)
            continue;
        const int target = static_cast<int>(i) + 1 + code[i].off;
        if (code[i].off >= longest || target < 0) continue;
        longest = code[i].off;
        found = std::pair(static_cast<std::uint32_t>(target), static_cast<std::uint32_t>(i));
    }
    return found;
}

// Loads only the program at `index`, with the verifier's log at `level`.
Attempt attempt(std::string_view name, Bytes elf, std::size_t index, unsigned level, VerifiedProgram& about) {
    Attempt out;
    std::vector<char> log(level == level_path ? log_bytes : 64u << 10, '\0');
    Opened object = open_object(name, elf);
    if (!object) {
        out.error = errno;
        out.libbpf = kernel::libbpf_log();
        return out;
    }
    bpf_program* wanted = nullptr;
    bpf_program* each = nullptr;
    std::size_t at = 0;
    bpf_object__for_each_program(each, object.get()) {
        bpf_program__set_autoload(each, at == index);
        if (at++ == index) wanted = each;
    }
    if (!wanted) {
        out.error = ENOENT;
        return out;
    }
    bpf_program__set_log_buf(wanted, log.data(), log.size());
    bpf_program__set_log_level(wanted, level);
    if (bpf_object__load(object.get()) != 0) out.error = errno ? errno : EINVAL;
    log.back() = '\0';
    out.log = log.data();
    out.libbpf = kernel::libbpf_log();
    if (out.error != 0 && trim(out.log).empty()) {
        out.map = kernel::refused_map(object.get(), out.libbpf, out.error);
        const auto place = AttachSpec::from_section(bpf_program__section_name(wanted));
        // What libbpf names itself, such as a function that is not there, is nearer.
        const bool named = !kernel::read_verifier_log(out.libbpf).complaints.empty();
        if (out.map.empty() && place && !named && out.error != E2BIG)
            out.lacks = kernel::kernel_lacks(to_string(place->kind));
    }
    if (std::string too_long = kernel::too_many_instructions(wanted); !too_long.empty()) {
        out.log = std::move(too_long);
        out.too_long = true;
    }
    bpf_prog_info info{};
    __u32 length = sizeof info;
    if (out.error == 0 && bpf_obj_get_info_by_fd(bpf_program__fd(wanted), &info, &length) == 0)
        about.instructions = info.verified_insns;
    about.program_instructions = bpf_program__insn_cnt(wanted);
    if (const auto loop = longest_loop(wanted)) {
        out.loop = loop->first;
        out.loop_end = loop->second;
    }
    out.calls = own_calls(wanted);
    return out;
}

void read_counts(std::string_view log, VerifiedProgram& out) {
    const kernel::VerifierLog read = kernel::read_verifier_log(log);
    std::string_view rest = read.processed;
    const auto after = [&](std::string_view word) -> std::uint64_t {
        const std::size_t at = rest.find(word);
        if (at == std::string_view::npos) return 0;
        std::string_view number = trim(rest.substr(at + word.size()));
        return static_cast<std::uint64_t>(kernel::take_number(number).value_or(0));
    };
    out.instructions = after("processed ");
    out.states = after("total_states ");
    out.peak_states = after("peak_states ");
    std::string_view time = read.time_us;
    out.verification_us = static_cast<std::uint64_t>(kernel::take_number(time).value_or(0));
    for (std::string_view part : split(read.stack_depth, '+'))
        if (const auto bytes = kernel::take_number(part); bytes && *bytes >= 0)
            out.stack_bytes.push_back(static_cast<std::uint32_t>(*bytes));
}

VerifiedProgram verify_one(std::string_view name, Bytes elf, std::size_t index, const SourceLines& lines,
                           VerifiedProgram about) {
    // First only the counts, which are cheap; the path only of a program that was refused.
    const Attempt counted = attempt(name, elf, index, level_counts, about);
    read_counts(counted.log, about);
    if (counted.error == 0) {
        about.accepted = true;
        return about;
    }
    const RejectionContext context{about.name,       about.section, &lines,         counted.loop,
                                   counted.loop_end, counted.calls, counted.libbpf, "en"};
    std::string log = counted.log;
    bool loader_says = false;
    if (counted.log.find("BPF program is too large") != std::string::npos) {
        // A million instructions say no more in writing, and take their time.
    } else if (!trim(counted.log).empty()) {
        Attempt followed = attempt(name, elf, index, level_path, about);
        // A log that was cut off lacks the end; the short one has it.
        if (followed.error == ENOSPC) {
            followed.log.resize(followed.log.rfind('\n') == std::string::npos ? 0
                                                                              : followed.log.rfind('\n') + 1);
            followed.log += counted.log;
        }
        if (followed.error != 0) log = std::move(followed.log);
    } else if (!counted.map.empty() || !counted.lacks.empty()) {
        log = counted.map.empty() ? "the kernel refuses the kind: " + counted.lacks
                                  : "the kernel refuses " + counted.map;
    } else {
        log = counted.libbpf;
        loader_says = !kernel::read_verifier_log(log).complaints.empty();
        if (!loader_says) log = std::strerror(counted.error);
    }
    about.rejection = explain_rejection(log, context);
    about.rejection->loader_says = loader_says;
    // That sentence is ours.
    if (!counted.map.empty() || !counted.lacks.empty())
        about.rejection->kernel_says = std::strerror(counted.error);
    // Of a program that is too long the kernel says no more than this; the count is ours.
    if (counted.error == E2BIG && counted.too_long) about.rejection->kernel_says = std::strerror(E2BIG);
    return about;
}

// What libbpf and the kernel never see.
Verdict unusable(const Error& why) {
    Verdict out;
    out.object = explain_rejection("the object cannot be used: " + why.message, {});
    out.object->kernel_says.clear();
    return out;
}

// What is refused only when all programs are loaded with the same maps.
std::optional<Rejection> refused_together(std::string_view name, Bytes elf) {
    const Opened object = open_object(name, elf);
    if (!object) return std::nullopt;
    const std::string mixed = kernel::mixed_tail_calls(object.get());
    if (mixed.empty() || bpf_object__load(object.get()) == 0) return std::nullopt;
    const int error = errno;
    Rejection said = explain_rejection("the kernel refuses " + mixed, {});
    said.kernel_says = std::strerror(error);
    return said;
}

}  // namespace

bool Verdict::accepted() const {
    return !object && std::all_of(programs.begin(), programs.end(),
                                  [](const VerifiedProgram& program) { return program.accepted; });
}

Result<Verdict> verify_object(std::string_view name, Bytes elf) {
    // CAP_BPF alone will do: what else a program needs is a reason that the verifier gives.
    for (const kernel::Capability& capability : kernel::capabilities())
        if (capability.name == "CAP_BPF" && !capability.held)
            return Error{"CAP_BPF is missing: the kernel verifies programs only for who can load them",
                         ErrorKind::privilege};
    const Result<kernel::ObjectCheck> checked = kernel::check_object(elf);
    if (!checked) return unusable(checked.error());
    kernel::AdaptedObject adapted;
    if (checked->legacy_maps) {
        Result<kernel::AdaptedObject> made = kernel::adapt_legacy_maps(elf);
        if (!made) return unusable(made.error());
        adapted = std::move(*made);
        elf = adapted.elf;
    }
    Verdict out;
    const SourceLines lines = SourceLines::open(elf);
    std::vector<VerifiedProgram> programs;
    {
        const Opened object = open_object(name, elf);
        if (!object) {
            const int error = errno;
            const std::string log = kernel::libbpf_log();
            out.object = explain_rejection(log.empty() ? std::strerror(error) : log,
                                           {{}, {}, &lines, {}, {}, {}, {}, "en"});
            out.object->loader_says = !log.empty();
            return out;
        }
        bpf_program* each = nullptr;
        bpf_object__for_each_program(each, object.get()) {
            VerifiedProgram program;
            program.name = bpf_program__name(each);
            program.section = bpf_program__section_name(each);
            programs.push_back(std::move(program));
        }
    }
    for (std::size_t i = 0; i < programs.size(); ++i)
        out.programs.push_back(verify_one(name, elf, i, lines, std::move(programs[i])));
    if (out.accepted()) out.object = refused_together(name, elf);
    return out;
}

Result<Verdict> verify_file(const std::string& path) {
    const Result<std::string> bytes = read_file(path, most_object_bytes);
    if (!bytes) return bytes.error();
    return verify_object(path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1),
                         bytes_of(std::string_view(*bytes)));
}

}  // namespace waggle
