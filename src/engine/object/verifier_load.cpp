// SPDX-License-Identifier: Apache-2.0
#include "engine/object/verifier_load.h"

#include <fmt/core.h>

#include "base/text.h"
#include "binary/object_check.h"
#include "engine/support/libbpf_log.h"
#include "verifier/words.h"

namespace waggle {

namespace {

// As libbpf's log: what a load leaves behind belongs to the thread that loaded.
thread_local std::optional<Rejection> last_rejection;

std::optional<Rejection> read_rejection(Bytes elf) {
    const std::string& log = kernel::libbpf_log();
    if (log.find("-- BEGIN PROG LOAD LOG --") == std::string::npos) return std::nullopt;
    const SourceLines lines = SourceLines::open(elf);
    RejectionContext context;
    context.lines = &lines;
    const std::string program = kernel::failed_program(log), section = lines.section_of(program);
    context.section = section;
    Rejection said = explain_rejection(log, context);
    if (said.kernel_says.empty()) return std::nullopt;
    return said;
}

}  // namespace

std::optional<Rejection> rejection_of_last_load() { return last_rejection; }

namespace kernel {

std::string one_sentence(const Rejection& said) {
    std::string out =
        said.program.empty() ? "a program is refused" : fmt::format("program {} is refused", said.program);
    if (said.at.line) {
        out += fmt::format(" at {}:{}", said.at.file.substr(said.at.file.rfind('/') + 1), said.at.line);
        if (!said.expression.empty()) out += fmt::format(" ({})", said.expression);
    }
    out += ": " + said.what;
    if (!said.code.empty()) out += fmt::format("; fix it with: {}", placed_code(said, "en"));
    if (said.what.find(said.kernel_says) == std::string::npos)
        out += fmt::format(" (the kernel: {})", said.kernel_says);
    return escape_control(out);
}

std::string load_words(int error, Bytes elf) {
    last_rejection = read_rejection(elf);
    if (last_rejection) return one_sentence(*last_rejection);
    return escape_control(libbpf_last_words(error));
}

}  // namespace kernel
}  // namespace waggle
