// SPDX-License-Identifier: Apache-2.0
// Logs as the kernels wrote them, explained without a kernel.
#include "waggle/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "base/text.h"
#include "places.h"
#include "tests/verifier/expectations.h"
#include "verifier/expression.h"
#include "verifier/words.h"

namespace waggle {
namespace {

using testing::HasSubstr;

const std::string sources = WAGGLE_SOURCE_DIR "/tests/verifier/";

std::string file(const std::string& path) {
    const Result<std::string> text = read_file(path);
    EXPECT_TRUE(text) << text.error().message;
    return text ? *text : std::string();
}

std::vector<std::string> recorded_logs() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(sources + "logs"))
        names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

// "use_after_release.6.12.level2.log": the program, then the kernel.
std::string program_of(const std::string& log) { return log.substr(0, log.find('.')); }

class RecordedLog : public testing::TestWithParam<std::string> {};

TEST_P(RecordedLog, gets_the_class_and_the_reason_from_the_log_alone) {
    const Expectations wanted = read_expectations(sources + program_of(GetParam()) + ".bpf.c");
    const std::string log = file(sources + "logs/" + GetParam());
    const Rejection said = explain_rejection(log);
    SCOPED_TRACE(to_text(said));
    EXPECT_THAT(wanted.kinds, testing::Contains(said.kind));
    EXPECT_FALSE(said.what.empty());
    EXPECT_FALSE(said.remedy.empty());
    for (const std::string& text : wanted.because) {
        std::string steps;
        for (const Step& step : said.because) steps += step.says + "\n";
        EXPECT_THAT(steps, HasSubstr(text));
    }
    // From 6.8 on the log names the line.
    if (log.find(".bpf.c:") == std::string::npos || wanted.first_line == 0 || said.at.line == 0) return;
    EXPECT_GE(said.at.line, wanted.first_line);
    EXPECT_LE(said.at.line, wanted.last_line);
}

TEST_P(RecordedLog, gets_the_line_and_the_remedy_with_the_objects_line_information) {
    const std::string program = program_of(GetParam());
    const Expectations wanted = read_expectations(sources + program + ".bpf.c");
    const std::string elf = file(WAGGLE_BINARY_DIR "/tests/verifier/" + program + ".bpf.o");
    const SourceLines lines = SourceLines::open(bytes_of(std::string_view(elf)));
    ASSERT_FALSE(lines.empty());
    const std::string source = file(sources + program + ".bpf.c");
    RejectionContext context;
    context.lines = &lines;
    if (source.find("SEC(\"xdp\")") != std::string::npos) context.section = "xdp";
    std::smatch name;
    ASSERT_TRUE(std::regex_search(
        source, name, std::regex("SEC\\(\"[a-z][^\"]*\"\\)\\s+(?:__attribute__\\S+ )?int (\\w+)\\(")));
    const std::string function = name[1];
    context.program = function;
    const Rejection said = explain_rejection(file(sources + "logs/" + GetParam()), context);
    SCOPED_TRACE(to_text(said));
    for (const std::string& text : wanted.code) EXPECT_THAT(said.code, HasSubstr(text));
    if (wanted.first_line == 0) return;
    EXPECT_GE(said.at.line, wanted.first_line);
    EXPECT_LE(said.at.line, wanted.last_line);
}

TEST_P(RecordedLog, cut_off_anywhere_is_still_read) {
    const std::string log = file(sources + "logs/" + GetParam());
    for (std::size_t length = 0; length < log.size(); length += 1 + length / 16) {
        const Rejection said = explain_rejection(std::string_view(log).substr(0, length));
        EXPECT_FALSE(said.kind.empty());
        EXPECT_FALSE(to_text(said).empty());
    }
}

INSTANTIATE_TEST_SUITE_P(Kernel, RecordedLog, testing::ValuesIn(recorded_logs()), [](const auto& log) {
    std::string name = log.param;
    std::replace(name.begin(), name.end(), '.', '_');
    return name;
});

TEST(Rejection, is_recorded_on_each_kernel) {
    for (const std::string kernel : {".6.1.", ".6.12.", ".6.18."}) {
        std::set<std::string> programs;
        for (const std::string& log : recorded_logs())
            if (log.find(kernel) != std::string::npos) programs.insert(program_of(log));
        EXPECT_GE(programs.size(), 20u) << kernel;
    }
}

TEST(SourceLines, give_the_whole_function_where_its_source_is_as_it_was) {
    const std::string elf = file(WAGGLE_BINARY_DIR "/tests/verifier/record_not_given_back.bpf.o");
    const SourceLines lines = SourceLines::open(bytes_of(std::string_view(elf)));
    const std::optional<SourceLine> begin = lines.begin_of("on_exec");
    ASSERT_TRUE(begin);
    std::string all;
    for (const SourceLine& line : lines.function_around(*begin)) all += line.text + "\n";
    // The line information names no instruction of this line: only the file has it.
    EXPECT_THAT(all, HasSubstr("#ifdef APPLIED"));
    EXPECT_THAT(all, HasSubstr("bpf_ringbuf_submit(r, 0);"));
    EXPECT_EQ(lines.first_parameter("on_exec"), "ctx");
    EXPECT_EQ(lines.section_of("on_exec"), "raw_tp/sched_process_exec");
    SourceLine elsewhere = *begin;
    elsewhere.file = "/etc/passwd";
    EXPECT_TRUE(lines.function_around(elsewhere).empty());
}

TEST(SourceLines, do_not_believe_a_source_that_was_changed_since) {
    std::string elf = file(WAGGLE_BINARY_DIR "/tests/verifier/record_not_given_back.bpf.o");
    // One line of the object's own information no longer stands in the file.
    const std::size_t at = elf.find("bpf_ringbuf_submit(r, 0);");
    ASSERT_NE(at, std::string::npos);
    for (std::size_t each = at; each != std::string::npos;
         each = elf.find("bpf_ringbuf_submit(r, 0);", each + 1))
        elf[each + 19] = 'x';
    const SourceLines lines = SourceLines::open(bytes_of(std::string_view(elf)));
    const std::optional<SourceLine> begin = lines.begin_of("on_exec");
    ASSERT_TRUE(begin);
    EXPECT_TRUE(lines.function_around(*begin).empty());
}

TEST(SourceLines, know_the_length_of_an_array_by_its_name) {
    const std::string elf = file(WAGGLE_BINARY_DIR "/tests/verifier/index_from_global_function.bpf.o");
    const SourceLines lines = SourceLines::open(bytes_of(std::string_view(elf)));
    EXPECT_EQ(lines.array_length("counts"), 12u);
    EXPECT_EQ(lines.array_length("no_such_array"), std::nullopt);
}

struct Message {
    const char* says;
    const char* kind;
};

// What the kernels say, as it stands in their verifier.c, and the class of it.
constexpr Message messages[] = {
    {"R1 invalid mem access 'mem_or_null'", "possibly_null_pointer"},
    {"R1 invalid mem access 'ptr_or_null_task_struct'", "possibly_null_pointer"},
    {"R2 pointer arithmetic on map_value_or_null prohibited, null-check it first", "possibly_null_pointer"},
    {"Possibly NULL pointer passed to trusted arg0", "possibly_null_pointer"},
    {"R2 invalid mem access 'inv'", "scalar_dereference"},
    {"R2 invalid mem access 'user_mem'", "scalar_dereference"},
    {"invalid indirect read from stack R2 off -16+4 size 16", "uninitialised_stack"},
    {"invalid read from stack R1 off -8+0 size 8", "uninitialised_stack"},
    {"invalid read from stack off -8+0 size 8", "uninitialised_stack"},
    {"invalid write to stack R10 off=8 size=8", "stack_out_of_bounds"},
    {"invalid write to stack R10 off=-520 size=8", "stack_too_large"},
    {"invalid indirect access to stack R1 off=-16 size=32", "stack_out_of_bounds"},
    {"combined stack size of 3 calls is 544. Too large", "stack_too_large"},
    {"R1 min value is negative, either use unsigned index or do a if (index >=0) check.", "unbounded_offset"},
    {"math between map_value pointer and register with unbounded min value is not allowed",
     "unbounded_offset"},
    {"invalid variable-offset read from stack R2 var_off=(0x0; 0xff) off=-64 size=1", "unbounded_offset"},
    {"dereference of modified ctx ptr R1 off=4 disallowed", "context_out_of_bounds"},
    {"dereference of modified rcu_ptr_ ptr R1 off=4 disallowed", "pointer_arithmetic"},
    {"func 'sched_switch' doesn't have 5-th argument", "context_out_of_bounds"},
    {"back-edge from insn 5 to 2", "back_edge"},
    {"infinite loop detected at insn 4", "unbounded_loop"},
    {"The sequence of 8193 jumps is too complex.", "too_complex"},
    {"BPF program is too large. Processed 1000001 insn", "too_many_instructions"},
    {"unknown func bpf_get_current_comm#16", "wrong_helper"},
    {"program of this type cannot use helper bpf_sk_lookup_tcp#84", "wrong_helper"},
    {"helper call might sleep in a non-sleepable prog", "sleepable"},
    {"sleepable helper bpf_copy_from_user#148 in rcu_read_lock region", "sleepable"},
    {"program must be sleepable to call sleepable kfunc bpf_copy_from_user_str", "sleepable"},
    {"calling kernel function bpf_task_acquire is not allowed", "unknown_kernel_function"},
    {"invalid kernel function call not eliminated in verifier pass", "unknown_kernel_function"},
    {"cannot call kernel function from non-GPL compatible program", "gpl_only"},
    {"BPF_EXIT instruction in main prog would lead to reference leak", "unreleased_reference"},
    {"tail_call would lead to reference leak", "unreleased_reference"},
    {"bpf_spin_unlock is missing", "leaked_lock"},
    {"1 bpf_rcu_read_unlock is missing", "leaked_lock"},
    {"bpf_rcu_read_unlock is missing", "leaked_lock"},
    {"bpf_spin_unlock of different lock", "lock_misuse"},
    {"bpf_spin_lock cannot be accessed directly by load/store", "lock_misuse"},
    {"tail_call cannot be used inside bpf_spin_lock-ed region", "lock_held_across_call"},
    {"bpf_spin_lock at off=16 must be held for bpf_list_head", "missing_lock"},
    {"misaligned stack access off (0x0; 0x0)+-8+1 size 4", "misaligned_access"},
    {"misaligned packet access off 2+(0x0; 0x0)+14+0 size 4", "misaligned_access"},
    {"R0 cannot write into rdonly_mem", "read_only"},
    {"write into map forbidden, value_size=8 off=0 size=8", "read_only"},
    {"cannot write into packet", "read_only"},
    {"frame pointer is read only", "read_only"},
    {"tail_calls are not allowed when call stack of previous frames is 320 bytes. Too large",
     "tail_call_limit"},
    {"the call stack of 9 frames is too deep !", "call_depth"},
    {"unreachable insn 7", "unreachable_code"},
    {"jump out of range from insn 3 to 30", "unreachable_code"},
    {"last insn is not an exit or jmp", "unreachable_code"},
    {"At program exit the register R0 has value (0x2; 0x0) should have been in (0x0; 0x1)", "return_value"},
    {"At program exit the register R0 has unknown scalar value should have been in [0, 1]", "return_value"},
    {"At program exit the register R0 is not a known value (map_value)", "return_value"},
    {"R0 leaks addr as return value", "return_value"},
    {"R2 leaks addr into map", "pointer_leak"},
    {"R1 bitwise operator &= on pointer prohibited", "pointer_arithmetic"},
    {"R1 32-bit pointer arithmetic prohibited", "pointer_arithmetic"},
    {"R1 pointer arithmetic on pkt_end prohibited", "pointer_arithmetic"},
    {"invalid access to memory, mem_size=16 off=16 size=1", "memory_out_of_bounds"},
    {"access beyond struct task_struct at off 10000 size 8", "memory_out_of_bounds"},
    {"Expected an initialized dynptr as arg #0", "dynptr_misuse"},
    {"cannot overwrite referenced dynptr", "dynptr_misuse"},
    {"expected an initialized iter_num as arg #0", "iterator_misuse"},
    {"expected uninitialized iter_num as arg #0", "iterator_misuse"},
    {"arg 1 is an unacquired reference", "release_misuse"},
    {"R1 must be referenced or trusted", "unprotected_object"},
    {"div by zero", "bad_constant"},
    {"invalid shift 64", "bad_constant"},
    {"fd 7 is not pointing to valid bpf_map", "invalid_map"},
    {"cannot pass map_type 1 into func bpf_ringbuf_output#130", "invalid_map"},
    {"R1 type=ctx expected=map_ptr", "wrong_argument"},
    {"arg#0 expected pointer to ctx, but got PTR", "wrong_argument"},
    {"R2 invalid zero-sized read: u64=[0,63]", "wrong_argument"},
    {"R1 stack pointer arithmetic goes out of range, prohibited for !root; off=8", "stack_out_of_bounds"},
    {"R2 pointer comparison prohibited", "privilege"},
    {"missing btf func_info", "missing_type_information"},
    {"unknown opcode ee", "reserved_encoding"},
    {"verifier internal error: env->insn_state", "verifier_fault"},
    {"libbpf: failed to find kernel BTF type ID of 'gone': -3", "attach_target_unknown"},
    {"libbpf: extern (func ksym) 'gone': not found in kernel or module BTFs", "unknown_kernel_function"},
    {"a.c:3:5: error: Looks like the BPF stack limit is exceeded. Please move large on stack variables into "
     "BPF "
     "per-cpu array map.",
     "stack_too_large"},
};

TEST(Rejection, of_each_message_is_of_its_class) {
    for (const Message& message : messages) {
        const Rejection said =
            explain_rejection(std::string(message.says) + "\nprocessed 3 insns (limit 1000000)\n");
        EXPECT_EQ(said.kind, message.kind) << message.says;
        EXPECT_FALSE(said.what.empty()) << message.says;
        EXPECT_FALSE(said.remedy.empty()) << message.says;
        EXPECT_THAT(said.what, testing::Not(HasSubstr("{"))) << message.says;
    }
}

TEST(Rejection, that_is_new_says_so_with_the_line_the_history_and_the_kernels_words) {
    const Rejection said = explain_rejection(
        "0: R1=ctx() R10=fp0\n; x = get(); @ a.bpf.c:7\n0: (85) call bpf_get_prandom_u32#7 ; R0_w=scalar()\n"
        "; use(x); @ a.bpf.c:8\n1: (bf) r6 = r0 ; R6_w=scalar()\n2: (95) exit\n"
        "R6 is the wrong colour\nprocessed 3 insns (limit 1000000)\n");
    EXPECT_EQ(said.kind, "unrecognised");
    EXPECT_THAT(said.what, HasSubstr("R6 is the wrong colour"));
    EXPECT_EQ(said.at.line, 8u);
    ASSERT_EQ(said.because.size(), 2u);
    EXPECT_THAT(said.because[1].says, HasSubstr("bpf_get_prandom_u32() gave"));
    EXPECT_EQ(said.because[1].at.line, 7u);
}

TEST(Rejection, follows_the_path_that_failed_where_the_log_shows_others_too) {
    // Level 2: the first path ends well; the second begins again behind the branch in instruction 2.
    const Rejection said = explain_rejection(
        "0: R1=ctx(off=0,imm=0) R10=fp0\n0: (b7) r6 = 1 ; R6_w=1\n1: (79) r2 = *(u64 *)(r1 +0) ; "
        "R2_w=scalar()\n"
        "2: (15) if r2 == 0x0 goto pc+3 ; R2_w=scalar()\n3: (b7) r6 = 2 ; R6_w=2\n4: (b7) r0 = 0 ; R0_w=0\n"
        "5: (95) exit\n\nfrom 2 to 6: R1=ctx(off=0,imm=0) R2=0 R6=1 R10=fp0\n6: (79) r0 = *(u64 *)(r6 +0)\n"
        "R6 invalid mem access 'scalar'\nprocessed 8 insns (limit 1000000)\n");
    EXPECT_EQ(said.kind, "scalar_dereference");
    ASSERT_FALSE(said.because.empty());
    EXPECT_EQ(said.because.back().insn, 0u);
    EXPECT_THAT(said.because.back().says, HasSubstr("the number 1"));
}

TEST(Rejection, reads_the_form_of_old_kernels) {
    const Rejection said = explain_rejection(
        "0: (bf) r6 = r1\n1: (79) r1 = *(u64 *)(r6 +8)\n2: R1_w=inv(id=0) R6_w=ctx(id=0,off=0,imm=0) "
        "R10=fp0\n"
        "2: (61) r0 = *(u32 *)(r1 +4)\nR1 invalid mem access 'inv'\nprocessed 3 insns (limit 1000000)\n");
    EXPECT_EQ(said.kind, "scalar_dereference");
    EXPECT_EQ(said.reg, "R1");
    EXPECT_THAT(said.what, HasSubstr("a number that nothing bounds"));
}

TEST(Rejection, shows_foreign_text_escaped) {
    const Rejection said = explain_rejection("; x\x1b[31m @ a\x1b.c:3\n0: (95) exit\nR0 \x1b[2J odd\n");
    EXPECT_THAT(to_text(said), testing::Not(HasSubstr("\x1b")));
}

TEST(SourceLines, of_a_damaged_object_are_those_that_can_be_read) {
    const std::string elf = file(WAGGLE_BINARY_DIR "/tests/verifier/possibly_null.bpf.o");
    ASSERT_TRUE(SourceLines::open(bytes_of(std::string_view(elf))).of("count", 0));
    for (std::size_t length = 0; length < elf.size(); ++length)
        (void)SourceLines::open(bytes_of(std::string_view(elf).substr(0, length))).of("count", 0);
    std::string broken = elf;
    for (std::size_t at = 0; at < broken.size(); at += 3) {
        broken[at] = '\xff';
        (void)SourceLines::open(bytes_of(std::string_view(broken))).of("count", 0);
        broken[at] = elf[at];
    }
}

TEST(Expression, is_the_one_around_the_column) {
    using kernel::expression_at;
    EXPECT_EQ(expression_at("*counter += 1;", 10), "*counter += 1");
    EXPECT_EQ(expression_at("return block->bytes[index];", 15), "block->bytes[index]");
    EXPECT_EQ(expression_at("return *task != 0;", 8), "*task");
    EXPECT_EQ(expression_at("return 5;", 1), "return 5");
    EXPECT_EQ(expression_at("x = 1;", 0), "x = 1");
    EXPECT_EQ(expression_at("x", 900), "x");
}

TEST(Expression, names_variables_and_arguments) {
    EXPECT_EQ(kernel::assigned_variable("struct v *value = lookup(&m, &key);"), "value");
    EXPECT_EQ(kernel::assigned_variable("if (a == b) return 0;"), "");
    EXPECT_EQ(kernel::call_argument("f(&map, g(1, 2), entry);", "f", 3), "entry");
    EXPECT_EQ(kernel::call_argument("f(&map)", "f", 2), "");
    EXPECT_EQ(kernel::index_variable("a[3] + b[i]"), "i");
    EXPECT_EQ(kernel::base_variable("*(__u32 *)value->count"), "value");
}

TEST(Expression, names_the_pointer_that_is_read_through) {
    EXPECT_EQ(kernel::pointer_at("pid = ctx->task->pid;", 18), "ctx->task");
    EXPECT_EQ(kernel::pointer_at("pid = ctx->task->pid;", 12), "ctx");
    EXPECT_EQ(kernel::pointer_at("return *((__u8 *)t + t->len);", 8), "(__u8 *)t + t->len");
    EXPECT_EQ(kernel::pointer_at("return 5;", 8), "");
    EXPECT_EQ(kernel::address_at("return t->pid;", 11), "&t->pid");
    EXPECT_EQ(kernel::assigned_variable("__u64 one = 1, *n = f(&m, &key);", 21), "n");
    EXPECT_EQ(kernel::without_casts("(void *)ctx[1]"), "ctx[1]");
    EXPECT_EQ(kernel::indexed_variable("total += table[i] * 2;"), "table");
    EXPECT_EQ(kernel::used_variable("char *p = q"), "");
    EXPECT_TRUE(kernel::assigns("a += b"));
    EXPECT_FALSE(kernel::assigns("a == b"));
}

TEST(Rejection, reads_a_complaint_without_its_newline_and_registers_behind_a_jump) {
    const Rejection said = explain_rejection(
        "0: R1=ctx() R10=fp0\n0: (85) call bpf_map_lookup_elem#1 ; "
        "R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\n"
        "1: (15) if r0 == 0x0 goto pc+1 3: R0=0 R10=fp0\n3: (79) r1 = *(u64 *)(r0 +0)\n"
        "R0 invalid mem access 'scalar'processed 4 insns (limit 1000000)\n");
    EXPECT_EQ(said.kind, "possibly_null_pointer");
    EXPECT_EQ(said.kernel_says, "R0 invalid mem access 'scalar'");
}

TEST(Pattern, takes_text_and_numbers) {
    const auto found = kernel::match_pattern("R{reg:d} is {what} of {rest}", "R3 is a part of it of all");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->at("reg"), "3");
    EXPECT_EQ(found->at("what"), "a part");
    EXPECT_EQ(found->at("rest"), "it of all");
    EXPECT_FALSE(kernel::match_pattern("R{reg:d} ends", "Rx ends"));
    EXPECT_FALSE(kernel::match_pattern("ends {here}!", "ends there"));
    EXPECT_TRUE(kernel::match_pattern("spin_{lock,unlock}", "spin_{lock,unlock}"));
}

}  // namespace
}  // namespace waggle
