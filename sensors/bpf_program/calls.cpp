// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpf_program/calls.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "engine/support/kernel_symbol.h"
#include "symbols/symbols.h"

namespace waggle::sensors {

Result<std::map<std::string, std::uint32_t>> calls_of(int program_fd) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (::bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0)
        return Error{fmt::format("cannot read the program: {}", std::strerror(errno))};
    std::vector<bpf_insn> instructions(info.xlated_prog_len / sizeof(bpf_insn));
    info = {};
    info.xlated_prog_len = static_cast<__u32>(instructions.size() * sizeof(bpf_insn));
    info.xlated_prog_insns = reinterpret_cast<std::uintptr_t>(instructions.data());
    size = sizeof info;
    if (::bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0)
        return Error{fmt::format("cannot read the program's instructions: {}", std::strerror(errno))};
    if (instructions.empty() || info.xlated_prog_insns == 0)
        return Error{"the kernel does not show the program's instructions", ErrorKind::privilege};
    const Result<std::uint64_t> base =
        kernel::symbol_address("__bpf_call_base");  // calls are counted from it
    if (!base) return base.error();
    const Result<OwnedFd> file = kernel::Symbols::open();
    if (!file) return file.error();
    const Result<kernel::Symbols> symbols = kernel::Symbols::read(*file);
    if (!symbols) return symbols.error();
    if (*base == 0) return Error{"the kernel hides what its addresses are", ErrorKind::privilege};
    std::map<std::string, std::uint32_t> out;
    for (const bpf_insn& each : instructions) {
        if (each.code != (BPF_JMP | BPF_CALL) || each.src_reg == BPF_PSEUDO_CALL) continue;
        if (each.imm == 0) return Error{"the kernel hides what the program calls", ErrorKind::privilege};
        if (each.src_reg == 0 && each.imm == BPF_FUNC_tail_call) {
            ++out["bpf_tail_call"];
            continue;
        }
        const kernel::Symbol called =
            symbols->find(*base + static_cast<std::uint64_t>(std::int64_t{each.imm}));
        if (called.offset == 0 && !called.name.empty()) ++out[std::string(called.name)];
    }
    return out;
}

}  // namespace waggle::sensors
