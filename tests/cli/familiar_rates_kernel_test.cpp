// SPDX-License-Identifier: Apache-2.0
// What `waggle ifstat`, `tc -s` and `nstat` say of a network namespace of the test's own, beside what ip, tc and nstat say of the
// same traffic: equal.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/session.h"
#include "base/clock.h"
#include "cli/familiar/familiar_names.h"
#include "facts/testing/netns_process.h"
#include "render/json.h"

namespace waggle::cli {
namespace {

using nlohmann::json;

// In the namespace: devices, a slow queue, and nothing that sends by itself.
constexpr std::string_view setup =
    "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > "
    "/proc/sys/net/ipv6/conf/default/disable_ipv6; "
    "ip link add left type veth peer name right && ip link set left up && ip link set right up && "
    "ip addr add 198.51.100.1/24 dev left && ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:03 dev left && "
    "tc qdisc add dev left root handle 1: tbf rate 8kbit burst 2k limit 3k";
// More than the queue takes, and until it is empty, so that nothing moves while it is read.
constexpr std::string_view traffic =
    "for i in $(seq 20); do head -c 500 /dev/zero > /dev/udp/198.51.100.2/9; echo x > /dev/udp/127.0.0.1/9; "
    "done; "
    "for i in $(seq 600); do tc -s qdisc show dev left | grep -q 'backlog 0b 0p' && break; sleep 0.1; done";

class FamiliarRates : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/waggle-rates-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    // Everything that is asked, before the traffic and after it: by the known tools into files, by waggle once.
    int look() const {
        if (!shell(setup) || !known_tools("before")) return 1;
        const SystemClock clock;
        agent::SessionOptions options;
        options.facts_only = true;
        const auto session = agent::Session::start(options, clock);
        if (!session) return 2;
        agent::Store& store = (*session)->store();
        const std::vector<std::string> tables = {"interfaces", "qdiscs", "net_counters"};
        (*session)->read_baseline_of(tables);
        if (!shell(traffic)) return 3;
        store.begin_moment((*session)->window(), 0);
        for (const std::vector<std::string>& words :
             {std::vector<std::string>{"ifstat"}, {"tc", "-s", "qdisc"}, {"nstat", "-z"}}) {
            std::vector<std::string> ours = words;
            if (!make_ours(ours)) return 4;
            if (!keep(store, ours[1], words.front())) return 5;
        }
        if (!keep(store, "SELECT max(delta_seconds) AS seconds FROM interfaces", "interface_seconds") ||
            !keep(store, "SELECT max(delta_seconds) AS seconds FROM qdiscs", "qdisc_seconds"))
            return 6;
        return known_tools("after") ? 0 : 7;
    }

    bool shell(std::string_view commands) const {
        const std::string script = folder_ + "/script";
        std::ofstream(script) << commands << "\n";
        return std::system(("bash " + script).c_str()) == 0;
    }
    bool known_tools(std::string_view when) const {
        return shell(
            fmt::format("cd {} && ip -s -j link > links.{} && tc -s -j qdisc show > queues.{} && "
                        "nstat -a -s -z -j > counters.{}",
                        folder_, when, when, when));
    }
    bool keep(agent::Store& store, const std::string& sql, const std::string& name) const {
        const auto result = store.sql().query(sql);
        if (!result) return false;
        std::ofstream(folder_ + "/" + name) << sinks::result_json_lines(*result);
        return true;
    }

    json known(const std::string& name) const { return json::parse(std::ifstream(folder_ + "/" + name)); }
    std::vector<json> ours(const std::string& name) const {
        std::vector<json> rows;
        std::ifstream in(folder_ + "/" + name);
        for (std::string line; std::getline(in, line);) rows.push_back(json::parse(line));
        return rows;
    }
    static const json* row_of(const std::vector<json>& rows, const json& wanted) {
        for (const json& row : rows) {
            bool fits = true;
            for (const auto& [key, value] : wanted.items()) fits &= row.at(key) == value;
            if (fits) return &row;
        }
        return nullptr;
    }
    double seconds(const std::string& name) const { return ours(name).at(0).at("seconds").get<double>(); }

