// SPDX-License-Identifier: Apache-2.0
// Facts read from trees that look like /proc and /sys. Long, because it has a few trees for each of them.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "facts/makers.h"
#include "facts/testing/fact_rows.h"
#include "host/procfs.h"

namespace waggle::facts {
namespace {

class Tree {
  public:
    Tree() {
        char name[] = "/tmp/waggle-tree-XXXXXX";
        root_ = ::mkdtemp(name);
        std::filesystem::create_directories(root_ + "/proc/thread-self/ns");
        std::filesystem::create_symlink("net:[4026531833]", root_ + "/proc/thread-self/ns/net");
    }
    ~Tree() { std::filesystem::remove_all(root_); }

    void file(const std::string& path, const std::string& text) {
        const std::filesystem::path whole = root_ + "/" + path;
        std::filesystem::create_directories(whole.parent_path());
        std::ofstream(whole) << text;
    }
    void link(const std::string& path, const std::string& target) {
        const std::filesystem::path whole = root_ + "/" + path;
        std::filesystem::create_directories(whole.parent_path());
        std::filesystem::create_symlink(target, whole);
    }
    Roots roots() const {
        return {root_ + "/proc", root_ + "/sys", root_ + "/run", root_ + "/sys/fs/cgroup"};
    }

  private:
    std::string root_;
};

constexpr auto nginx_stat =
    "812 (nginx) S 1 812 812 0 -1 4194560 300 0 2 0 150 50 0 0 20 0 4 0 12345 8192000 100 "
    "18446744073709551615\n";

TEST(Processes, a_process_is_read_from_its_files) {
    Tree tree;
    tree.file("proc/812/stat", nginx_stat);
    tree.link("proc/812/exe", "/usr/sbin/nginx");
    tree.file("proc/812/cgroup", "0::/system.slice/nginx.service\n");
    tree.file("proc/812/cmdline", std::string("nginx: master\0-g\0x y\0\0", 21));
    tree.link("proc/812/cwd", "/srv/www");
    const auto fact = make_processes(tree.roots());
    const FactRow row = only_row(fact_rows(*fact), {{"pid", "812"}});
    EXPECT_EQ(row.at("comm"), "nginx");
    EXPECT_EQ(row.at("exe"), "/usr/sbin/nginx");
    EXPECT_EQ(row.at("parent_pid"), "1");
    EXPECT_EQ(row.at("state"), "S");
    EXPECT_EQ(row.at("threads"), "4");
    EXPECT_EQ(row.at("cpu_ns"), "2000000000");
    EXPECT_EQ(row.at("start_ns"), "123450000000");
    EXPECT_EQ(row.at("rss_bytes"), std::to_string(100 * ::sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(row.at("cgroup"), "/system.slice/nginx.service");
    EXPECT_EQ(row.at("arguments"), "nginx: master -g x y");
    EXPECT_EQ(row.at("directory"), "/srv/www");
    EXPECT_EQ(row.at("session_id"), "812");
    EXPECT_EQ(row.at("terminal"), "0");
}

TEST(Processes, what_has_a_terminal_is_told_from_what_has_none) {
    Tree tree;
    tree.file("proc/9/stat",
              "9 (bash) S 1 9 9 34816 9 4194560 300 0 2 0 150 50 0 0 20 0 1 0 12345 8192000 100 1\n");
    const FactRow row = only_row(fact_rows(*make_processes(tree.roots())), {{"pid", "9"}});
    EXPECT_EQ(row.at("terminal"), "1");
    EXPECT_EQ(row.at("session_id"), "9");
}

TEST(Processes, a_name_may_hold_blanks_and_parentheses) {
    ProcessStat stat;
    ASSERT_TRUE(
        parse_stat("7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", stat));
    EXPECT_EQ(stat.comm, "a) b (c");
    EXPECT_EQ(stat.state, 'R');
}

TEST(Processes, a_line_that_is_cut_is_no_process) {
    const std::string whole = nginx_stat;
    ProcessStat stat;
    for (std::size_t cut = 0; cut < whole.find(" 8192000"); ++cut)
        EXPECT_FALSE(parse_stat(whole.substr(0, cut), stat)) << cut;
}

TEST(Processes, a_tree_without_processes_is_an_error) {
    Tree tree;
    const auto read = make_processes(tree.roots())->read([](const Row&) {});
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find("/proc"), std::string::npos);
}

TEST(NetCounters, counters_have_the_names_that_nstat_gives_them) {
    Tree tree;
    tree.file("proc/thread-self/net/snmp",
              "Udp: InDatagrams RcvbufErrors\nUdp: 10 312\nTcp: MaxConn\nTcp: -1\n");
    tree.file("proc/thread-self/net/netstat", "TcpExt: ListenOverflows ListenDrops\nTcpExt: 5 6\n");
    tree.file("proc/thread-self/net/snmp6", "Ip6InDiscards                   \t7\n");
    const auto fact = make_net_counters(tree.roots());
    const auto rows = fact_rows(*fact);
    EXPECT_EQ(rows.size(), 6u);
    EXPECT_EQ(only_row(rows, {{"name", "UdpRcvbufErrors"}}).at("value"), "312");
    EXPECT_EQ(only_row(rows, {{"name", "TcpMaxConn"}}).at("value"), "-1");
    EXPECT_EQ(only_row(rows, {{"name", "TcpExtListenOverflows"}}).at("value"), "5");
    EXPECT_EQ(only_row(rows, {{"name", "Ip6InDiscards"}}).at("netns"), "4026531833");
}

TEST(NetCounters, a_table_of_each_processor_is_summed) {
    Tree tree;
    tree.file("proc/thread-self/net/snmp", "Ip: Forwarding\nIp: 1\n");
    tree.file("proc/thread-self/net/stat/arp_cache",
              "entries  table_fulls\n00000002 0000000a\n00000002 00000010\n");
    const auto rows = fact_rows(*make_net_counters(tree.roots()));
    EXPECT_EQ(rows.size(), 2u);
    EXPECT_EQ(only_row(rows, {{"name", "ArpCacheTableFulls"}}).at("value"), "26");
}

TEST(NetCounters, lines_that_do_not_pair_end_the_reading) {
    Tree tree;
    tree.file("proc/thread-self/net/snmp", "Udp: A B C\nUdp: 1\nTcp: A\nIp: 1\nUdp: A\nUdp: 3\n");
    const auto rows = fact_rows(*make_net_counters(tree.roots()));
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].at("name"), "UdpA");
}

TEST(PacketQueues, a_line_is_a_queue_that_is_read) {
    Tree tree;
    tree.file("proc/thread-self/net/snmp", "Ip: Forwarding\nIp: 1\n");
    EXPECT_TRUE(fact_rows(*make_packet_queues(tree.roots())).empty()) << "without the kernel's module";
    tree.file("proc/thread-self/net/netfilter/nfnetlink_queue",
              "    5  31337     7 2 65531    40     3      120  1\n"
              "    6  31338     0 1     0     0     0        0  1\n");
    const auto rows = fact_rows(*make_packet_queues(tree.roots()));
    ASSERT_EQ(rows.size(), 2u);
    const FactRow first = only_row(rows, {{"number", "5"}});
    EXPECT_EQ(first.at("netns"), "4026531833");
    EXPECT_EQ(first.at("reader"), "31337");
    EXPECT_EQ(first.at("waiting"), "7");
    EXPECT_EQ(first.at("dropped"), "40");
    EXPECT_EQ(first.at("reader_dropped"), "3");
}

TEST(Sysctls, a_setting_has_its_text_and_its_first_number) {
    Tree tree;
    tree.file("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
    tree.file("proc/sys/net/ipv4/tcp_congestion_control", "cubic\n");
    tree.file("proc/sys/vm/dirty_ratio", "20\n");
    const auto rows = fact_rows(*make_sysctls(tree.roots()));
    ASSERT_EQ(rows.size(), 3u);
    const FactRow rmem = only_row(rows, {{"name", "net.ipv4.tcp_rmem"}});
    EXPECT_EQ(rmem.at("value"), "4096 131072 6291456");
    EXPECT_EQ(rmem.at("number"), "4096");
    EXPECT_EQ(rmem.at("netns"), "4026531833");
    EXPECT_FALSE(only_row(rows, {{"name", "net.ipv4.tcp_congestion_control"}}).contains("number"));
    EXPECT_EQ(only_row(rows, {{"name", "vm.dirty_ratio"}}).at("netns"), "0");
}

TEST(BlockDevices, disks_partitions_and_loops_are_rows) {
    Tree tree;
    tree.file("sys/block/sda/dev", "8:0\n");
    tree.file("sys/block/sda/size", "2048\n");
    tree.file("sys/block/sda/inflight", "       3       17\n");
    tree.file("sys/block/sda/queue/scheduler", "none [mq-deadline] bfq\n");
    tree.file("sys/block/sda/queue/nr_requests", "64\n");
    tree.file("sys/block/sda/queue/rotational", "1\n");
    tree.file("sys/block/sda/queue/max_sectors_kb", "1280\n");
    tree.file("sys/block/sda/queue/max_segments", "4\n");
    tree.file("sys/block/loop0/queue/max_sectors_kb", "1280\n");
    tree.file("sys/block/loop0/queue/max_segments", "65535\n");
    tree.file("sys/block/sda/sda1/dev", "8:1\n");
    tree.file("sys/block/sda/sda1/partition", "1\n");
    tree.file("sys/block/sda/sda1/size", "1024\n");
    tree.file("sys/block/loop0/dev", "7:0\n");
    tree.file("sys/block/loop0/loop/backing_file", "/srv/image file\n");
    tree.file("proc/self/mountinfo",
              "22 1 8:1 / /srv/my\\040data rw - ext4 /dev/sda1 rw\n30 1 0:44 / /b rw shared:1 - btrfs "
              "/dev/loop0 rw\n");
    const auto rows = fact_rows(*make_block_devices(tree.roots()));
    ASSERT_EQ(rows.size(), 3u);
    const FactRow disk = only_row(rows, {{"name", "sda"}});
    EXPECT_EQ(disk.at("device"), "8:0");
    EXPECT_EQ(disk.at("size_bytes"), "1048576");
    EXPECT_EQ(disk.at("scheduler"), "mq-deadline");
    EXPECT_EQ(disk.at("queue_depth"), "64");
    EXPECT_EQ(disk.at("rotational"), "1");
    EXPECT_EQ(disk.at("largest_request_bytes"), std::to_string(4 * ::sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(disk.at("in_flight_reads"), "3");
    EXPECT_EQ(disk.at("in_flight_writes"), "17");
    const FactRow part = only_row(rows, {{"name", "sda1"}});
    EXPECT_EQ(part.at("parent"), "sda");
    EXPECT_EQ(part.at("mounted_at"), "/srv/my data");
    const FactRow loop = only_row(rows, {{"name", "loop0"}});
    EXPECT_EQ(loop.at("backing_file"), "/srv/image file");
    EXPECT_EQ(loop.at("mounted_at"), "/b");
    EXPECT_EQ(loop.at("largest_request_bytes"), "1310720");
}

TEST(BlockDevices, a_system_without_them_is_an_error) {
    Tree tree;
    EXPECT_FALSE(make_block_devices(tree.roots())->read([](const Row&) {}));
}

TEST(Mounts, a_mount_has_its_place_source_and_options) {
    Tree tree;
    tree.file("proc/self/mountinfo",
              "22 1 8:1 / /srv/my\\040data rw,noatime shared:1 - ext4 /dev/sda1 rw\n"
              "23 1 8:2 /sub /ro rw - xfs /dev/sda2 ro\nnonsense\n1 2 3:4 / / rw - ext4\n");
    const auto rows = fact_rows(*make_mounts(tree.roots()));
    ASSERT_EQ(rows.size(), 2u);
    const FactRow data = only_row(rows, {{"mounted_at", "/srv/my data"}});
    EXPECT_EQ(data.at("source"), "/dev/sda1");
    EXPECT_EQ(data.at("kind"), "ext4");
    EXPECT_EQ(data.at("device"), "8:1");
    EXPECT_EQ(data.at("options"), "rw,noatime");
    EXPECT_EQ(data.at("read_only"), "0");
    EXPECT_EQ(only_row(rows, {{"root", "/sub"}}).at("read_only"), "1");
}

TEST(Cgroups, a_group_has_its_limits_and_use) {
    Tree tree;
    tree.file("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    tree.file("sys/fs/cgroup/cgroup.procs", "1\n");
    const std::string group = "sys/fs/cgroup/system.slice/nginx.service/";
    tree.file(group + "cpu.stat", "usage_usec 2500\nuser_usec 1\nnr_throttled 4\nthrottled_usec 9\n");
    tree.file(group + "cpu.max", "150000 100000\n");
    tree.file(group + "memory.current", "4096\n");
    tree.file(group + "memory.max", "max\n");
    tree.file(group + "memory.high", "8192\n");
    tree.file(group + "memory.events", "low 0\noom 3\noom_kill 2\n");
    tree.file(group + "pids.current", "5\n");
    const auto rows = fact_rows(*make_cgroups(tree.roots()));
    ASSERT_EQ(rows.size(), 3u);
    const FactRow row = only_row(rows, {{"path", "/system.slice/nginx.service"}});
    EXPECT_EQ(row.at("cpu_ns"), "2500000");
    EXPECT_EQ(row.at("throttled_times"), "4");
    EXPECT_EQ(row.at("throttled_ns"), "9000");
    EXPECT_EQ(row.at("cpu_limit"), "1.5");
    EXPECT_EQ(row.at("memory_bytes"), "4096");
    EXPECT_FALSE(row.contains("memory_limit_bytes")) << "max is no limit";
    EXPECT_EQ(row.at("memory_high_bytes"), "8192");
    EXPECT_EQ(row.at("oom_kills"), "2");
    EXPECT_EQ(row.at("processes"), "5");
    EXPECT_FALSE(row.contains("processes_limit"));
    EXPECT_FALSE(only_row(rows, {{"path", "/"}}).contains("memory_bytes"));
}

TEST(Cgroups, a_machine_without_version_2_has_none) {
    Tree tree;
    EXPECT_TRUE(fact_rows(*make_cgroups(tree.roots())).empty());
}

TEST(CpuLimits, a_group_of_version_2_with_a_quota_has_a_row) {
    Tree tree;
    tree.file("sys/fs/cgroup/cgroup.controllers", "cpu\n");
    tree.file("sys/fs/cgroup/cgroup.procs", "1\n");
    const std::string group = "sys/fs/cgroup/system.slice/nginx.service/";
    tree.file(group + "cpu.max", "25000 100000\n");
    tree.file(
        group + "cpu.stat",
        "usage_usec 2500\nuser_usec 1\nnr_periods 40\nnr_throttled 30\nthrottled_usec 9\nnr_bursts 0\n");
    tree.file("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    const auto rows = fact_rows(*make_cpu_limits(tree.roots()));
    ASSERT_EQ(rows.size(), 1u) << "max is no quota";
    EXPECT_EQ(rows[0].at("path"), "/system.slice/nginx.service");
    EXPECT_EQ(rows[0].at("unit"), "nginx.service");
    EXPECT_EQ(rows[0].at("quota_ns"), "25000000");
    EXPECT_EQ(rows[0].at("period_ns"), "100000000");
    EXPECT_EQ(rows[0].at("periods"), "40");
    EXPECT_EQ(rows[0].at("throttled_periods"), "30");
    EXPECT_EQ(rows[0].at("throttled_ns"), "9000");
    EXPECT_EQ(rows[0].at("version"), "2");
}

TEST(CpuLimits, so_has_one_of_version_1) {
    Tree tree;
    tree.file("sys/fs/cgroup/cpu/cgroup.procs", "1\n");
    tree.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    tree.file("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "5000\n");
    tree.file("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "50000\n");
    tree.file("sys/fs/cgroup/cpu/job/cpu.stat", "nr_periods 4\nnr_throttled 3\nthrottled_time 1234\n");
    const auto rows = fact_rows(*make_cpu_limits(tree.roots()));
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].at("path"), "/job");
    EXPECT_EQ(rows[0].at("quota_ns"), "5000000");
    EXPECT_EQ(rows[0].at("period_ns"), "50000000");
    EXPECT_EQ(rows[0].at("throttled_ns"), "1234");
    EXPECT_TRUE(rows[0].at("folder").ends_with("/fs/cgroup/cpu/job"));
    EXPECT_EQ(rows[0].at("version"), "1");
}

TEST(CpusetMembers, a_process_is_kept_by_the_groups_above_it_that_leave_processors_out) {
    Tree tree;
    tree.file("sys/devices/system/cpu/online", "0-3\n");
    const std::string root = "sys/fs/cgroup/";
    tree.file(root + "cgroup.controllers", "cpuset\n");
    tree.file(root + "cgroup.procs", "1\n");
    tree.file(root + "cpuset.cpus.effective", "0-3\n");
    tree.file(root + "a.service/cpuset.cpus.effective", "0-1\n");
    tree.file(root + "a.service/cpuset.cpus", "0-1\n");
    tree.file(root + "a.service/b.service/cpuset.cpus.effective", "0-1\n");
    tree.file(root + "a.service/b.service/cpuset.cpus", "\n");
    tree.file(root + "a.service/b.service/inner/cgroup.procs", "7\n");
    tree.file(root + "a.service/c d/cpuset.cpus.effective", "1\n");
    tree.file(root + "a.service/c d/cpuset.cpus", "1\n");
    tree.file(root + "a.service/c d/cgroup.procs", "8\n");
    tree.file(root + "wide/cpuset.cpus.effective", "0-3\n");
    tree.file(root + "wide/cgroup.procs", "9\n");
    const auto rows = fact_rows(*make_cpuset_members(tree.roots()));
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(only_row(rows, {{"pid", "0"}}).at("path"), "/") << "the root of all groups was seen";
    const FactRow inner = only_row(rows, {{"pid", "7"}});
    EXPECT_EQ(inner.at("path"), "/a.service/b.service/inner");
    EXPECT_EQ(inner.at("cpus"), "0-1");
    EXPECT_EQ(inner.at("limited_by"), "/a.service");
    EXPECT_EQ(inner.at("unit"), "a.service");
    EXPECT_TRUE(inner.at("files").ends_with("/fs/cgroup/a.service/cpuset.cpus"));
    const FactRow both = only_row(rows, {{"pid", "8"}});
    EXPECT_EQ(both.at("cpus"), "1");
    EXPECT_EQ(both.at("limited_by"), "/a.service");
    EXPECT_EQ(both.at("unit"), "") << "two groups leave some out";
    EXPECT_TRUE(both.at("files").ends_with("/a.service/c d/cpuset.cpus'"));
    EXPECT_NE(both.at("files").find("/a.service/cpuset.cpus '"), std::string::npos);
}

TEST(CpusetMembers, so_is_one_of_version_1) {
    Tree tree;
    tree.file("sys/devices/system/cpu/online", "0-1\n");
    const std::string root = "sys/fs/cgroup/cpuset/";
    tree.file(root + "cgroup.procs", "1\n");
    tree.file(root + "cpuset.cpus", "0-1\n");
    tree.file(root + "cpuset.effective_cpus", "0-1\n");
    tree.file(root + "job/cpuset.cpus", "1\n");
    tree.file(root + "job/cpuset.effective_cpus", "1\n");
    tree.file(root + "job/cgroup.procs", "7\n");
    const auto rows = fact_rows(*make_cpuset_members(tree.roots()));
    ASSERT_EQ(rows.size(), 1u) << "the root of a container is not the root of all";
    EXPECT_EQ(rows[0].at("pid"), "7");
    EXPECT_EQ(rows[0].at("limited_by"), "/job");
    EXPECT_EQ(rows[0].at("version"), "1");
}

TEST(CpuWeights, a_group_has_its_weight_and_those_of_the_groups_above_it) {
    Tree tree;
    const std::string root = "sys/fs/cgroup/";
    tree.file(root + "cgroup.controllers", "cpu\n");
    tree.file(root + "cgroup.procs", "1\n");
    tree.file(root + "a.slice/cpu.weight", "20\n");
    tree.file(root + "a.slice/b.service/cpu.weight", "300\n");
    tree.file(root + "a.slice/b.service/cpu.idle", "1\n");
    tree.file(root + "a.slice2/cpu.weight", "100\n");
    tree.file("sys/fs/cgroup/cpu/cgroup.procs", "1\n");
    tree.file("sys/fs/cgroup/cpu/cpu.shares", "1024\n");
    tree.file("sys/fs/cgroup/cpu/job/cpu.shares", "512\n");
    const auto rows = fact_rows(*make_cpu_weights(tree.roots()));
    ASSERT_EQ(rows.size(), 5u);
    const FactRow above = only_row(rows, {{"path", "/a.slice/b.service"}, {"holder", "/a.slice"}});
    EXPECT_EQ(above.at("weight"), "20");
    EXPECT_EQ(above.at("beside"), "/");
    EXPECT_EQ(above.at("idle"), "0");
    const FactRow own = only_row(rows, {{"path", "/a.slice/b.service"}, {"holder", "/a.slice/b.service"}});
    EXPECT_EQ(own.at("weight"), "300");
    EXPECT_EQ(own.at("beside"), "/a.slice");
    EXPECT_EQ(own.at("unit"), "b.service");
    EXPECT_EQ(own.at("idle"), "1");
    EXPECT_TRUE(own.at("file").ends_with("/a.slice/b.service/cpu.weight"));
    EXPECT_EQ(only_row(rows, {{"path", "/a.slice2"}}).at("holder"), "/a.slice2");
    EXPECT_EQ(only_row(rows, {{"version", "1"}}).at("weight"), "512") << "the root has none";
}

TEST(IoLimits, a_group_of_version_2_has_a_row_for_each_side_that_is_limited) {
    Tree tree;
    tree.file("sys/fs/cgroup/cgroup.controllers", "io\n");
    tree.file("sys/fs/cgroup/cgroup.procs", "1\n");
    const std::string group = "sys/fs/cgroup/backup.slice/";
    tree.file(group + "io.max",
              "8:0 rbps=1048576 wbps=max riops=max wiops=max\n8:16 rbps=max wbps=max riops=max wiops=50\n");
    tree.file(group + "io.stat",
              "8:0 rbytes=4096 wbytes=8 rios=3 wios=1 dbytes=0 dios=0\n7:1 rbytes=1 wbytes=1 rios=1 "
              "wios=1\n8:16\n");
    tree.file(group + "io.pressure",
              "some avg10=9.00 avg60=1.00 avg300=0.00 total=2500\nfull avg10=0.00 total=7\n");
    const auto rows = fact_rows(*make_io_limits(tree.roots()));
    ASSERT_EQ(rows.size(), 2u);
    const FactRow read = only_row(rows, {{"device", "8:0"}});
    EXPECT_EQ(read.at("path"), "/backup.slice");
    EXPECT_EQ(read.at("operation"), "read");
    EXPECT_EQ(read.at("bytes_limit"), "1048576");
    EXPECT_FALSE(read.contains("operations_limit"));
    EXPECT_EQ(read.at("bytes"), "4096");
    EXPECT_EQ(read.at("operations"), "3");
    EXPECT_EQ(read.at("waited_ns"), "2500000");
    EXPECT_TRUE(read.at("folder").ends_with("/fs/cgroup/backup.slice"));
    const FactRow write = only_row(rows, {{"device", "8:16"}});
    EXPECT_EQ(write.at("operation"), "write");
    EXPECT_EQ(write.at("operations_limit"), "50");
    EXPECT_FALSE(write.contains("bytes")) << "nothing was counted";
}

TEST(IoLimits, a_group_of_version_1_has_them_too) {
    Tree tree;
    tree.file("sys/fs/cgroup/blkio/cgroup.procs", "1\n");
    const std::string group = "sys/fs/cgroup/blkio/job/";
    tree.file(group + "cgroup.procs", "");
    tree.file(group + "blkio.throttle.read_bps_device", "7:3 200000\n");
    tree.file(group + "blkio.throttle.io_service_bytes",
              "7:3 Read 4096\n7:3 Write 0\n7:3 Total 4096\nTotal 4096\n");
    tree.file(group + "blkio.throttle.io_serviced", "7:3 Read 2\n7:3 Write 0\nTotal 2\n");
    const FactRow row = only_row(fact_rows(*make_io_limits(tree.roots())), {{"path", "/job"}});
    EXPECT_EQ(row.at("bytes_limit"), "200000");
    EXPECT_EQ(row.at("bytes"), "4096");
    EXPECT_EQ(row.at("operations"), "2");
    EXPECT_EQ(row.at("version"), "1");
    EXPECT_FALSE(row.contains("waited_ns"));
}

class PidsTree : public Tree {
  public:
    void group(const std::string& path, int tasks, const std::string& limit, int refused, bool local,
               int peak = 0) {
        const std::string folder = "sys/fs/cgroup/" + path + "/";
        file(folder + "cgroup.procs", "");
        file(folder + "pids.current", std::to_string(tasks) + "\n");
        file(folder + "pids.max", limit + "\n");
        file(folder + (local ? "pids.events.local" : "pids.events"), "max " + std::to_string(refused) + "\n");
        if (peak > 0) file(folder + "pids.peak", std::to_string(peak) + "\n");
    }
};

TEST(TaskLimits, a_kernel_that_counts_at_the_limit_names_the_group_itself) {
    PidsTree tree;
    tree.file("sys/fs/cgroup/cgroup.controllers", "pids\n");
    tree.file("sys/fs/cgroup/cgroup.procs", "1\n");
    tree.group("system.slice", 70, "max", 0, true);
    tree.group("system.slice/shop.service", 64, "64", 12, true);
    tree.group("system.slice/near.service", 63, "64", 0, true);
    const auto rows = fact_rows(*make_task_limits(tree.roots()));
    ASSERT_EQ(rows.size(), 2u);
    const FactRow shop = only_row(rows, {{"path", "/system.slice/shop.service"}});
    EXPECT_EQ(shop.at("unit"), "shop.service");
    EXPECT_EQ(shop.at("tasks"), "64");
    EXPECT_EQ(shop.at("tasks_limit"), "64");
    EXPECT_EQ(shop.at("refused"), "12");
    EXPECT_EQ(shop.at("limited_by"), "/system.slice/shop.service");
    EXPECT_EQ(only_row(rows, {{"path", "/system.slice/near.service"}}).at("limited_by"), "");
}

TEST(TaskLimits, a_kernel_that_counts_at_the_asker_names_the_only_limit_that_can_have_refused) {
    PidsTree tree;
    tree.file("sys/fs/cgroup/pids/cgroup.procs", "1\n");
    tree.group("pids/job", 20, "20", 0, false);
    tree.group("pids/job/sub", 5, "max", 7, false);
    tree.group("pids/jobs", 5, "9", 0, false);
    const auto rows = fact_rows(*make_task_limits(tree.roots()));
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(only_row(rows, {{"path", "/job/sub"}}).at("limited_by"), "/job");
    EXPECT_EQ(only_row(rows, {{"path", "/job/sub"}}).at("version"), "1");
    EXPECT_FALSE(only_row(rows, {{"path", "/job/sub"}}).contains("tasks_limit"));
}

TEST(TaskLimits, of_two_limits_the_one_that_was_never_reached_refused_nothing) {
    PidsTree tree;
    tree.file("sys/fs/cgroup/pids/cgroup.procs", "1\n");
    tree.group("pids/job", 20, "100", 0, false, 30);
    tree.group("pids/job/sub", 5, "20", 7, false, 20);
    tree.group("pids/two", 20, "20", 0, false, 20);
    tree.group("pids/two/sub", 5, "20", 7, false, 20);
    const auto rows = fact_rows(*make_task_limits(tree.roots()));
    EXPECT_EQ(only_row(rows, {{"path", "/job/sub"}}).at("limited_by"), "/job/sub");
    EXPECT_EQ(only_row(rows, {{"path", "/two/sub"}}).at("limited_by"), "");
}

TEST(TaskLimits, a_mount_that_counts_at_the_asker_is_read_so) {
    PidsTree tree;
    tree.file("sys/fs/cgroup/cgroup.controllers", "pids\n");
    tree.file("sys/fs/cgroup/cgroup.procs", "1\n");
    tree.file("proc/self/mountinfo", "30 1 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,pids_localevents\n");
    tree.group("job", 20, "20", 0, true);
    tree.group("job/sub", 5, "max", 7, true);
    EXPECT_EQ(only_row(fact_rows(*make_task_limits(tree.roots())), {{"path", "/job/sub"}}).at("limited_by"),
              "/job");
}

TEST(TaskHolders, the_tasks_of_a_group_that_refused_some_are_counted_by_program) {
    PidsTree tree;
    tree.file("sys/fs/cgroup/pids/cgroup.procs", "1\n");
    tree.group("pids/job", 9, "9", 3, false);
    tree.group("pids/job/sub", 4, "max", 0, false);
    tree.group("pids/idle", 9, "9", 0, false);
    tree.file("sys/fs/cgroup/pids/job/cgroup.procs", "812\n");
    tree.file("sys/fs/cgroup/pids/job/sub/cgroup.procs", "813\n");
    tree.file("sys/fs/cgroup/pids/idle/cgroup.procs", "814\n");
    for (const char* pid : {"812", "813", "814"}) tree.file(std::string("proc/") + pid + "/stat", nginx_stat);
    const FactRow row = only_row(fact_rows(*make_task_holders(tree.roots())), {{"comm", "nginx"}});
    EXPECT_EQ(row.at("path"), "/job");
    EXPECT_EQ(row.at("tasks"), "8");
    EXPECT_EQ(row.at("processes"), "2");
    EXPECT_FALSE(row.contains("pid"));
}

// `open` descriptors, 0 and on, of which all but the first two are sockets.
void process_with_descriptors(Tree& tree, const std::string& pid, int open, const std::string& limit) {
    const std::string folder = "proc/" + pid + "/";
    tree.file(folder + "stat", nginx_stat);
    tree.file(folder + "limits",
              "Limit                     Soft Limit           Hard Limit           Units     \n"
              "Max open files            " +
                  limit + "                  4096                 files     \n");
    tree.file(folder + "status", "Name:\tnginx\nFDSize:\t64\n");
    tree.link(folder + "fd/0", "/dev/null");
    tree.link(folder + "fd/1", "pipe:[7]");
    for (int fd = 2; fd < open; ++fd)
        tree.link(folder + "fd/" + std::to_string(fd), "socket:[" + std::to_string(fd) + "]");
}

TEST(FullDescriptors, a_process_with_none_left_has_a_row_and_each_look_is_counted) {
    Tree tree;
    process_with_descriptors(tree, "812", 12, "12");
    process_with_descriptors(tree, "813", 11, "12");
    process_with_descriptors(tree, "814", 12, "unlimited");
    const auto fact = make_full_descriptors(tree.roots());
    const auto rows = fact_rows(*fact);
    ASSERT_EQ(rows.size(), 1u);
    const FactRow row = only_row(rows, {{"pid", "812"}});
    EXPECT_EQ(row.at("open_files_limit"), "12");
    EXPECT_EQ(row.at("open_files_hard_limit"), "4096");
    EXPECT_EQ(row.at("sockets"), "10");
    EXPECT_EQ(row.at("pipes"), "1");
    EXPECT_EQ(row.at("files"), "1");
    EXPECT_EQ(row.at("others"), "0");
    EXPECT_EQ(row.at("looks"), "1");
    EXPECT_EQ(only_row(fact_rows(*fact), {{"pid", "812"}}).at("looks"), "2");
}

TEST(FullDescriptors, what_was_closed_between_two_looks_begins_anew) {
    Tree tree;
    process_with_descriptors(tree, "812", 12, "12");
    const auto fact = make_full_descriptors(tree.roots());
    EXPECT_EQ(fact_rows(*fact).size(), 1u);
    const std::filesystem::path one = tree.roots().proc + "/812/fd/5";
    std::filesystem::remove(one);
    // A descriptor above the limit does not fill the place of one below it.
    tree.link("proc/812/fd/30", "/dev/null");
    EXPECT_TRUE(fact_rows(*fact).empty());
    std::filesystem::create_symlink("socket:[5]", one);
    EXPECT_EQ(only_row(fact_rows(*fact), {{"pid", "812"}}).at("looks"), "1");
}

// A process in that state: R, S, Z ...
void process_in_state(Tree& tree, int pid, const char* comm, char state, int parent, int threads = 1) {
    tree.file(fmt::format("proc/{}/stat", pid),
              fmt::format("{} ({}) {} {} 1 1 0 -1 4194304 1 0 0 0 1 1 0 0 20 0 {} 0 {} 0 0 0\n", pid, comm,
                          state, parent, threads, 100 + pid));
}

TEST(UncollectedChildren, what_has_ended_at_two_looks_waits_and_is_told_of_its_parent) {
    Tree tree;
    process_in_state(tree, 10, "shop", 'T', 1);
    process_in_state(tree, 11, "job", 'Z', 10);
    process_in_state(tree, 12, "job", 'S', 10);
    process_in_state(tree, 13, "leader", 'Z', 10, 3);  // its other threads go on
    process_in_state(tree, 14, "alone", 'S', 1);
    tree.file("proc/10/cgroup", "0::/system.slice/shop.service\n");
    const auto fact = make_uncollected_children(tree.roots());
    FactRow row = only_row(fact_rows(*fact), {{"pid", "10"}});
    EXPECT_EQ(row.at("children"), "1");
    EXPECT_EQ(row.at("waiting"), "0");
    process_in_state(tree, 12, "job", 'Z', 10);
    row = only_row(fact_rows(*fact), {{"pid", "10"}});
    EXPECT_EQ(row.at("children"), "2");
    EXPECT_EQ(row.at("waiting"), "1");
    EXPECT_EQ(row.at("child_comm"), "job");
    EXPECT_EQ(row.at("state"), "T");
    EXPECT_EQ(row.at("unit"), "shop.service");
    // The number of one that was collected is used again: that is another process.
    process_in_state(tree, 11, "other", 'S', 10);
    tree.file("proc/11/stat", "11 (other) Z 10 1 1 0 -1 4194304 1 0 0 0 1 1 0 0 20 0 1 0 999 0 0 0\n");
    row = only_row(fact_rows(*fact), {{"pid", "10"}});
    EXPECT_EQ(row.at("children"), "2");
    EXPECT_EQ(row.at("waiting"), "1");
}

// A process of that user with that many threads; one that is `exempt` has CAP_SYS_RESOURCE.
void process_of_user(Tree& tree, const std::string& pid, const char* comm, int uid, int threads,
                     const char* limit, bool exempt = false) {
    const std::string folder = "proc/" + pid + "/";
    tree.file(folder + "comm", std::string(comm) + "\n");
    tree.file(folder + "status",
              fmt::format("Name:\t{}\nUid:\t{}\t0\t0\t0\nThreads:\t{}\nCapEff:\t{}\n", comm, uid, threads,
                          exempt ? "0000000001000000" : "000000000000000f"));
    tree.file(folder + "limits",
              "Limit                     Soft Limit           Hard Limit           Units     \n"
              "Max processes             " +
                  std::string(limit) + "                   4096                 processes \n");
    tree.file(folder + "cgroup", "0::/system.slice/shop.service\n");
}

TEST(FullUsers, all_tasks_of_a_user_count_against_the_limit_of_each_program) {
    Tree tree;
    process_of_user(tree, "10", "shop", 4033, 3, "9");
    process_of_user(tree, "11", "shop", 4033, 2, "9");
    process_of_user(tree, "12", "mail", 4033, 4, "10");
    process_of_user(tree, "13", "free", 4033, 1, "unlimited");
    process_of_user(tree, "14", "root", 0, 50, "9");
    process_of_user(tree, "15", "other", 4034, 8, "9");
    const auto fact = make_full_users(tree.roots());
    auto rows = fact_rows(*fact);
    ASSERT_EQ(rows.size(), 2u);
    FactRow row = only_row(rows, {{"comm", "shop"}});
    EXPECT_EQ(row.at("uid"), "4033");
    EXPECT_EQ(row.at("user_tasks"), "10");
    EXPECT_EQ(row.at("tasks_limit"), "9");
    EXPECT_EQ(row.at("tasks_hard_limit"), "4096");
    EXPECT_EQ(row.at("tasks"), "5");
    EXPECT_EQ(row.at("processes"), "2");
    EXPECT_FALSE(row.contains("pid"));
    EXPECT_EQ(row.at("unit"), "shop.service");
    EXPECT_EQ(row.at("looks"), "1");
    EXPECT_EQ(only_row(rows, {{"comm", "mail"}}).at("pid"), "12");  // at its limit, not above it
    rows = fact_rows(*fact);
    EXPECT_EQ(only_row(rows, {{"comm", "shop"}}).at("looks"), "2");
}

TEST(FullUsers, who_may_pass_the_limit_and_who_lives_in_another_user_namespace_is_left_out) {
    Tree tree;
    process_of_user(tree, "10", "shop", 4033, 9, "9", true);
    process_of_user(tree, "11", "inside", 4034, 9, "9");
    tree.link("proc/11/ns/user", "user:[4026532999]");
    process_of_user(tree, "12", "outside", 4034, 8, "9");
    EXPECT_TRUE(fact_rows(*make_full_users(tree.roots())).empty());
}

TEST(OpenFiles, what_a_process_has_open_is_read_from_its_descriptors) {
    Tree tree;
    tree.file("proc/812/comm", "nginx\n");
    tree.link("proc/812/fd/3", "/var/log/old.log (deleted)");
    tree.link("proc/812/fd/4", "socket:[99]");
    const auto rows = fact_rows(*make_open_files(tree.roots()));
    ASSERT_EQ(rows.size(), 2u);
    const FactRow log = only_row(rows, {{"fd", "3"}});
    EXPECT_EQ(log.at("path"), "/var/log/old.log");
    EXPECT_EQ(log.at("deleted"), "1");
    EXPECT_EQ(only_row(rows, {{"fd", "4"}}).at("path"), "socket:[99]");
    EXPECT_EQ(log.at("comm"), "nginx");
}

TEST(Facts, every_fact_names_its_columns_once_and_explains_them) {
    for (const auto& fact : all_facts()) {
        std::set<std::string_view> names;
        for (const Field& field : fact->schema().fields) {
            EXPECT_TRUE(names.insert(field.name).second) << fact->schema().name << "." << field.name;
            EXPECT_TRUE(field.meaning.ends_with('.')) << fact->schema().name << "." << field.name;
            EXPECT_LE(field.offset + field.size, fact->schema().size) << field.name;
        }
    }
}

}  // namespace
}  // namespace waggle::facts
