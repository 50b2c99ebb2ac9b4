// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "waggle/attach.h"

namespace waggle {
namespace {

AttachSpec parsed(std::string_view text) {
    const auto spec = AttachSpec::parse(text);
    EXPECT_TRUE(spec) << text << ": " << spec.error().message;
    return spec ? *spec : AttachSpec{};
}

std::string place_refused(std::string_view text) {
    const auto spec = AttachSpec::parse(text);
    EXPECT_FALSE(spec) << text;
    if (spec) return {};
    EXPECT_EQ(spec.error().kind, ErrorKind::usage) << text;
    return spec.error().message;
}

TEST(AttachSpec, every_kind_reads_back_as_it_was_written) {
    for (const char* text : {"section",
                             "kprobe:do_exit",
                             "kprobe:do_exit+0x10",
                             "kretprobe:do_exit",
                             "kprobe.multi:tcp_*",
                             "kretprobe.multi:tcp_*",
                             "uprobe:/bin/true:main",
                             "uprobe:/bin/true:main+0x4",
                             "uprobe:/bin/true:0x11c0",
                             "uprobe:/odd:path,with:main",
                             "uretprobe:libc.so.6:malloc,pid=812",
                             "usdt:/usr/bin/x:provider:name,cookie=0x7",
                             "uprobe::main,build_id=00ab",
                             "tracepoint:sched:sched_switch",
                             "raw_tp:sched_switch",
                             "tp_btf:sched_switch",
                             "fentry:vfs_read",
                             "fexit:vfs_read",
                             "lsm:file_open",
                             "perf:cpu-clock@99",
                             "perf:page-faults#1,pid=1",
                             "perf:cpu-clock#1000000000,cpu=0",
                             "iter:task",
                             "xdp:eth0",
                             "tc:eth0:ingress",
                             "tc:eth0:egress",
                             "cgroup_skb:/sys/fs/cgroup:ingress",
                             "sockops:/sys/fs/cgroup/x"})
        EXPECT_EQ(to_string(parsed(text)), text);
}

TEST(AttachSpec, the_parts_stand_where_they_belong) {
    const AttachSpec uprobe = parsed("uprobe:libssl:SSL_read+8,pid=12,cookie=0x1f,name=tls");
    EXPECT_EQ(uprobe.kind, AttachKind::uprobe);
    EXPECT_EQ(uprobe.path, "libssl");
    EXPECT_EQ(uprobe.target, "SSL_read");
    EXPECT_EQ(uprobe.offset, 8u);
    EXPECT_EQ(uprobe.pid, 12u);
    EXPECT_EQ(uprobe.cookie, 31u);
    EXPECT_EQ(uprobe.name, "tls");
    const AttachSpec usdt = parsed("usdt:/a:b/c:provider:name");
    EXPECT_EQ(usdt.path, "/a:b/c");
    EXPECT_EQ(usdt.group, "provider");
    EXPECT_EQ(usdt.target, "name");
    const AttachSpec clock = parsed("perf:cpu-clock@99");
    EXPECT_EQ(clock.hertz, 99u);
    EXPECT_EQ(clock.every, 0u);
    EXPECT_TRUE(parsed("tc:eth0:ingress").ingress);
    EXPECT_FALSE(parsed("tc:eth0:egress").ingress);
    EXPECT_EQ(parsed("uprobe::f,build_id=ABCD").build_id, "abcd");
}

TEST(AttachSpec, what_users_of_bpftrace_type_is_read) {
    for (const auto& [theirs, ours] :
         {std::pair{"k:do_exit", "kprobe:do_exit"}, std::pair{"kr:do_exit", "kretprobe:do_exit"},
          std::pair{"u:libc:malloc", "uprobe:libc:malloc"},
          std::pair{"ur:libc:malloc", "uretprobe:libc:malloc"}, std::pair{"U:/a:b:c", "usdt:/a:b:c"},
          std::pair{"t:sched:sched_*", "tracepoint:sched:sched_*"},
          std::pair{"rt:sched_switch", "raw_tp:sched_switch"}, std::pair{"kfunc:vfs_read", "fentry:vfs_read"},
          std::pair{"fr:vfs_read", "fexit:vfs_read"}, std::pair{"it:task", "iter:task"},
          std::pair{"profile:hz:99", "perf:cpu-clock@99"},
          std::pair{"p:ms:10,pid=7", "perf:cpu-clock#10000000,pid=7"},
          std::pair{"interval:s:1", "perf:cpu-clock#1000000000,cpu=0"},
          std::pair{"i:ms:100", "perf:cpu-clock#100000000,cpu=0"},
          std::pair{"software:faults:100", "perf:page-faults#100"},
          std::pair{"s:cs:1", "perf:context-switches#1"},
          std::pair{"hardware:cache-misses:1000000", "perf:cache-misses#1000000"}})
        EXPECT_EQ(to_string(parsed(theirs)), ours) << theirs;
    EXPECT_THAT(place_refused("profile:99"), testing::HasSubstr("column 9: profile wants profile:hz:N"));
    EXPECT_THAT(place_refused("interval:h:1"), testing::HasSubstr("interval wants interval:hz:N"));
    EXPECT_THAT(place_refused("software:fault:1"), testing::HasSubstr("did you mean faults"));
    EXPECT_THAT(place_refused("software:faults:0"), testing::HasSubstr("no number above 0"));
    EXPECT_THAT(place_refused("perf:cpu-clock@1,cpu=0,pid=1"), testing::HasSubstr("say one"));
    EXPECT_THAT(place_refused("kprobe:x,cpu=0"), testing::HasSubstr("cpu= goes with perf"));
}

TEST(AttachSpec, an_error_names_the_column_and_the_word_that_was_meant) {
    EXPECT_EQ(place_refused(""), "column 1: a place is missing, as kprobe:do_exit");
    EXPECT_EQ(place_refused("kprob:do_exit"),
              "column 1: \"kprob\" is no kind of place; did you mean kprobe or kprobe.multi or uprobe");
    EXPECT_EQ(place_refused("kprobe:"), "column 8: kprobe wants kprobe:SYMBOL[+OFFSET]");
    EXPECT_EQ(place_refused("kprobe"), "column 7: kprobe wants kprobe:SYMBOL[+OFFSET]");
    EXPECT_EQ(place_refused("kprobe:do_exit+x"),
              "column 16: the offset behind + is a number of bytes, as +4 or +0x10");
    EXPECT_EQ(place_refused("kretprobe:do_exit+4"), "column 18: a return has no offset");
    EXPECT_EQ(place_refused("uprobe:main"), "column 8: uprobe wants uprobe:PATH:SYMBOL[+OFFSET]");
    EXPECT_EQ(place_refused("usdt:/bin/x:name"), "column 6: usdt wants usdt:PATH:PROVIDER:NAME");
    EXPECT_EQ(place_refused("tracepoint:sched"), "column 12: tracepoint wants tracepoint:CATEGORY:NAME");
    EXPECT_EQ(place_refused("tracepoint:a/../b:c"), "column 13: a tracepoint's name has no '/'");
    EXPECT_EQ(place_refused("perf:cpu-clok@99"),
              "column 6: \"cpu-clok\" is no perf event; did you mean cpu-clock");
    EXPECT_EQ(place_refused("perf:cpu-clock"),
              "column 15: how often? cpu-clock@99 is 99 times a second, cpu-clock#100 at each 100th");
    EXPECT_EQ(place_refused("perf:cpu-clock@0"), "column 16: this is no number above 0");
    EXPECT_EQ(
        place_refused("tc:eth0:ingres"),
        "column 9: \"ingres\" is neither ingress (what comes in) nor egress (what goes out); did you mean "
        "ingress");
    EXPECT_EQ(place_refused("xdp:"), "column 5: xdp wants xdp:DEVICE");
    EXPECT_EQ(place_refused("uprobe:/a:f,pdi=1"),
              "column 13: \"pdi\" is no option; did you mean pid; there are pid=, cookie=, build_id=, cpu= "
              "and name=");
    EXPECT_EQ(place_refused("uprobe:/a:f,pid=x"), "column 17: pid= wants a number");
    EXPECT_EQ(place_refused("uprobe:/a:f,pid=0"), "column 17: a process's number lies between 1 and 4194304");
    EXPECT_EQ(place_refused("uprobe::f,build_id=xyz"),
              "column 20: a build id is an even number of hexadecimal digits");
    EXPECT_EQ(place_refused("kprobe:f,pid=3"), "column 10: pid= goes with uprobe, uretprobe, usdt and perf");
    EXPECT_EQ(place_refused("xdp:lo,cookie=3"), "column 8: cookie= does not reach a program at xdp");
    EXPECT_EQ(place_refused("kprobe:do\x1b[31m"),
              "column 10: a control character (\\x1b) is no part of a name");
}

TEST(AttachSpec, a_section_that_names_a_place_gives_it) {
    const auto place = [](std::string_view section) {
        const auto spec = AttachSpec::from_section(section);
        return spec ? to_string(*spec) : spec.error().message;
    };
    EXPECT_EQ(place("kprobe/do_exit"), "kprobe:do_exit");
    EXPECT_EQ(place("?fentry.s/vfs_read"), "fentry:vfs_read");
    EXPECT_EQ(place("tp/sched/sched_switch"), "tracepoint:sched:sched_switch");
    EXPECT_EQ(place("tracepoint/sched/sched_switch"), "tracepoint:sched:sched_switch");
    EXPECT_EQ(place("raw_tracepoint/sys_enter"), "raw_tp:sys_enter");
    EXPECT_EQ(place("uprobe//bin/true:main"), "uprobe:/bin/true:main");
    EXPECT_EQ(place("ksyscall/openat"), "kprobe:__x64_sys_openat");
    EXPECT_EQ(place("iter/task_file"), "iter:task_file");
    EXPECT_EQ(place("xdp"), "its section \"xdp\" names no place; say where, as xdp:DEVICE");
    EXPECT_EQ(
        place("classifier"),
        "its section \"classifier\" names no place; say where, as tc:DEVICE:ingress or tc:DEVICE:egress");
    EXPECT_EQ(place("kprobe"), "its section \"kprobe\" names no place; say where, as kprobe:SYMBOL[+OFFSET]");
    EXPECT_EQ(place("odd\x07name"), "its section \"odd\\x07name\" names no place; say where");
    EXPECT_EQ(place("tp/sched"),
              "its section \"tp/sched\": column 12: tracepoint wants tracepoint:CATEGORY:NAME");
}

}  // namespace
}  // namespace waggle
