// SPDX-License-Identifier: Apache-2.0
// Why the verifier said no: a rejected program's log read by its structure, and said in plain words.
//
//   const waggle::Result<waggle::Verdict> verdict = waggle::verify_file("drops.bpf.o");
//   for (const waggle::VerifiedProgram& program : verdict->programs)
//       if (program.rejection) std::puts(waggle::to_text(*program.rejection).c_str());
//
// Reads the logs of kernels 5.10 and later (log level 1 or 2). Everything in a Rejection is text that came
// from a log or an object: print it through to_text(), which escapes control characters. Stateless: any
// thread; verify_file() and verify_object() keep what libbpf says per thread.
// Source of the messages: kernel/bpf/verifier.c of 6.1, 6.12 and 6.18; the words: knowledge/en/verifier.yaml.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/result.h"

namespace waggle {

// A line of the program's source.
struct SourceLine {
    std::string file;          // as the compiler was given it; empty where unknown
    std::uint32_t line = 0;    // 0 where unknown
    std::uint32_t column = 0;  // 0 where unknown
    std::string text;          // the line itself, without indentation
};

// The line information that the compiler put into an object (.BTF.ext). Where it is missing, lines come from
// the log alone.
class SourceLines {
  public:
    SourceLines() = default;
    // `elf` is only read during the call. An object without line information gives an empty one.
    static SourceLines open(Bytes elf);

    // Whether nothing is known of any line.
    bool empty() const { return programs_.empty() && lines_.empty(); }
    // The line of instruction `insn` of `program`, counted from the program's first one; none behind its end
    // (there the kernel puts the functions it calls).
    std::optional<SourceLine> of(std::string_view program, std::uint32_t insn) const;
    // The line of the instruction that lies `offset` behind the begin of a function, where only one function
    // has this text there (and this line, where it is not 0).
    std::optional<SourceLine> inside_function(std::uint32_t offset, std::string_view text,
                                              std::uint32_t line) const;
    // The line with this text; of several the one nearest to line `near` of the same object.
    std::optional<SourceLine> with_text(std::string_view text, std::uint32_t near = 0) const;
    // The program's line that has `word` in it, nearest behind instruction `insn`, else nearest before it.
    std::optional<SourceLine> naming(std::string_view program, std::string_view word,
                                     std::uint32_t insn) const;
    // The first line that uses `symbol`, which the object names but does not define.
    std::optional<SourceLine> using_symbol(std::string_view symbol) const;
    // The line that has `text` in it, where the sources that the object was made of are still there and only one
    // line has it; its column is 0.
    std::optional<SourceLine> only_line_with(std::string_view text) const;
    // Where the variable that holds byte `offset` of `section` (".bss") ends, counted in the section.
    std::optional<std::uint64_t> variable_end(std::string_view section, std::uint64_t offset) const;
    // The variable that begins at byte `offset` of `section`; empty where there is none.
    std::string variable_at(std::string_view section, std::uint64_t offset) const;
    // The lines that the instructions of a program or function come from, in their order, with what was
    // inlined there; of a very long one the first 20,000.
    std::vector<SourceLine> all_of(std::string_view program) const;
    // The lines of the function around `at`, where its source file is still there and has every line that the
    // object's line information names (columns are 0); else empty.
    std::vector<SourceLine> function_around(const SourceLine& at) const;
    // What the source calls the function's first parameter (of a program: its context); empty where the
    // object does not say.
    std::string first_parameter(std::string_view function) const;
    // The section that the function lies in; empty where there is none.
    std::string section_of(std::string_view function) const;
    // How many elements the struct field or global variable has, where all arrays of that name have as many.
    std::optional<std::uint32_t> array_length(std::string_view name) const;
    // The first function that calls helper `number` and returns something else than int, by its types.
    std::string caller_without_int(std::int32_t helper) const;
    // The line where the program begins.
    std::optional<SourceLine> begin_of(std::string_view program) const { return of(program, 0); }

