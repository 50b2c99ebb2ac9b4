// SPDX-License-Identifier: Apache-2.0
// Every kind of place, attached to a workload of which the number is known; where a kernel lacks a kind, the
// refusal names it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "attach_kinds.skel.h"
#include "binary/elf_file.h"
#include "engine/support/hook_kinds.h"
#include "tests/testing/netns.h"
#include "waggle/object.h"

// Only ever called by the tests below; found by name in this very file.
extern "C" __attribute__((noinline, used, visibility("default"))) int waggle_attach_target(int number) {
    __asm__ volatile("" : "+r"(number));
    return number + 1;
}

// A USDT marker waggle:tick with its first argument in a register, as <sys/sdt.h> would leave it.
extern "C" __attribute__((noinline, used)) void waggle_tick(long number) {
    __asm__ volatile(
        "990: nop\n"
        ".pushsection .note.stapsdt,\"?\",\"note\"\n"
        ".balign 4\n"
        ".4byte 992f-991f, 994f-993f, 3\n"
        "991: .asciz \"stapsdt\"\n"
        "992: .balign 4\n"
        "993: .8byte 990b\n"
        ".8byte _.stapsdt.base\n"
        ".8byte 0\n"
        ".asciz \"waggle\"\n"
        ".asciz \"tick\"\n"
        ".asciz \"8@%0\"\n"
        "994: .balign 4\n"
        ".popsection\n"
        ".ifndef _.stapsdt.base\n"
        ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
        ".weak _.stapsdt.base\n"
        ".hidden _.stapsdt.base\n"
        "_.stapsdt.base: .space 1\n"
        ".size _.stapsdt.base, 1\n"
        ".popsection\n"
        ".endif\n"
        :
        : "r"(number));
}

