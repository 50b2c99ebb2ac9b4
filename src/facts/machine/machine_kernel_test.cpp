// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "facts/makers.h"
#include "facts/sockets/socket_owners.h"
#include "facts/testing/fact_rows.h"
#include "facts/testing/netns_process.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

// A file system of its own, 1 MiB, that goes with the test.
class SmallFileSystem {
  public:
    SmallFileSystem() {
        char name[] = "/tmp/waggle-full-XXXXXX";
        path_ = ::mkdtemp(name);
        EXPECT_EQ(::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=1M,nr_inodes=20"), 0);
    }
    ~SmallFileSystem() {
        ::umount2(path_.c_str(), MNT_DETACH);
        ::rmdir(path_.c_str());
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

TEST(MachineKernel, a_full_file_system_has_nothing_free_and_the_deleted_files_that_hold_it_are_known) {
    const SmallFileSystem small;
    EXPECT_GT(std::stoull(only_row(fact_rows(*make_file_systems({})), {{"mounted_at", small.path()}})
                              .at("available_bytes")),
              1000000u);
    const std::string name = small.path() + "/gone";
    const OwnedFd held(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const std::vector<char> block(1 << 16);
    while (::write(held.get(), block.data(), block.size()) > 0) {
    }
    ::unlink(name.c_str());
    const FactRow full = only_row(fact_rows(*make_file_systems({})), {{"mounted_at", small.path()}});
    EXPECT_EQ(full.at("available_bytes"), "0");
    EXPECT_EQ(full.at("size_bytes"), "1048576");
    const FactRow file = only_row(fact_rows(*make_deleted_files({})), {{"device", full.at("device")}});
    EXPECT_EQ(file.at("pid"), std::to_string(::getpid()));
    EXPECT_EQ(file.at("path"), name);
    EXPECT_EQ(file.at("held_bytes"), "1048576");
}

TEST(MachineKernel, what_another_mount_hides_is_not_asked) {
    const SmallFileSystem small;
    const std::string below = small.path() + "/below";
    ::mkdir(below.c_str(), 0700);
    ASSERT_EQ(::mount("tmpfs", below.c_str(), "tmpfs", 0, "size=2M"), 0);
    EXPECT_EQ(only_row(fact_rows(*make_file_systems({})), {{"mounted_at", below}}).at("size_bytes"),
              "2097152");
    ASSERT_EQ(::mount("tmpfs", small.path().c_str(), "tmpfs", 0, "size=3M"), 0);
    for (const FactRow& row : fact_rows(*make_file_systems({}))) {
        EXPECT_NE(row.at("mounted_at"), below);
        if (row.at("mounted_at") == small.path()) {
            EXPECT_EQ(row.at("size_bytes"), "3145728");
        }
    }
    ::umount2(small.path().c_str(), MNT_DETACH);
    ::umount2(below.c_str(), MNT_DETACH);
}

TEST(MachineKernel, a_process_without_a_free_descriptor_is_seen_and_one_with_a_last_one_is_not) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const auto child_with = [&](bool all) {
        const pid_t child = ::fork();
        if (child != 0) return child;
        const rlimit limit{24, 24};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        int last = 0;
        for (int fd = ::open("/dev/null", O_RDONLY); fd >= 0; fd = ::open("/dev/null", O_RDONLY)) last = fd;
        if (!all) ::close(last);
        (void)!::write(ends[1], "x", 1);
        ::pause();
        ::_exit(0);
    };
    const pid_t full = child_with(true), nearly = child_with(false);
    char ready[2];
    for (char& one : ready) ASSERT_EQ(::read(ends[0], &one, 1), 1);
    const auto fact = make_full_descriptors({});
    const auto rows = fact_rows(*fact);
    EXPECT_EQ(only_row(rows, {{"pid", std::to_string(full)}}).at("open_files_limit"), "24");
    for (const FactRow& row : rows) EXPECT_NE(row.at("pid"), std::to_string(nearly));
    for (const pid_t child : {full, nearly}) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(MachineKernel, interfaces_of_another_namespace_have_their_state_and_counts) {
    const NetnsProcess inside([] {
        const int receiver = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = loopback_address(9000);
        if (::bind(receiver, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
        send_udp(9000, 6, 10);
        return std::system(
            "ip link add wg-a type veth peer name wg-b && ip addr add 192.0.2.1/24 dev wg-a && "
            "ip link set wg-a mtu 1400 up && ip link set wg-b up");
    });
    const auto rows = fact_rows(*make_interfaces({}));
    const FactRow veth = only_row(rows, {{"netns", inside.inode()}, {"name", "wg-a"}});
    EXPECT_EQ(veth.at("kind"), "veth");
    EXPECT_EQ(veth.at("mtu"), "1400");
    EXPECT_EQ(veth.at("up"), "1");
    EXPECT_EQ(veth.at("state"), "up");
    const FactRow lo = only_row(rows, {{"netns", inside.inode()}, {"name", "lo"}});
    EXPECT_EQ(lo.at("rx_packets"), "6");
    EXPECT_EQ(lo.at("rx_bytes"), std::to_string(6 * (20 + 8 + 10)));
}

TEST(MachineKernel, network_namespaces_say_how_to_enter_them) {
    const NetnsProcess inside([] { return 0; });
    const auto rows = fact_rows(*make_network_namespaces({}));
    const FactRow row = only_row(rows, {{"netns", inside.inode()}});
    EXPECT_EQ(row.at("path"), inside.path("ns/net"));
    EXPECT_EQ(row.at("pid"), inside.pid());
    EXPECT_EQ(row.at("comm"), "netns-child");
    EXPECT_EQ(row.at("processes"), "1");
    EXPECT_EQ(row.at("own"), "0");
    const FactRow own = only_row(rows, {{"own", "1"}});
    EXPECT_EQ("net:[" + own.at("netns") + "]", std::filesystem::read_symlink("/proc/self/ns/net").string());
}

TEST(MachineKernel, addresses_routes_neighbours_and_queues_of_another_namespace_are_read) {
    const NetnsProcess inside([] {
        return std::system(
            "ip link add wg-a type veth peer name wg-b && ip addr add 192.0.2.1/24 dev wg-a && "
            "ip link set wg-a up && ip link set wg-b up && ip route add 198.51.100.0/24 via 192.0.2.9 metric "
            "7 && "
            "ip route add blackhole 203.0.113.0/24 && ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev "
            "wg-a && ip addr add 2001:db8::7/64 dev wg-b nodad && ip addr add 10.9.0.1 peer 10.9.0.2/31 dev "
            "wg-b && "
            "ip addr add 192.0.2.77/32 dev lo && ip link set wg-b down && "
            "ip neigh add 192.0.2.10 nud failed dev wg-a && tc qdisc add dev wg-a root handle 5: pfifo limit "
            "17");
    });
    const auto addresses = fact_rows(*make_addresses({}));
    const auto address = [&](const char* text) {
        return only_row(addresses, {{"netns", inside.inode()}, {"address", text}});
    };
    EXPECT_EQ(address("192.0.2.1").at("interface"), "wg-a");
    EXPECT_EQ(address("192.0.2.1").at("prefix_length"), "24");
    EXPECT_EQ(address("192.0.2.1").at("scope"), "global");
    EXPECT_EQ(address("192.0.2.1").at("state"), "usable");
    EXPECT_FALSE(address("192.0.2.1").contains("peer"));
    EXPECT_EQ(address("192.0.2.77").at("interface"), "lo");
    // A device that is down has no routes any more, but its addresses (IPv6 takes its own away).
    EXPECT_EQ(address("10.9.0.1").at("peer"), "10.9.0.2");
    EXPECT_EQ(address("10.9.0.1").at("prefix_length"), "31");
    const auto routes = fact_rows(*make_routes({}));
    const FactRow route = only_row(routes, {{"netns", inside.inode()}, {"destination", "198.51.100.0/24"}});
    EXPECT_EQ(route.at("gateway"), "192.0.2.9");
    EXPECT_EQ(route.at("interface"), "wg-a");
    EXPECT_EQ(route.at("metric"), "7");
    EXPECT_EQ(route.at("kind"), "unicast");
    EXPECT_EQ(route.at("route_table"), "254");
    const FactRow hole = only_row(routes, {{"netns", inside.inode()}, {"destination", "203.0.113.0/24"}});
    EXPECT_EQ(hole.at("kind"), "blackhole");
    EXPECT_FALSE(hole.contains("gateway"));

    const auto neighbours = fact_rows(*make_neighbours({}));
    const FactRow good = only_row(neighbours, {{"netns", inside.inode()}, {"address", "192.0.2.9"}});
    EXPECT_EQ(good.at("link_address"), "02:00:00:00:00:09");
    EXPECT_EQ(good.at("state"), "PERMANENT");
    EXPECT_EQ(only_row(neighbours, {{"netns", inside.inode()}, {"address", "192.0.2.10"}}).at("state"),
              "FAILED");

    const FactRow queue =
        only_row(fact_rows(*make_qdiscs({})), {{"netns", inside.inode()}, {"kind", "pfifo"}});
    EXPECT_EQ(queue.at("interface"), "wg-a");
    EXPECT_EQ(queue.at("handle"), "5:");
    EXPECT_EQ(queue.at("parent"), "root");
    EXPECT_EQ(queue.at("limit_packets"), "17");
}

TEST(MachineKernel, a_program_loaded_here_is_among_the_bpf_programs_with_its_owner) {
    Procfs proc("/proc");
    SocketOwners owners;
    SocketOwners::Owners none;
    ASSERT_TRUE(owners.find_by_kernel(proc, none));
    const std::string pid = std::to_string(::getpid());
    const FactRow program = only_row(fact_rows(*make_bpf_programs({})), {{"pid", pid}, {"name", "on_file"}});
    EXPECT_EQ(program.at("kind"), "tracing");
    EXPECT_GT(std::stoull(program.at("memory_bytes")), 0u);
    EXPECT_GT(std::stoull(program.at("verified_instructions")), 0u);
    const FactRow link = only_row(fact_rows(*make_bpf_links({})), {{"pid", pid}});
    EXPECT_EQ(link.at("program_id"), program.at("id"));
    EXPECT_EQ(link.at("attached_to"), "iterator task_file");
    for (const FactRow& map : fact_rows(*make_bpf_maps({}))) EXPECT_GT(std::stoull(map.at("id")), 0u);
}

TEST(MachineKernel, a_deleted_file_that_is_open_is_found) {
    char name[] = "/tmp/waggle-open-XXXXXX";
    const OwnedFd fd(::mkstemp(name));
    ::unlink(name);
    const FactRow row = only_row(fact_rows(*make_open_files({})),
                                 {{"pid", std::to_string(::getpid())}, {"fd", std::to_string(fd.get())}});
    EXPECT_EQ(row.at("path"), name);
    EXPECT_EQ(row.at("deleted"), "1");
}

TEST(MachineKernel, a_setting_is_read_in_each_namespace) {
    const NetnsProcess inside([] { return std::system("sysctl -qw net.ipv4.ip_default_ttl=77"); });
    const auto rows = fact_rows(*make_sysctls({}));
    EXPECT_EQ(only_row(rows, {{"netns", inside.inode()}, {"name", "net.ipv4.ip_default_ttl"}}).at("number"),
              "77");
    // A namespace has this one from the machine, or is shown the machine's.
    const auto limit = read_file("/proc/sys/net/core/rmem_max");
    ASSERT_TRUE(limit);
    EXPECT_EQ(only_row(rows, {{"netns", inside.inode()}, {"name", "net.core.rmem_max"}}).at("value"),
              trim(*limit));
}

TEST(MachineKernel, this_process_is_among_the_processes) {
    ::prctl(PR_SET_NAME, "facts-test");
    const auto rows = fact_rows(*make_processes({}));
    const FactRow row = only_row(rows, {{"pid", std::to_string(::getpid())}});
    EXPECT_EQ(row.at("comm"), "facts-test");
    EXPECT_EQ(row.at("exe"), std::filesystem::read_symlink("/proc/self/exe").string());
    EXPECT_EQ(row.at("parent_pid"), std::to_string(::getppid()));
    EXPECT_EQ(row.at("state"), "R");
    EXPECT_GT(std::stoull(row.at("rss_bytes")), 100'000u);
    const FactRow kthreadd = only_row(rows, {{"pid", "2"}});
    EXPECT_EQ(kthreadd.at("kernel_thread"), "1");
    EXPECT_EQ(kthreadd.at("exe"), "");
}

class LoopDevice {
  public:
    LoopDevice() {
        char name[] = "/tmp/waggle-image-XXXXXX";
        ::close(::mkstemp(name));
        image_ = name;
        std::filesystem::resize_file(image_, 8u << 20);
        FILE* pipe = ::popen(("losetup --find --show " + image_).c_str(), "r");
        char line[64] = "";
        EXPECT_NE(std::fgets(line, sizeof line, pipe), nullptr);
        ::pclose(pipe);
        device_ = trim(line);
    }
    ~LoopDevice() {
        EXPECT_EQ(std::system(("losetup -d " + device_).c_str()), 0);
        std::filesystem::remove(image_);
    }
    std::string name() const { return device_.substr(5); }
    const std::string& image() const { return image_; }

  private:
    std::string image_, device_;
};

TEST(MachineKernel, a_loop_device_names_the_file_behind_it) {
    const LoopDevice loop;
    const FactRow row = only_row(fact_rows(*make_block_devices({})), {{"name", loop.name()}});
    EXPECT_EQ(row.at("backing_file"), loop.image());
    EXPECT_EQ(row.at("size_bytes"), std::to_string(8u << 20));
    EXPECT_TRUE(row.at("device").starts_with("7:"));
}

}  // namespace
}  // namespace waggle::facts
