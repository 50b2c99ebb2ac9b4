// SPDX-License-Identifier: Apache-2.0
// Programs of another process, whose hooks, holders, runs and time are known.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>

#include "sensors/bpf_program/testing/programs.h"

namespace waggle::sensors {
namespace {

std::string sysctl_of_statistics() {
    std::ifstream file("/proc/sys/kernel/bpf_stats_enabled");
    std::string text;
    std::getline(file, text);
    return text;
}

// What bpftool says, the second witness: "run_time_ns" and "run_cnt".
std::uint64_t bpftool_says(std::uint32_t id, std::string_view key) {
    const std::string command = "bpftool --json prog show id " + std::to_string(id);
    const std::unique_ptr<FILE, int (*)(FILE*)> out(::popen(command.c_str(), "r"), ::pclose);
    std::string text;
    char chunk[4096];
    while (out && std::fgets(chunk, sizeof chunk, out.get())) text += chunk;
    const std::size_t at = text.find("\"" + std::string(key) + "\":");
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + key.size() + 3, nullptr, 10);
}

const int slow = std::getenv("WAGGLE_VM") ? 20 : 1;  // the machine is emulated there

TEST(BpfProgramKernel, runs_and_their_time_are_those_that_bpftool_tells) {
    const auto running = started();
    ASSERT_TRUE(running);
    totals_of(*running, 0);
    OtherProcess other([] { return looping(500); });
    ASSERT_NE(other.id(), 0u);
    call_often(20'000 / slow);
    Told told = totals_of(*running, other.id());
    call_often(20'000 / slow);
    other.let_go();  // it is detached: what it ran is final
    const Told rest = totals_of(*running, other.id());
    EXPECT_GE(told.runs + rest.runs, 40'000u / static_cast<unsigned>(slow));
    EXPECT_EQ(told.runs + rest.runs, bpftool_says(other.id(), "run_cnt"));
    EXPECT_EQ(told.run_time_ns + rest.run_time_ns, bpftool_says(other.id(), "run_time_ns"));
    EXPECT_GT(told.measuring_ns, 0u);
    EXPECT_LT(told.measuring_ns, told.run_time_ns);
    for (const Loss& loss : running->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
}

TEST(BpfProgramKernel, says_who_holds_it_and_where_it_is_attached) {
    OtherProcess other([] { return looping(10); });
    ASSERT_NE(other.id(), 0u);
    const auto running = started();
    ASSERT_TRUE(running);
    EXPECT_EQ(each_state(*running, "bpf_program", other.id(),
                         [&](const Row& row) {
                             EXPECT_EQ(row.u64("pid"), other.pid());
                             EXPECT_EQ(row.u64("holders"), 1u);
                             EXPECT_EQ(row.text("kind"), "raw_tracepoint");
                             EXPECT_EQ(row.text("name"), "looping");
                             EXPECT_EQ(row.text("hook_kind"), "raw_tracepoint");
                             EXPECT_EQ(row.text("hook"), "sys_enter");
                             EXPECT_EQ(row.u64("hooks"), 1u);
                             EXPECT_EQ(row.text("pinned"), "");
                             EXPECT_GT(row.u64("memory_bytes"), 0u);
                             EXPECT_GT(row.i64(*row.schema().find("verified_instructions")), 20);
                         }),
              1u);
}

TEST(BpfProgramKernel, a_perf_event_that_runs_a_program_is_found_with_its_frequency) {
    OtherProcess other([] {
        OtherProcess::Set set;
        set.held = load(BPF_PROG_TYPE_PERF_EVENT, "sampling", loop_for(1, 2));
        perf_event_attr attributes{};
        attributes.size = sizeof attributes;
        attributes.type = PERF_TYPE_SOFTWARE;
        attributes.config = PERF_COUNT_SW_CPU_CLOCK;
        attributes.freq = 1;
        attributes.sample_freq = 49;
        set.let_go = OwnedFd(static_cast<int>(::syscall(SYS_perf_event_open, &attributes, -1, 0, -1, 0)));
        if (set.held && set.let_go && ::ioctl(set.let_go.get(), PERF_EVENT_IOC_SET_BPF, set.held.get()) == 0)
            set.id = id_of(set.held.get());
        return set;
    });
    ASSERT_NE(other.id(), 0u);
    const auto running = started();
    ASSERT_TRUE(running);
    EXPECT_EQ(each_state(*running, "bpf_program_hook", other.id(),
                         [&](const Row& row) {
                             EXPECT_EQ(row.text("hook_kind"), "sample");
                             EXPECT_EQ(row.text("hook"), "cpu-clock@49");
                             EXPECT_EQ(row.u64("link_id"), 0u);
                         }),
              1u);
}

TEST(BpfProgramKernel, a_pinned_program_is_shown_with_its_file_also_when_no_process_holds_it) {
    char folder[] = "/tmp/waggle-bpf-XXXXXX";
    ASSERT_TRUE(::mkdtemp(folder));
    ASSERT_EQ(::mount("bpf", folder, "bpf", 0, nullptr), 0);
    const std::string path = std::string(folder) + "/guard";
    std::uint32_t id = 0;
    {
        const OwnedFd program = load(BPF_PROG_TYPE_SOCKET_FILTER, "guard", nothing());
        ASSERT_TRUE(program);
        id = id_of(program.get());
        EXPECT_EQ(::bpf_obj_pin(program.get(), path.c_str()), 0);
    }
    if (const auto running = started()) {
        EXPECT_EQ(each_state(*running, "bpf_program", id,
                             [&](const Row& row) {
                                 EXPECT_EQ(row.text("pinned"), path);
                                 EXPECT_EQ(row.u64("pid"), 0u);
                                 EXPECT_EQ(row.u64("holders"), 0u);
                                 EXPECT_EQ(row.text("hook"), "");
                             }),
                  1u);
    }
    ::unlink(path.c_str());
    EXPECT_EQ(::umount(folder), 0);
    ::rmdir(folder);
}

TEST(BpfProgramKernel, waggles_own_programs_are_shown_only_where_they_are_asked_for) {
    const OwnedFd program = load(BPF_PROG_TYPE_SOCKET_FILTER, "mine", nothing());
    ASSERT_TRUE(program);
    const std::uint32_t id = id_of(program.get());
    const auto shows = [&](const StartOptions& options) {
        const auto running = started(options);
        return running ? each_state(*running, "bpf_program", id,
                                    [](const Row& row) { EXPECT_EQ(row.u64("own"), 1u); })
                       : 99u;
    };
    EXPECT_EQ(shows({}), 0u);
    StartOptions own;
    ASSERT_TRUE(own.values.set(bpf_program_source.options[0], "yes"));
    EXPECT_EQ(shows(own), 1u);
}

TEST(BpfProgramKernel, what_a_program_calls_is_read_off_its_instructions) {
    OtherProcess other([] { return looping(10); });
    ASSERT_NE(other.id(), 0u);
    StartOptions options;
    ASSERT_TRUE(options.values.set(bpf_program_source.options[1], std::to_string(other.id())));
    const auto running = started(options);
    ASSERT_TRUE(running);
    EXPECT_EQ(each_state(*running, "bpf_program_call", other.id(),
                         [](const Row& row) {
                             EXPECT_EQ(row.text("called"), "bpf_get_current_pid_tgid");
                             EXPECT_EQ(row.u64("times"), 1u);
                         }),
              1u);
    EXPECT_TRUE(running->problems().empty());
}

TEST(BpfProgramKernel, maps_are_told_with_their_fill_where_the_kernel_counts_it) {
    OtherProcess other([] {
        OtherProcess::Set set;
        set.let_go = OwnedFd(::bpf_map_create(BPF_MAP_TYPE_HASH, "colours", 4, 8, 64, nullptr));
        for (std::uint32_t key = 0; key < 3; ++key) {
            const std::uint64_t value = key;
            ::bpf_map_update_elem(set.let_go.get(), &key, &value, BPF_ANY);
        }
        // r1 = map; r0 = 0; exit
        set.held =
            load(BPF_PROG_TYPE_SOCKET_FILTER, "painter",
                 // A number in two halves: BPF_LD and BPF_IMM are 0.
                 {insn(BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, set.let_go.get()), insn(0, 0, 0, 0, 0),
                  insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0), insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)});
        if (set.held) set.id = id_of(set.held.get());
        return set;
    });
    ASSERT_NE(other.id(), 0u);
    const auto running = started();
    ASSERT_TRUE(running);
    bool counted = true;
    for (const HookUse& hook : running->hooks()) counted &= hook.moment != "entries" || !hook.hook.empty();
    EXPECT_EQ(each_state(*running, "bpf_program_map", other.id(),
                         [&](const Row& row) {
                             EXPECT_EQ(row.text("name"), "colours");
                             EXPECT_EQ(row.u64("max_entries"), 64u);
                             EXPECT_GT(row.u64("memory_bytes"), 0u);
                             EXPECT_EQ(row.i64(*row.schema().find("entries")), counted ? 3 : null_i64);
                         }),
              1u);
}

TEST(BpfProgramKernel, the_statistics_are_off_again_behind_it) {
    const std::string before = sysctl_of_statistics();
    OtherProcess other([] { return looping(10); });
    ASSERT_NE(other.id(), 0u);
    if (const auto running = started()) {
        EXPECT_EQ(sysctl_of_statistics(), before);
        totals_of(*running, 0);
        call_often(100);
        EXPECT_GE(totals_of(*running, other.id()).runs, 100u);
    }
    EXPECT_EQ(sysctl_of_statistics(), before);
    // Another program of this machine can count for a while: then it is asked again.
    bool off = false;
    for (int round = 0; round < 50 && !off; ++round) {
        const std::uint64_t runs = bpftool_says(other.id(), "run_cnt");
        call_often(100);
        off = bpftool_says(other.id(), "run_cnt") == runs;
        if (!off) ::usleep(200'000);
    }
    EXPECT_TRUE(off || before == "1");
}

TEST(BpfProgramKernel, programs_that_vanish_meanwhile_are_no_error) {
    OtherProcess other([] {
        if (::fork() == 0)
            for (const pid_t parent = ::getppid(); ::getppid() == parent;)
                load(BPF_PROG_TYPE_SOCKET_FILTER, "mayfly", nothing());
        OtherProcess::Set set;
        set.id = 1;
        return set;
    });
    const auto running = started();
    ASSERT_TRUE(running);
    // Numbers are given in order: they tell how many programs came and went meanwhile.
    const auto newest = [] { return id_of(load(BPF_PROG_TYPE_SOCKET_FILTER, "newest", nothing()).get()); };
    const std::uint32_t first = newest();
    std::uint32_t last = first, mine = 0;
    while (mine < 3000 && (mine < 200 / static_cast<unsigned>(slow) || last - first < 10 + mine)) {
        totals_of(*running, 0);
        running->state([](const Schema&, std::span<const Bytes>) {});
        last = newest();
        ++mine;
    }
    EXPECT_GE(last - first, 10 + mine);
    for (const Loss& loss : running->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    EXPECT_TRUE(running->problems().empty());
}

}  // namespace
}  // namespace waggle::sensors