namespace waggle {
namespace {

using testing::HasSubstr;

const auto self = static_cast<std::uint32_t>(::getpid());
const std::string own_file = std::filesystem::read_symlink("/proc/self/exe");
constexpr std::uint64_t times = 37;

Object open_object() {
    std::size_t size = 0;
    const void* elf = attach_kinds_bpf__elf_bytes(&size);
    auto object = Object::open("attach_kinds", Bytes{static_cast<const std::byte*>(elf), size});
    EXPECT_TRUE(object) << object.error().message;
    EXPECT_TRUE(object->set_constant("only_pid", self));
    return std::move(*object);
}

void rename_thread() {
    for (std::uint64_t i = 0; i < times; ++i) ::prctl(PR_SET_NAME, "waggle-renamed");
    ::prctl(PR_SET_NAME, "attach_test");
}
constexpr std::uint64_t renames = times + 1;

void call_target() {
    for (std::uint64_t i = 0; i < times; ++i) waggle_attach_target(static_cast<int>(i));
}

// Starts the program at the place, runs the work, detaches, runs it again: counts the first work alone.
void expect_count(std::string_view program, const std::string& spec, void (*work)(), std::uint64_t wanted) {
    SCOPED_TRACE(spec);
    Object object = open_object();
    const auto started = object.start(program, spec);
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_EQ(object.attachments().size(), 1u);
    EXPECT_EQ(object.attachments().front().program, program);
    const auto runs = object.global<std::uint64_t>(std::string(program) + "_runs");
    ASSERT_TRUE(runs) << runs.error().message;
    work();
    EXPECT_EQ(**runs, wanted);
    ASSERT_TRUE(object.detach(object.attachments().front().name));
    work();
    EXPECT_EQ(**runs, wanted);
}

std::string refusal(std::string_view program, const std::string& spec) {
    Object object = open_object();
    const auto started = object.start(program, spec);
    EXPECT_FALSE(started) << spec;
    return started ? std::string() : started.error().message;
}

// Where the kernel has the kind it counts, else the refusal names the kind and the build option.
void expect_count_or_option(std::string_view program, const std::string& spec, void (*work)(),
                            std::uint64_t wanted, std::string_view kind, std::string_view option) {
    const std::string lacks = kernel::kernel_lacks(kind);
    if (lacks.empty()) {
        expect_count(program, spec, work, wanted);
    } else {
        EXPECT_THAT(lacks, HasSubstr(std::string(kind)));
        EXPECT_THAT(lacks, HasSubstr(std::string(option)));
        EXPECT_THAT(refusal(program, spec), HasSubstr(lacks)) << spec;
    }
}

TEST(AttachKernel, tracepoints_of_each_kind_count_every_rename) {
    expect_count("on_tracepoint", "tracepoint:task:task_rename", rename_thread, renames);
    expect_count("on_tracepoint", "section", rename_thread, renames);
    expect_count("on_raw_tp", "raw_tp:task_rename", rename_thread, renames);
    expect_count("on_tp_btf", "tp_btf:task_rename", rename_thread, renames);
}

TEST(AttachKernel, kernel_functions_count_every_call_where_the_kernel_has_probes) {
    expect_count_or_option("on_kprobe", "kprobe:__set_task_comm", rename_thread, renames, "kprobe",
                           "CONFIG_KPROBES");
    expect_count_or_option("on_kprobe", "kretprobe:__set_task_comm", rename_thread, renames, "kretprobe",
                           "CONFIG_KRETPROBES");
    expect_count_or_option("on_kprobe_multi", "kprobe.multi:__set_task_com?", rename_thread, renames,
                           "kprobe.multi", "CONFIG_FPROBE");
    expect_count_or_option("on_kprobe_multi", "kretprobe.multi:__set_task_com?", rename_thread, renames,
                           "kprobe.multi", "CONFIG_FPROBE");
    expect_count_or_option("on_fentry", "fentry:__set_task_comm", rename_thread, renames, "fentry",
                           "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS");
    expect_count_or_option("on_fexit", "fexit:__set_task_comm", rename_thread, renames, "fexit",
                           "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS");
    expect_count_or_option("on_lsm", "lsm:task_prctl", rename_thread, renames, "lsm", "CONFIG_BPF_LSM");
}

TEST(AttachKernel, functions_of_programs_and_libraries_count_every_call) {
    expect_count("on_uprobe", "uprobe:" + own_file + ":waggle_attach_target", call_target, times);
    expect_count("on_uprobe", "uretprobe:" + own_file + ":waggle_attach_target", call_target, times);
    const std::string pid = ",pid=" + std::to_string(self);
    expect_count("on_uprobe", "uprobe:" + own_file + ":waggle_attach_target" + pid, call_target, times);
    const auto call_libc = [] {
        for (std::uint64_t i = 0; i < times; ++i) ::getpgid(0);
    };
    expect_count("on_uprobe", "uprobe:libc.so.6:getpgid" + pid, call_libc, times);
    expect_count("on_uprobe", "uprobe:libc:getpgid", call_libc, times);
    expect_count("on_anything", "uprobe:libc:getpgid", call_libc, times);
}

TEST(AttachKernel, a_library_is_found_by_its_build_id) {
    const auto call_libc = [] {
        for (std::uint64_t i = 0; i < times; ++i) ::getpgid(0);
    };
    std::string libc;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find("/libc.so.6") != std::string::npos) libc = line.substr(line.find('/'));
    std::ifstream file(libc, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto elf = kernel::ElfFile::parse(bytes_of(std::string_view(bytes)));
    ASSERT_TRUE(elf) << libc << ": " << elf.error().message;
    const std::string id = elf->build_id();
    ASSERT_EQ(id.size(), 40u);
    const std::string pid = ",pid=" + std::to_string(self);
    expect_count("on_uprobe", "uprobe::getpgid,build_id=" + id + pid, call_libc, times);
    expect_count("on_uprobe", "uprobe::getpgid,build_id=" + id.substr(0, 16), call_libc, times);
    EXPECT_THAT(refusal("on_uprobe", "uprobe::getpgid,build_id=00000000" + pid),
                HasSubstr("no running process has loaded a file with build id 00000000"));
    EXPECT_THAT(refusal("on_uprobe", "uprobe:libc.so.6:getpgid,build_id=00000000"),
                HasSubstr("was not built with build id 00000000"));
}

TEST(AttachKernel, a_usdt_marker_gives_its_argument_and_cookie) {
    Object object = open_object();
    const auto started = object.start("on_usdt", "usdt:" + own_file + ":waggle:tick,cookie=77");
    ASSERT_TRUE(started) << started.error().message;
    for (long i = 1; i <= 10; ++i) waggle_tick(i);
    EXPECT_EQ(*object.value<std::uint64_t>("on_usdt_runs"), 10u);
    EXPECT_EQ(*object.value<std::uint64_t>("usdt_number"), 55u);
    EXPECT_EQ(*object.value<std::uint64_t>("cookie"), 77u);
    EXPECT_THAT(refusal("on_usdt", "usdt:" + own_file + ":waggle:tock"),
                HasSubstr("has no USDT marker waggle:tock; did you mean waggle:tick"));
}

TEST(AttachKernel, a_cookie_reaches_the_program) {
    for (const std::string& spec : {std::string("uprobe:" + own_file + ":waggle_attach_target,cookie=4711"),
                                    std::string("tracepoint:task:task_rename,cookie=4711")}) {
        Object object = open_object();
        const auto started = object.start(spec.front() == 'u' ? "on_uprobe" : "on_tracepoint", spec);
        ASSERT_TRUE(started) << started.error().message;
        call_target();
        rename_thread();
        EXPECT_EQ(*object.value<std::uint64_t>("cookie"), 4711u) << spec;
    }
}

TEST(AttachKernel, a_perf_event_counts_every_page_fault_of_a_process) {
    constexpr std::size_t pages = 64, page = 4096;
    void* memory = ::mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    ::madvise(memory, pages * page, MADV_NOHUGEPAGE);
    Object object = open_object();
    const auto from = reinterpret_cast<std::uint64_t>(memory);
    ASSERT_TRUE(object.set_constant("fault_from", from));
    ASSERT_TRUE(object.set_constant("fault_to", from + pages * page));
    const auto started = object.start("on_perf", "perf:page-faults#1,pid=" + std::to_string(self));
    ASSERT_TRUE(started) << started.error().message;
    for (std::size_t i = 0; i < pages; ++i) static_cast<volatile char*>(memory)[i * page] = 1;
    EXPECT_EQ(*object.value<std::uint64_t>("on_perf_runs"), pages);
    ::munmap(memory, pages * page);
}

TEST(AttachKernel, a_clock_samples_at_its_rate) {
    Object object = open_object();
    const auto started = object.start("on_clock", "perf:cpu-clock@99");
    ASSERT_TRUE(started) << started.error().message;
    timespec begin{}, now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    double used = 0;
    while (used < 1.0) {
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        used = static_cast<double>(now.tv_sec - begin.tv_sec) +
               static_cast<double>(now.tv_nsec - begin.tv_nsec) / 1e9;
    }
    const auto samples = static_cast<double>(*object.value<std::uint64_t>("on_clock_runs"));
    EXPECT_GT(samples, 99 * 0.7);
    EXPECT_LT(samples, 99 * 1.3);
}

TEST(AttachKernel, an_iterator_finds_this_task_once_a_pass) {
    Object object = open_object();
    const auto started = object.start("on_iter", "iter:task");
    ASSERT_TRUE(started) << started.error().message;
    for (std::uint64_t pass = 1; pass <= 5; ++pass) {
        const auto run = object.iterate("on_iter");
        ASSERT_TRUE(run) << run.error().message;
        char text[64];
        while (::read(run->get(), text, sizeof text) > 0) {
        }
        EXPECT_EQ(*object.value<std::uint64_t>("on_iter_runs"), pass);
    }
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// Each datagram passes the loopback device once out and once in, and nothing answers: somebody listens.
void send_datagrams() {
    const sockaddr_in address = loopback(7777);
    const OwnedFd receiver(::socket(AF_INET, SOCK_DGRAM, 0)), sender(::socket(AF_INET, SOCK_DGRAM, 0));
    ASSERT_EQ(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    for (std::uint64_t i = 0; i < times; ++i)
        ASSERT_EQ(
            ::sendto(sender.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address),
            1);
    char byte = 0;
    for (std::uint64_t i = 0; i < times; ++i) ASSERT_EQ(::recv(receiver.get(), &byte, 1, 0), 1);
}

TEST(AttachKernel, packets_are_counted_at_a_device) {
    const test::Netns network;
    const test::Inside inside(network);
    expect_count("on_xdp", "xdp:lo", send_datagrams, times);
    expect_count("on_tc", "tc:lo:ingress", send_datagrams, times);
    expect_count("on_tc", "tc:lo:egress", send_datagrams, times);
    EXPECT_EQ(network.run("tc qdisc show dev lo clsact"), "");
    EXPECT_THAT(refusal("on_xdp", "xdp:l0"), HasSubstr("there is no network device l0; did you mean lo"));
}

TEST(AttachKernel, the_qdisc_made_for_tc_goes_with_the_last_attachment) {
    const test::Netns network;
    const test::Inside inside(network);
    Object object = open_object();
    ASSERT_TRUE(object.set_autoload("on_tc", true));
    for (const ObjectProgram& each : object.programs())
        ASSERT_TRUE(object.set_autoload(each.name, each.name == "on_tc"));
    ASSERT_TRUE(object.load());
    ASSERT_TRUE(object.attach("on_tc", "tc:lo:ingress"));
    ASSERT_TRUE(object.attach("on_tc", "tc:lo:egress,name=out"));
    send_datagrams();
    EXPECT_EQ(*object.value<std::uint64_t>("on_tc_runs"), 2 * times);
    ASSERT_TRUE(object.detach("on_tc"));
    send_datagrams();
    EXPECT_EQ(*object.value<std::uint64_t>("on_tc_runs"), 3 * times);
    ASSERT_TRUE(object.detach("out"));
    EXPECT_EQ(network.run("tc qdisc show dev lo clsact"), "");
}

// A control group of version 2 of the test's own.
class Group {
  public:
    Group() {
        for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
            if (::access((std::string(root) + "/cgroup.procs").c_str(), W_OK) == 0) path_ = root;
        EXPECT_FALSE(path_.empty());
        before_ = path_;
        std::ifstream own("/proc/self/cgroup");
        for (std::string line; std::getline(own, line);)
            if (line.starts_with("0::")) before_ = path_ + line.substr(3);
        path_ += "/waggle-attach-" + std::to_string(self);
        EXPECT_EQ(::mkdir(path_.c_str(), 0755), 0);
        move_to(path_);
    }
    ~Group() {
        move_to(before_);
        EXPECT_EQ(::rmdir(path_.c_str()), 0);
    }
    const std::string& path() const { return path_; }

  private:
    static void move_to(const std::string& group) { std::ofstream(group + "/cgroup.procs") << ::getpid(); }
    std::string path_, before_;
};

void connect_often() {
    const sockaddr_in address = loopback(7778);
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    const OwnedFd listener(::socket(AF_INET, SOCK_STREAM, 0));
    const int yes = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ASSERT_EQ(::bind(listener.get(), where, sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 64), 0);
    for (std::uint64_t i = 0; i < times; ++i) {
        const OwnedFd client(::socket(AF_INET, SOCK_STREAM, 0));
        ASSERT_EQ(::connect(client.get(), where, sizeof address), 0);
        const OwnedFd server(::accept(listener.get(), nullptr, nullptr));
        ASSERT_TRUE(server);
    }
}

TEST(AttachKernel, a_control_group_counts_its_packets_and_connections) {
    const test::Netns network;
    const test::Inside inside(network);
    const Group group;
    expect_count("on_cgroup_skb", "cgroup_skb:" + group.path() + ":egress", send_datagrams, times);
    expect_count("on_cgroup_skb", "cgroup_skb:" + group.path() + ":ingress", send_datagrams, times);
    expect_count("on_sockops", "sockops:" + group.path(), connect_often, times);
    EXPECT_THAT(refusal("on_sockops", "sockops:/proc"), HasSubstr("/proc is no control group of version 2"));
}

TEST(AttachKernel, a_wrong_name_gets_the_nearest_that_exist) {
    EXPECT_THAT(refusal("on_tracepoint", "tracepoint:task:task_renam"),
                HasSubstr("task has no tracepoint task_renam; did you mean task_rename"));
    EXPECT_THAT(refusal("on_tracepoint", "tracepoint:sched:task_rename"),
                HasSubstr("sched has no tracepoint task_rename"));
    EXPECT_THAT(refusal("on_tracepoint", "tracepoint:tusk:task_rename"),
                HasSubstr("did you mean task:task_rename"));
    EXPECT_THAT(refusal("on_raw_tp", "raw_tp:task_renam"),
                HasSubstr("no tracepoint task_renam; did you mean task_rename"));
    EXPECT_THAT(refusal("on_tp_btf", "tp_btf:task_renam"),
                HasSubstr("types have no tracepoint named task_renam; did you mean task_rename"));
    EXPECT_THAT(refusal("on_iter", "iter:taks"), HasSubstr("no iterator named taks; did you mean task"));
    EXPECT_THAT(refusal("on_uprobe", "uprobe:" + own_file + ":waggle_attach_taget"),
                HasSubstr("has no function waggle_attach_taget; did you mean waggle_attach_target"));
    EXPECT_THAT(refusal("on_uprobe", "uprobe:libnosuch:f"),
                HasSubstr("no library or program named libnosuch"));
    EXPECT_THAT(refusal("on_uprobe", "uprobe:/etc/passwd:f"), HasSubstr("/etc/passwd: it is no ELF file"));
    const std::string kprobe = refusal("on_kprobe", "kprobe:__set_task_com");
    EXPECT_THAT(kprobe,
                kernel::kernel_lacks("kprobe").empty()
                    ? HasSubstr("the kernel has no function __set_task_com; did you mean __set_task_comm")
                    : HasSubstr("CONFIG_KPROBES"));
    const std::string fentry = refusal("on_fentry", "fentry:__set_task_com");
    EXPECT_THAT(fentry, kernel::kernel_lacks("fentry").empty()
                            ? HasSubstr("no function named __set_task_com; did you mean __set_task_comm")
                            : HasSubstr("this kernel takes no fentry"));
}

TEST(AttachKernel, a_program_of_another_type_is_refused_with_both_types) {
    EXPECT_THAT(
        refusal("on_xdp", "tracepoint:task:task_rename"),
        HasSubstr("it is a program of type xdp (section \"xdp\"), and tracepoint takes type tracepoint"));
    EXPECT_THAT(refusal("on_xdp", "section"),
                HasSubstr("its section \"xdp\" names no place; say where, as xdp:DEVICE"));
    Object object = open_object();
    ASSERT_TRUE(object.start("on_tp_btf", "tp_btf:task_rename"));
    const auto other = object.attach("on_tp_btf", "tp_btf:task_newtask");
    ASSERT_FALSE(other);
    EXPECT_THAT(
        other.error().message,
        HasSubstr("was loaded for tp_btf:task_rename, not for tp_btf:task_newtask: plan() it before load()"));
}

TEST(AttachKernel, attachments_are_listed_with_their_runs_and_cost) {
    const auto counting = RunStatistics::enable();
    ASSERT_TRUE(counting) << counting.error().message;
    Object object = open_object();
    ASSERT_TRUE(object.start("on_uprobe", "uprobe:" + own_file + ":waggle_attach_target"));
    const auto again = object.attach("on_uprobe", "uretprobe:" + own_file + ":waggle_attach_target");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, "on_uprobe#2");
    call_target();
    const auto all = object.attachments();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].where, "uprobe:" + own_file + ":waggle_attach_target");
    EXPECT_EQ(all[1].where, "uretprobe:" + own_file + ":waggle_attach_target");
    EXPECT_EQ(all[0].runs, 2 * times);
    EXPECT_GT(all[0].ns_per_run(), 0);
    const auto gone = object.detach("on_uprob");
    ASSERT_FALSE(gone);
    EXPECT_THAT(gone.error().message, HasSubstr("no attachment named on_uprob; did you mean on_uprobe"));
    EXPECT_EQ(object.detach_all(), 2u);
    EXPECT_TRUE(object.attachments().empty());
}

// In another mount namespace the same path is another file.
TEST(AttachKernel, a_process_with_mounts_of_its_own_is_probed_in_its_own_file) {
    int ready[2], work[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(work), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        char byte = 0;
        const bool good = ::unshare(CLONE_NEWNS) == 0 &&
                          ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                          ::mount("tmpfs", "/mnt", "tmpfs", 0, nullptr) == 0 &&
                          std::filesystem::copy_file(own_file, "/mnt/here");
        if (!good || ::write(ready[1], "r", 1) != 1) ::_exit(1);
        if (::read(work[0], &byte, 1) != 1) ::_exit(2);
        // The same code under the path that only this process sees.
        ::execl("/mnt/here", "here", "--call-target", nullptr);
        ::_exit(3);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    Object object = open_object();
    ASSERT_TRUE(object.set_constant("only_pid", static_cast<std::uint32_t>(child)));
    const auto started =
        object.start("on_uprobe", "uprobe:/mnt/here:waggle_attach_target,pid=" + std::to_string(child));
    EXPECT_TRUE(started) << started.error().message;
    EXPECT_EQ(::write(work[1], "w", 1), 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(*object.value<std::uint64_t>("on_uprobe_runs"), times);
    for (const int fd : {ready[0], ready[1], work[0], work[1]}) ::close(fd);
}

}  // namespace
}  // namespace waggle

int main(int count, char** words) {
    if (count == 2 && std::string_view(words[1]) == "--call-target") {
        for (std::uint64_t i = 0; i < waggle::times; ++i) waggle_attach_target(0);
        return 0;
    }
    testing::InitGoogleTest(&count, words);
    return RUN_ALL_TESTS();
}
