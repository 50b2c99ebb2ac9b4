// SPDX-License-Identifier: Apache-2.0
// Every program in this folder is refused by this kernel, and the words it gets are those it asks for.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "places.h"
#include "tests/testing/command.h"
#include "tests/verifier/expectations.h"
#include "waggle/object.h"
#include "waggle/verifier.h"

namespace waggle {
namespace {

using testing::HasSubstr;

const std::string sources = WAGGLE_SOURCE_DIR "/tests/verifier/";
const std::string objects = WAGGLE_BINARY_DIR "/tests/verifier/";

std::vector<std::string> refused_programs() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(sources)) {
        const std::string name = entry.path().filename();
        if (name.ends_with(".bpf.c")) names.push_back(name.substr(0, name.size() - 6));
    }
    std::sort(names.begin(), names.end());
    return names;
}

// Those whose log this kernel writes as the program expects it. A million instructions take an emulated machine a minute,
// and are counted by every kernel alike.
std::vector<std::string> programs_of_this_kernel() {
    const auto number = [](const std::string& version) {
        unsigned major = 0, minor = 0;
        std::sscanf(version.c_str(), "%u.%u", &major, &minor);
        return major * 1000 + minor;
    };
    utsname system{};
    uname(&system);
    const bool emulated = std::getenv("WAGGLE_VM") != nullptr;
    std::vector<std::string> names = refused_programs();
    std::erase_if(names, [&](const std::string& name) {
        const std::string since = read_expectations(sources + name + ".bpf.c").since;
        return (!since.empty() && number(system.release) < number(since)) ||
               (emulated && name == "too_many_instructions");
    });
    return names;
}

// Capabilities belong to threads: one that gives some up and ends leaves the test as it was.
Result<Verdict> verify_without(const std::string& capability, const std::string& path) {
    std::optional<Result<Verdict>> verdict;
    std::thread([&] {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct data[2] = {};
        syscall(SYS_capget, &header, data);
        const auto drop = [&](unsigned number) { data[number / 32].effective &= ~(1u << (number % 32)); };
        if (capability == "CAP_PERFMON") {
            drop(CAP_PERFMON);
            drop(CAP_SYS_ADMIN);  // stands for CAP_PERFMON
        }
        EXPECT_EQ(syscall(SYS_capset, &header, data), 0);
        verdict = verify_file(path);
    }).join();
    return *verdict;
}

Result<Verdict> verify_as(const Expectations& wanted, const std::string& path) {
    return wanted.without.empty() ? verify_file(path) : verify_without(wanted.without, path);
}

std::vector<std::uint32_t> loaded_programs() {
    std::vector<std::uint32_t> ids;
    for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) ids.push_back(id);
    return ids;
}

class Refused : public testing::TestWithParam<std::string> {};

TEST_P(Refused, gets_the_class_the_line_and_the_remedy) {
    const Expectations wanted = read_expectations(sources + GetParam() + ".bpf.c");
    ASSERT_FALSE(wanted.kinds.empty());
    const std::string path = objects + GetParam() + ".bpf.o";
    const Result<Verdict> verdict = verify_as(wanted, path);
    ASSERT_TRUE(verdict) << verdict.error().message;
    ASSERT_FALSE(verdict->object) << to_text(*verdict->object);
    ASSERT_EQ(verdict->programs.size(), 1u);
    EXPECT_FALSE(verdict->accepted());
    ASSERT_TRUE(verdict->programs[0].rejection) << "the kernel took it";
    const Rejection& said = *verdict->programs[0].rejection;
    SCOPED_TRACE(to_text(said));
    EXPECT_THAT(wanted.kinds, testing::Contains(said.kind));
    EXPECT_FALSE(said.remedy.empty());
    EXPECT_FALSE(said.kernel_says.empty());
    for (const std::string& text : wanted.what) EXPECT_THAT(said.what, HasSubstr(text));
    for (const std::string& text : wanted.code) EXPECT_THAT(said.code, HasSubstr(text));
    for (const std::string& text : wanted.remedy) EXPECT_THAT(said.remedy, HasSubstr(text));
    for (const std::string& text : wanted.because) {
        std::string steps;
        for (const Step& step : said.because) steps += step.says + "\n";
        EXPECT_THAT(steps, HasSubstr(text));
    }
    if (wanted.first_line == 0) return;
    EXPECT_THAT(said.at.file, HasSubstr(GetParam() + ".bpf.c"));
    EXPECT_GE(said.at.line, wanted.first_line);
    EXPECT_LE(said.at.line, wanted.last_line);
}

