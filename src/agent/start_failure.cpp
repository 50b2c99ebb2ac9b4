// SPDX-License-Identifier: Apache-2.0
#include "agent/start_failure.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>

#include "base/text.h"
#include "binary/elf_file.h"

namespace waggle::agent {
namespace {

constexpr int most_interpreters = 5;  // as the kernel follows them

bool is_there(const std::string& path) {
    std::error_code wrong;
    return std::filesystem::is_regular_file(path, wrong);
}

std::string place_of(const std::string& program) {
    if (program.find('/') != std::string::npos) return is_there(program) ? program : std::string();
    const char* path = std::getenv("PATH");
    for (const std::string_view folder : split(path ? path : "/bin:/usr/bin", ':')) {
        const std::string place = (folder.empty() ? "." : std::string(folder)) + "/" + program;
        if (is_there(place)) return place;
    }
    return {};
}

struct Interpreter {
    std::string path;  // empty: the file names none
    bool of_script = false;
};

Interpreter interpreter_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string begin(256, '\0');
    file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
    begin.resize(static_cast<std::size_t>(file.gcount()));
    if (begin.starts_with("#!")) {
        const std::string_view line = trim(std::string_view(begin).substr(2, begin.find('\n') - 2));
        return {std::string(line.substr(0, line.find_first_of(" \t"))), true};
    }
    if (!begin.starts_with("\x7f"
                           "ELF"))
        return {};
    const Result<std::string> whole = read_file(path, 256u << 20);
    if (!whole) return {};
    const auto elf = kernel::ElfFile::parse(std::as_bytes(std::span(*whole)));
    const kernel::ElfSection* section = elf ? elf->section(".interp") : nullptr;
    if (!section) return {};
    const auto* text = reinterpret_cast<const char*>(section->content.data());
    return {std::string(text, ::strnlen(text, section->content.size())), false};
}

}  // namespace

std::string why_not_started(const std::string& program, int error) {
    std::string system = fmt::format("cannot run {}: {}", escape_control(program), std::strerror(error));
    if (error != ENOENT) return system;
    std::string place = place_of(program);
    for (int depth = 0; !place.empty() && depth < most_interpreters; ++depth) {
        const Interpreter next = interpreter_of(place);
        if (next.path.empty()) break;
        if (!is_there(next.path))
            return fmt::format(
                "cannot run {}: {} is there, but {}, {}, is not", escape_control(program),
                escape_control(place),
                next.of_script ? "the interpreter that its first line names" : "the loader that it names",
                escape_control(next.path));
        place = next.path;
    }
    return system;
}

}  // namespace waggle::agent