  private:
    struct Line {
        std::uint32_t insn;  // in instructions from the section's begin
        SourceLine at;
    };
    struct Program {
        std::string name;
        std::size_t section;  // in lines_
        std::uint32_t first, count;
        std::string section_name, first_parameter;
        bool returns_int = true;  // or nothing is known
        std::vector<std::int32_t> helpers;
    };
    struct Variable {
        std::string section;
        std::uint64_t offset, size;
        std::string name;
    };
    struct Use {
        std::string symbol;
        SourceLine at;
    };
    std::map<std::string, std::vector<std::string>, std::less<>> files_;  // those that are as they were
    std::vector<Variable> variables_;
    std::map<std::string, std::uint32_t, std::less<>> arrays_;  // 0: of different lengths
    std::vector<Use> uses_;
    std::vector<Program> programs_;
    std::vector<std::vector<Line>> lines_;  // per section, ascending
};

// One step of a register's way to the fault.
struct Step {
    // The instruction's number.
    std::uint32_t insn = 0;
    std::string instruction;  // "r0 = *(u32 *)(r1 +0)"
    std::string says;         // "bpf_map_lookup_elem() gave a pointer into a map's value, or null"
    // The line in the program's source.
    SourceLine at;
};

// Why one program was refused.
struct Rejection {
    std::string kind;     // the class: "possibly_null_pointer"; "unrecognised" where the words are new
    std::string title;    // the class in words
    std::string program;  // its name; empty where the log does not say
    std::string what;     // one sentence with the register, offsets, sizes and types filled in
    // The line in the program's source.
    SourceLine at;
    std::string expression;  // the part of the line that is at fault; the whole line where it is not known
    // The instruction's number; none where the log names none.
    std::optional<std::uint32_t> insn;
    // As the verifier writes it.
    std::string instruction;
    std::string reg;            // "R1"; empty where no register is at fault
    std::vector<Step> because;  // nearest cause first
    std::string remedy;         // what to change, one sentence
    std::string code;           // the line that fixes it, where it can be named
    // Where a line goes: not known, before the one at `code_line`, behind it, or in its place.
    enum class CodePlace { unknown, before, after, instead };
    // Where `code` goes, where that can be told.
    CodePlace code_place = CodePlace::unknown;
    // The line that `code_place` speaks of, in the file of `at`.
    std::uint32_t code_line = 0;
    std::string kernel_says;   // the kernel's or libbpf's own words, lines joined by "; "
    bool loader_says = false;  // they are libbpf's: the kernel was not asked, or gave no words
};

// What is known besides the log; all of it is optional.
struct RejectionContext {
    // The program's name.
    std::string_view program;
    std::string_view section;            // "xdp": tells which value a program gives back to say "go on"
    const SourceLines* lines = nullptr;  // borrowed during the call
    // The first instruction of the program's longest loop: named where the log shows no instruction.
    std::optional<std::uint32_t> loop;
    // The last one of that loop.
    std::optional<std::uint32_t> loop_end;
    // The instructions that call functions of the program itself.
    std::span<const std::uint32_t> calls;
    // What libbpf said before the verifier spoke.
    std::string_view loader;
    // Of the words; English where there are none in it.
    std::string_view language = "en";
};

// `log` is the verifier's own, or libbpf's with the verifier's inside. Any bytes are taken; nothing fails.
Rejection explain_rejection(std::string_view log, const RejectionContext& context = {});

// Why the verifier refused what this thread last failed to load (Object::load() puts it into its error as one
// sentence); none where that load failed for another reason.
std::optional<Rejection> rejection_of_last_load();

// The classes there are: id and title.
struct RejectionKind {
    // As Rejection::kind has it.
    std::string_view id;
    // In words.
    std::string_view title;
};
// All of them, with their titles in that language.
std::vector<RejectionKind> rejection_kinds(std::string_view language = "en");

// For a terminal or an error message: several lines, control characters escaped, without final newline.
std::string to_text(const Rejection& rejection, std::string_view language = "en");

// What the verifier counted while it looked at one program.
struct VerifiedProgram {
    // As in its source.
    std::string name;
    // As in its source: "xdp".
    std::string section;
    // Whether the kernel takes it.
    bool accepted = false;
    std::uint64_t instructions = 0;          // verified, over all paths
    std::uint64_t program_instructions = 0;  // in the program
    // States that the verifier looked at.
    std::uint64_t states = 0;
    // States that it held at once.
    std::uint64_t peak_states = 0;
    // How long it took, in microseconds.
    std::uint64_t verification_us = 0;
    std::vector<std::uint32_t> stack_bytes;  // of the program, then of each function it calls
    std::optional<Rejection> rejection;      // none exactly when accepted
};

// What became of each program of an object.
struct Verdict {
    // In the order of the object.
    std::vector<VerifiedProgram> programs;
    // Set when the object as a whole is refused: before any program is looked at (`programs` is then empty),
    // or because its programs, each of which is accepted, cannot be loaded together.
    std::optional<Rejection> object;
    // Whether every program was.
    bool accepted() const;
};

// Loads each program of the object by itself, and unloads it. Nothing is attached, nothing stays in the
// kernel. Needs CAP_BPF and what the program types need (an Error of kind privilege where it is missing). An
// Error means that the file could not be read; a program that is refused is no Error.
Result<Verdict> verify_object(std::string_view name, Bytes elf);
// The same, of a file.
Result<Verdict> verify_file(const std::string& path);

}  // namespace waggle