// Compiles a source as the build does; the compiler's words where it does not take it. What was compiled before from the
// same text is not compiled again: in an emulated machine, which sees this build's files, that takes seconds each.
std::string compile(const std::string& source, const std::string& object, const std::string& flags) {
    const std::string command = std::string(WAGGLE_BPF_CLANG) + " -g -O2 -target bpf -mcpu=" +
                                (source.ends_with("_v2.bpf.c") ? "v2 " : "v3 ") + flags +
                                " -idirafter /usr/include/" WAGGLE_ARCHITECTURE " -c ";
    std::ifstream file(source);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::string kept =
        fmt::format("{}applied/{:016x}.o", objects, std::hash<std::string>()(command + text));
    std::error_code unused;
    if (std::filesystem::copy_file(kept, object, std::filesystem::copy_options::overwrite_existing, unused))
        return "";
    const test::Outcome said = test::outcome_of(command + source + " -o " + object + " 2>&1");
    if (said.code != 0) return said.text + "(" + command + source + ")";
    std::filesystem::create_directories(objects + "applied", unused);
    std::filesystem::copy_file(object, kept + std::to_string(getpid()), unused);
    std::filesystem::rename(kept + std::to_string(getpid()), kept, unused);  // whole, or not there
    return "";
}

// The source with the printed line where the rejection puts it.
std::string with_code(const std::string& source, const Rejection& said) {
    std::ifstream file(source);
    std::string out;
    unsigned number = 0;
    for (std::string line; std::getline(file, line);) {
        const bool here = ++number == said.code_line;
        if (here && said.code_place == Rejection::CodePlace::before) out += said.code + "\n";
        out += (here && said.code_place == Rejection::CodePlace::instead ? said.code : line) + "\n";
        if (here && said.code_place == Rejection::CodePlace::after) out += said.code + "\n";
    }
    return out;
}

class Applied : public testing::TestWithParam<std::string> {};

TEST_P(Applied, loads_once_the_remedy_is_applied_as_it_is_printed) {
    const std::string source = sources + GetParam() + ".bpf.c";
    const Expectations wanted = read_expectations(source);
    const std::string folder = testing::TempDir() + "waggle_applied_" + std::to_string(getpid());
    std::filesystem::create_directories(folder);
    const std::string object = folder + "/" + GetParam() + ".o";
    if (wanted.applied == "code") {
        const Result<Verdict> verdict = verify_as(wanted, objects + GetParam() + ".bpf.o");
        ASSERT_TRUE(verdict && verdict->programs.size() == 1 && verdict->programs[0].rejection);
        const Rejection& said = *verdict->programs[0].rejection;
        ASSERT_FALSE(said.code_place == Rejection::CodePlace::unknown) << to_text(said);
        const std::string changed = folder + "/" + GetParam() + ".bpf.c";
        std::ofstream(changed) << with_code(source, said);
        SCOPED_TRACE(to_text(said));
        ASSERT_EQ(compile(changed, object, "-Wno-everything -I" + sources), "");
    } else {
        ASSERT_EQ(wanted.applied, "sentence");
        ASSERT_EQ(compile(source, object, "-Wno-everything -DAPPLIED"), "");
    }
    const Result<Verdict> after = verify_as(wanted, object);
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_TRUE(after->accepted()) << (after->object                  ? to_text(*after->object)
                                       : after->programs[0].rejection ? to_text(*after->programs[0].rejection)
                                                                      : "");
}

