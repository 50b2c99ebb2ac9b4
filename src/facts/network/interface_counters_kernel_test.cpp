// SPDX-License-Identifier: Apache-2.0
// Counters of devices and queues against those of ip and tc, in a namespace of the test's own whose devices were made to
// count by known numbers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "facts/makers.h"
#include "facts/testing/fact_rows.h"
#include "facts/testing/netns_process.h"

namespace waggle::facts {
namespace {

constexpr int frames = 5, sent = 20, may_wait = 4;

// A tap device of which nobody reads.
int make_tap() {
    const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    ifreq request{};
    std::strcpy(request.ifr_name, "tap0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (fd < 0 || ::ioctl(fd, TUNSETIFF, &request) != 0) return 1;
    if (std::system("ip link set tap0 txqueuelen 4 up") != 0) return 2;
    unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    for (int i = 0; i < frames; ++i)
        if (::write(fd, frame, sizeof frame) != static_cast<ssize_t>(sizeof frame)) return 3;
    return 0;
}

struct Scene {
    Scene() {
        char name[] = "/tmp/waggle-counters-XXXXXX";
        folder = ::mkdtemp(name);
    }
    ~Scene() { std::filesystem::remove_all(folder); }
    int make() const {
        // Nothing but what the test sends: no router is asked for, no group joined.
        std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << 1;
        std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << 1;
        if (const int failed = make_tap(); failed != 0) return failed;
        const std::string all =
            "ip addr add 192.0.2.1/24 dev tap0 && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev tap0 "
            "&& "
            "ip link add left type veth peer name right && ip link set left up && ip link set right up && "
            "ip addr add 198.51.100.1/24 dev left && ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:03 dev "
            "left && "
            "tc qdisc add dev left root handle 1: tbf rate 8kbit burst 2k limit 3k && "
            "for i in $(seq 20); do echo x > /dev/udp/192.0.2.2/9; head -c 500 /dev/zero > "
            "/dev/udp/198.51.100.2/9; done; "
            // Until the slow queue is empty, so that it does not move while it is read.
            "for i in $(seq 600); do tc -s qdisc show dev left | grep -q 'backlog 0b 0p' && break; sleep "
            "0.1; done; "
            "ip -s -s -j link > " +
            folder + "/links; tc -s -j qdisc show > " + folder + "/qdiscs";
        const std::string script = folder + "/make";
        std::ofstream(script) << "set -e\n" << all << "\n";
        return std::system(("bash " + script).c_str()) == 0 ? 0 : 5;
    }
    nlohmann::json json(const char* name) const {
        return nlohmann::json::parse(std::ifstream(folder + "/" + name));
    }
    std::string folder;
};

TEST(InterfaceCountersKernel, each_counter_of_each_device_is_what_ip_says) {
    const Scene scene;
    const NetnsProcess inside([&] { return scene.make(); });
    const auto fact = make_interfaces({});
    const auto rows = fact_rows(*fact);
    // Ours by theirs. ip folds nothing together in this output.
    const std::map<std::string, std::string> receive = {{"rx_bytes", "bytes"},
                                                        {"rx_packets", "packets"},
                                                        {"rx_errors", "errors"},
                                                        {"rx_dropped", "dropped"},
                                                        {"rx_multicast", "multicast"},
                                                        {"rx_length_errors", "length_errors"},
                                                        {"rx_crc_errors", "crc_errors"},
                                                        {"rx_frame_errors", "frame_errors"},
                                                        {"rx_fifo_errors", "fifo_errors"},
                                                        {"rx_missed", "missed_errors"}};
    const std::map<std::string, std::string> send = {{"tx_bytes", "bytes"},
                                                     {"tx_packets", "packets"},
                                                     {"tx_errors", "errors"},
                                                     {"tx_dropped", "dropped"},
                                                     {"tx_collisions", "collisions"},
                                                     {"tx_aborted_errors", "aborted_errors"},
                                                     {"tx_fifo_errors", "fifo_errors"},
                                                     {"tx_window_errors", "window_errors"},
                                                     {"tx_heartbeat_errors", "heartbeat_errors"},
                                                     {"tx_carrier_errors", "carrier_errors"}};
    int devices = 0, compared = 0;
    for (const auto& link : scene.json("links")) {
        const std::string name = link.at("ifname");
        const FactRow row = only_row(rows, {{"netns", std::to_string(inside.netns())}, {"name", name}});
        for (const auto& [side, columns] : {std::pair{"rx", &receive}, std::pair{"tx", &send}})
            for (const auto& [ours, theirs] : *columns) {
                const auto& values = link.at("stats64").at(side);
                if (!values.contains(theirs)) continue;
                EXPECT_EQ(row.at(ours), std::to_string(values.at(theirs).get<std::uint64_t>()))
                    << name << " " << ours;
                ++compared;
            }
        ++devices;
    }
    EXPECT_EQ(devices, 4);  // lo, tap0, left, right
    EXPECT_GE(compared, 4 * 15);
    const FactRow tap = only_row(rows, {{"netns", std::to_string(inside.netns())}, {"name", "tap0"}});
    EXPECT_EQ(tap.at("kind"), "tun");
    EXPECT_EQ(tap.at("rx_packets"), std::to_string(frames));
    EXPECT_EQ(tap.at("rx_bytes"), std::to_string(frames * 60));
    EXPECT_EQ(tap.at("tx_dropped"), std::to_string(sent - may_wait)) << "nobody reads, and so many can wait";
}

TEST(InterfaceCountersKernel, each_counter_of_each_queue_is_what_tc_says) {
    const Scene scene;
    const NetnsProcess inside([&] { return scene.make(); });
    const auto fact = make_qdiscs({});
    const auto rows = fact_rows(*fact);
    int compared = 0;
    for (const auto& queue : scene.json("qdiscs")) {
        if (queue.at("kind") == "noqueue") continue;
        const FactRow row =
            only_row(rows, {{"netns", std::to_string(inside.netns())},
                            {"interface", queue.at("dev")},
                            {"kind", queue.at("kind")},
                            {"handle", queue.at("handle")},
                            {"parent", queue.value("root", false) ? "root" : queue.value("parent", "")}});
        for (const auto& [ours, theirs] :
             {std::pair{"packets", "packets"}, std::pair{"bytes", "bytes"}, std::pair{"drops", "drops"},
              std::pair{"overlimits", "overlimits"}, std::pair{"requeues", "requeues"},
              std::pair{"backlog_packets", "qlen"}, std::pair{"backlog_bytes", "backlog"}}) {
            EXPECT_EQ(row.at(ours), std::to_string(queue.at(theirs).get<std::uint64_t>()))
                << queue.at("dev") << " " << ours;
            ++compared;
        }
    }
    EXPECT_GE(compared, 2 * 7);  // the queue of tap0, and tbf
    const FactRow slow =
        only_row(rows, {{"netns", std::to_string(inside.netns())}, {"interface", "left"}, {"kind", "tbf"}});
    EXPECT_GT(std::stoi(slow.at("drops")), 0);
    EXPECT_EQ(std::stoi(slow.at("packets")) + std::stoi(slow.at("drops")), sent);
}

}  // namespace
}  // namespace waggle::facts
