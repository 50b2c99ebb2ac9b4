// SPDX-License-Identifier: Apache-2.0
#include "engine/support/kernel_symbol.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "waggle/owned_fd.h"

namespace waggle::kernel {
namespace {

constexpr std::int16_t result_at = -8;                  // on the program's stack, from its frame pointer
constexpr unsigned add_constant = BPF_ALU64 | BPF_ADD;  // BPF_K is 0
constexpr std::size_t longest = 256;                    // of a name, with its last NUL

bpf_insn instruction(unsigned code, unsigned destination, unsigned source, std::int16_t offset,
                     std::int32_t value) {
    bpf_insn out{};
    out.code = static_cast<__u8>(code);
    out.dst_reg = destination & 0xf;
    out.src_reg = source & 0xf;
    out.off = offset;
    out.imm = value;
    return out;
}

// A program that is run once: it writes the address of `name` where its context points to.
std::vector<bpf_insn> lookup_of(std::string_view name) {
    const std::size_t held = (name.size() + 8) / 8 * 8;  // with a NUL at least
    const auto name_at = static_cast<std::int16_t>(result_at - static_cast<std::int16_t>(held));
    std::vector<bpf_insn> out;
    out.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0));
    for (std::size_t at = 0; at < held; at += 8) {
        std::uint64_t part = 0;
        const std::string_view piece = name.substr(std::min(at, name.size()), 8);
        std::memcpy(&part, piece.data(), piece.size());
        out.push_back(instruction(BPF_LD | BPF_IMM | BPF_DW, 1, 0, 0, static_cast<std::int32_t>(part)));
        out.push_back(instruction(0, 0, 0, 0, static_cast<std::int32_t>(part >> 32)));
        out.push_back(instruction(BPF_STX | BPF_MEM | BPF_DW, 10, 1,
                                  static_cast<std::int16_t>(name_at + static_cast<std::int16_t>(at)), 0));
    }
    const bpf_insn rest[] = {
        instruction(BPF_ST | BPF_MEM | BPF_DW, 10, 0, result_at, 0),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
        instruction(add_constant, 1, 0, 0, name_at),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, static_cast<std::int32_t>(name.size() + 1)),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, 4, 10, 0, 0),
        instruction(add_constant, 4, 0, 0, result_at),
        instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_kallsyms_lookup_name),
        instruction(BPF_LDX | BPF_MEM | BPF_DW, 1, 10, result_at, 0),
        instruction(BPF_STX | BPF_MEM | BPF_DW, 6, 1, 0, 0),
        instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),  // with what the look-up returned
    };
    out.insert(out.end(), std::begin(rest), std::end(rest));
    return out;
}

}  // namespace

Result<std::uint64_t> symbol_address(std::string_view name) {
    if (name.empty() || name.size() >= longest) return std::uint64_t{0};
    const std::vector<bpf_insn> program = lookup_of(name);
    LIBBPF_OPTS(bpf_prog_load_opts, load, .prog_flags = BPF_F_SLEEPABLE);
    const OwnedFd fd(
        ::bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "find_symbol", "GPL", program.data(), program.size(), &load));
    if (!fd) return Error{fmt::format("cannot look up a symbol of the kernel: {}", std::strerror(errno))};
    std::uint64_t address = 0;
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &address, .ctx_size_in = sizeof address);
    if (::bpf_prog_test_run_opts(fd.get(), &run) != 0)
        return Error{fmt::format("cannot look up a symbol of the kernel: {}", std::strerror(errno))};
    const int result = static_cast<int>(run.retval);
    if (result == -EPERM)
        return Error{"the kernel hides its addresses from this process", ErrorKind::privilege};
    return result == 0 ? address : 0;
}

}  // namespace waggle::kernel