std::vector<std::string> programs_to_apply() {
    std::vector<std::string> names = programs_of_this_kernel();
    std::erase_if(names, [](const std::string& name) {
        return read_expectations(sources + name + ".bpf.c").applied.empty();
    });
    return names;
}

INSTANTIATE_TEST_SUITE_P(Program, Applied, testing::ValuesIn(programs_to_apply()),
                         [](const auto& program) { return program.param; });
INSTANTIATE_TEST_SUITE_P(Program, Refused, testing::ValuesIn(programs_of_this_kernel()),
                         [](const auto& program) { return program.param; });

TEST(Verify, there_are_at_least_28_programs_of_at_least_22_classes) {
    std::vector<std::string> kinds;
    const std::vector<std::string> programs = refused_programs();
    for (const std::string& name : programs)
        for (const std::string& kind : read_expectations(sources + name + ".bpf.c").kinds)
            kinds.push_back(kind);
    std::sort(kinds.begin(), kinds.end());
    kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
    EXPECT_GE(programs.size(), 28u);
    EXPECT_GE(kinds.size(), 22u);
}

TEST(Verify, a_good_program_is_accepted_and_counted_and_nothing_of_it_stays) {
    const std::vector<std::uint32_t> before = loaded_programs();
    // The object with the most programs in this tree: one for each kind of hook.
    const Result<Verdict> verdict = verify_file(WAGGLE_BINARY_DIR "/src/engine/support/hook_kinds.bpf.o");
    ASSERT_TRUE(verdict) << verdict.error().message;
    const auto xdp = std::find_if(verdict->programs.begin(), verdict->programs.end(),
                                  [](const VerifiedProgram& program) { return program.name == "on_xdp"; });
    ASSERT_NE(xdp, verdict->programs.end());
    EXPECT_TRUE(xdp->accepted);
    EXPECT_EQ(xdp->instructions, 2u);
    EXPECT_EQ(xdp->program_instructions, 2u);
    EXPECT_EQ(xdp->stack_bytes, std::vector<std::uint32_t>{0});
    for (const VerifiedProgram& program : verdict->programs)
        EXPECT_EQ(program.accepted, !program.rejection) << program.name;
    EXPECT_EQ(loaded_programs(), before);
}

TEST(Load, that_fails_says_the_verifiers_reason_in_its_error) {
    Result<Object> object = Object::open_file(objects + "possibly_null.bpf.o");
    ASSERT_TRUE(object) << object.error().message;
    const Result<void> loaded = object->load();
    ASSERT_FALSE(loaded);
    for (const char* words : {"program count is refused at possibly_null.bpf.c:", "counter (R0) can be null",
                              "if (!counter) return 0;", "R0 invalid mem access 'map_value_or_null'"})
        EXPECT_THAT(loaded.error().message, HasSubstr(words));
    const std::optional<Rejection> whole = rejection_of_last_load();
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->kind, "possibly_null_pointer");
    EXPECT_FALSE(whole->because.empty());
}

// A program that uses the map `table` with these fields.
std::string source_with_map(const std::string& fields) {
    return "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nchar LICENSE[] SEC(\"license\") = "
           "\"GPL\";\n"
           "struct inner { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); "
           "__type(value, int); };\nstruct {\n" +
           fields +
           "\n} table SEC(\".maps\");\nSEC(\"xdp\")\nint look(struct xdp_md* ctx) {\n"
           "    return bpf_map_lookup_elem(&table, &(__u64){1}) ? XDP_DROP : XDP_PASS;\n}\n";
}