    std::string folder_;
};

std::uint64_t in_all(const json& rate, double seconds) {
    return static_cast<std::uint64_t>(std::llround(rate.get<double>() * seconds));
}

TEST_F(FamiliarRates, what_devices_queues_and_protocols_did_is_what_ip_tc_and_nstat_say) {
    const facts::NetnsProcess inside([&] { return look(); });

    const json links_before = known("links.before"), links_after = known("links.after");
    const std::vector<json> devices = ours("ifstat");
    const double device_seconds = seconds("interface_seconds");
    std::uint64_t carried = 0;
    for (std::size_t i = 0; i < links_after.size(); ++i) {
        const json& after = links_after[i].at("stats64");
        const json& before = links_before.at(i).at("stats64");
        const json* row = row_of(devices, {{"interface", links_after[i].at("ifname")}});
        ASSERT_NE(row, nullptr) << links_after[i].at("ifname");
        const auto added = [&](const char* side, const char* counter) {
            return after.at(side).at(counter).get<std::uint64_t>() -
                   before.at(side).at(counter).get<std::uint64_t>();
        };
        EXPECT_EQ(in_all(row->at("received_bytes_per_second"), device_seconds), added("rx", "bytes"));
        EXPECT_EQ(in_all(row->at("received_packets_per_second"), device_seconds), added("rx", "packets"));
        EXPECT_EQ(in_all(row->at("sent_bytes_per_second"), device_seconds), added("tx", "bytes"));
        EXPECT_EQ(in_all(row->at("sent_packets_per_second"), device_seconds), added("tx", "packets"));
        EXPECT_EQ(row->at("received_drops"), added("rx", "dropped"));
        EXPECT_EQ(row->at("receive_errors"), added("rx", "errors"));
        EXPECT_EQ(row->at("sent_drops"), added("tx", "dropped"));
        EXPECT_EQ(row->at("send_errors"), added("tx", "errors"));
        carried += added("tx", "packets");
    }
    EXPECT_EQ(devices.size(), 3u);  // lo, left, right
    EXPECT_GE(carried, 20u);

    const json queues_before = known("queues.before"), queues_after = known("queues.after");
    const std::vector<json> queues = ours("tc");
    const double queue_seconds = seconds("qdisc_seconds");
    const auto is_slow = [](const json& queue) { return queue.at("kind") == "tbf"; };
    const auto after = std::ranges::find_if(queues_after, is_slow);
    const auto before = std::ranges::find_if(queues_before, is_slow);
    ASSERT_NE(after, queues_after.end());
    ASSERT_NE(before, queues_before.end());
    const json* slow = row_of(queues, {{"interface", "left"}, {"kind", "tbf"}});
    ASSERT_NE(slow, nullptr);
    const auto added = [&](const char* counter) {
        return after->at(counter).get<std::uint64_t>() - before->at(counter).get<std::uint64_t>();
    };
    EXPECT_EQ(slow->at("sent_bytes"), after->at("bytes"));
    EXPECT_EQ(slow->at("sent_packets"), after->at("packets"));
    EXPECT_EQ(slow->at("drops"), after->at("drops"));
    EXPECT_EQ(slow->at("overlimits"), after->at("overlimits"));
    EXPECT_EQ(slow->at("requeues"), after->at("requeues"));
    EXPECT_EQ(slow->at("backlog_bytes"), after->at("backlog"));
    EXPECT_EQ(slow->at("backlog_packets"), after->at("qlen"));
    EXPECT_EQ(in_all(slow->at("sent_bytes_per_second"), queue_seconds), added("bytes"));
    EXPECT_EQ(in_all(slow->at("sent_packets_per_second"), queue_seconds), added("packets"));
    EXPECT_EQ(in_all(slow->at("drops_per_second"), queue_seconds), added("drops"));
    EXPECT_EQ(added("packets") + added("drops"), 20u);
    EXPECT_GT(added("drops"), 0u);

    const json counters_before = known("counters.before").at("kernel");
    const json counters_after = known("counters.after").at("kernel");
    const std::vector<json> counters = ours("nstat");
    int compared = 0;
    for (const auto& [name, value] : counters_after.items()) {
        const json* row = row_of(counters, {{"name", name}});
        if (!row) continue;  // nstat makes some of its own
        EXPECT_EQ(row->at("added").get<std::int64_t>(),
                  value.get<std::int64_t>() - counters_before.value(name, std::int64_t{0}))
            << name;
        ++compared;
    }
    EXPECT_GT(compared, 200);
    const auto grown = [&](const char* name) {
        return row_of(counters, {{"name", name}})->at("added").get<std::int64_t>();
    };
    EXPECT_EQ(grown("UdpOutDatagrams") + grown("UdpSndbufErrors"), 40)
        << "those that the queue drops are the latter";
}

}  // namespace
}  // namespace waggle::cli