TEST(Verify, a_map_that_cannot_be_made_is_told_why_and_where) {
    const std::string sized = "__uint(max_entries, 8);", pair = "__type(key, __u64);__type(value, __u32);";
    // The same each time: what is compiled is kept, and names its source.
    const std::string folder = testing::TempDir() + "waggle_maps";
    std::filesystem::create_directories(folder);
    for (const auto& [fields, says] : std::vector<std::pair<std::string, std::string>>{
             {"__uint(type, BPF_MAP_TYPE_LPM_TRIE);" + sized + pair,
              "lacks __uint(map_flags, BPF_F_NO_PREALLOC)"},
             {"__uint(type, BPF_MAP_TYPE_LPM_TRIE);__uint(map_flags, BPF_F_NO_PREALLOC);"
              "__type(key, __u32);__type(value, __u32);" +
                  sized,
              "has keys of 4 bytes; a key of an lpm_trie"},
             {"__uint(type, BPF_MAP_TYPE_QUEUE);" + sized + pair, "a map of type queue has no keys"},
             {"__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);__type(key, __u32);__type(value, __u32);" + sized,
              "does not say what its maps are like"},
             {"__uint(type, BPF_MAP_TYPE_SK_STORAGE);__type(key, int);__type(value, int);" + sized,
              "takes no max_entries"},
             {"__uint(type, BPF_MAP_TYPE_TASK_STORAGE);__type(key, int);__type(value, int);",
              "is of type task_storage and lacks"},
             {"__uint(type, BPF_MAP_TYPE_LRU_HASH);__uint(map_flags, BPF_F_NO_PREALLOC);" + sized + pair,
              "such a map takes its memory at once"}}) {
        const std::string source = folder + "/map.bpf.c", object = folder + "/map.o";
        std::ofstream(source) << source_with_map(fields);
        ASSERT_EQ(compile(source, object, "-Wno-everything"), "");
        const Result<Verdict> verdict = verify_file(object);
        ASSERT_TRUE(verdict) << verdict.error().message;
        ASSERT_EQ(verdict->programs.size(), 1u) << fields;
        ASSERT_TRUE(verdict->programs[0].rejection) << fields;
        const Rejection& said = *verdict->programs[0].rejection;
        EXPECT_EQ(said.kind, "invalid_map");
        EXPECT_THAT(said.what, HasSubstr(says));
        EXPECT_THAT(said.at.text, HasSubstr("} table SEC"));
    }
    std::filesystem::remove_all(folder);
}

TEST(Verify, a_file_that_is_no_object_is_said_to_be_none) {
    const Result<Verdict> verdict = verify_file(WAGGLE_SOURCE_DIR "/README.md");
    ASSERT_TRUE(verdict) << verdict.error().message;
    ASSERT_TRUE(verdict->object);
    EXPECT_EQ(verdict->object->kind, "damaged_object") << to_text(*verdict->object);
    EXPECT_FALSE(verdict->accepted());
    EXPECT_FALSE(verify_file("/nonexistent/file"));
}

TEST(Verify, an_object_of_ayas_is_looked_at_like_any_other) {
    const Result<Verdict> verdict = verify_file(WAGGLE_SOURCE_DIR "/tests/data/aya_object.o");
    ASSERT_TRUE(verdict) << verdict.error().message;
    EXPECT_TRUE(verdict->accepted()) << (verdict->object ? to_text(*verdict->object) : "");
    ASSERT_EQ(verdict->programs.size(), 1u);
    EXPECT_EQ(verdict->programs[0].name, "on_rename");
}

TEST(Verify, a_program_longer_than_the_kernel_takes_is_told_its_length) {
    const Result<Verdict> verdict =
        verify_file(WAGGLE_BINARY_DIR "/src/engine/object/long_objects/instructions_1000001.o");
    ASSERT_TRUE(verdict) << verdict.error().message;
    ASSERT_EQ(verdict->programs.size(), 1u);
    ASSERT_TRUE(verdict->programs[0].rejection);
    EXPECT_EQ(verdict->programs[0].rejection->kind, "too_many_instructions");
    EXPECT_THAT(verdict->programs[0].rejection->what, HasSubstr("1,000,001 instructions"));
    EXPECT_THAT(verdict->programs[0].rejection->remedy, HasSubstr("bpf_tail_call()"));
}

}  // namespace
}  // namespace waggle
