// SPDX-License-Identifier: Apache-2.0
// How the facts go through the network namespaces.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/testing/fact_rows.h"
#include "facts/testing/netns_process.h"
#include "host/netns.h"

namespace waggle::facts {
namespace {

struct empty_fact {
    __u64 nothing;
};
constexpr Field empty_fields[] = {WAGGLE_FIELD(empty_fact, nothing, Unit::none, "Nothing.")};
constexpr Schema empty_schema = {"empty", "Nothing.", sizeof(empty_fact), empty_fields, false};

class BrokenFact final : public NamespaceFact {
  public:
    BrokenFact() : NamespaceFact({}) {}
    const Schema& schema() const override { return empty_schema; }
    Result<void> read_in(const NetworkNamespace&, const RowSink&) override {
        ++tries;
        return Error{"it cannot be read"};
    }
    int tries = 0;
};

// Every fact that this build has, read at one moment.
struct WholeReading {
    explicit WholeReading(NamespaceTour& tour) {
        std::vector<FactReading> due;
        for (const std::unique_ptr<Fact>& fact : facts) {
            std::vector<FactRow>* to = &rows[std::string(fact->schema().name)];
            due.push_back({fact.get(), [to](const Row& row) { to->push_back(fact_row(row)); }, {}});
        }
        read_facts(due, tour);
    }
    std::vector<std::unique_ptr<Fact>> facts = all_facts();
    std::map<std::string, std::vector<FactRow>> rows;
};

TEST(NamespacesKernel, one_moment_enters_each_namespace_once_however_many_facts_are_read) {
    const NetnsProcess first([] { return 0; }), second([] { return 0; });
    std::map<std::uint32_t, int> entries;
    NamespaceTour tour({}, [&](const NetworkNamespace& netns) {
        ++entries[netns.inode];
        return NamespaceTour::enter(netns);
    });
    const WholeReading whole(tour);
    for (const NetnsProcess* inside : {&first, &second}) {
        EXPECT_EQ(entries[inside->netns()], 1);
        for (const char* table : {"net_counters", "interfaces", "routes", "sysctls", "network_namespaces"}) {
            const std::vector<FactRow>& rows = whole.rows.at(table);
            EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const FactRow& row) {
                return row.at("netns") == inside->inode();
            })) << table;
        }
    }
    for (const auto& [netns, times] : entries) EXPECT_EQ(times, 1) << netns;
    EXPECT_FALSE(entries.contains(tour.namespaces().front().inode)) << "the reader is in its own already";
}

// A rule that is gone is told by the rules that are there: they are read first, in whatever order the facts are named.
TEST(NamespacesKernel, what_is_of_no_namespace_is_read_after_the_tour) {
    class LateFact final : public Fact {
      public:
        explicit LateFact(const BrokenFact& toured) : toured_(toured) {}
        const Schema& schema() const override { return empty_schema; }
        Result<void> read(const RowSink&) override {
            tries_seen = toured_.tries;
            return {};
        }
        int tries_seen = 0;

      private:
        const BrokenFact& toured_;
    };
    BrokenFact toured;
    LateFact late(toured);
    NamespaceTour tour;
    std::vector<FactReading> due = {{&late, [](const Row&) {}, {}}, {&toured, [](const Row&) {}, {}}};
    read_facts(due, tour);
    EXPECT_GT(late.tries_seen, 0);
}

TEST(NamespacesKernel, those_that_a_pair_of_devices_joins_have_one_number_and_others_another) {
    const NetnsProcess first([] { return 0; }), second([] { return 0; }), third([] { return 0; }),
        apart([] { return 0; });
    const auto join = [](const NetnsProcess& one, const NetnsProcess& other, const std::string& name) {
        return std::system(("ip link add " + name + " netns " + one.pid() + " type veth peer name " + name +
                            " netns " + other.pid())
                               .c_str());
    };
    ASSERT_EQ(join(first, second, "ab"), 0);
    ASSERT_EQ(join(second, third, "bc"), 0);
    std::map<std::string, std::string> joined;
    const auto fact = make_network_namespaces({});
    ASSERT_TRUE(fact->read([&](const Row& row) {
        const FactRow all = fact_row(row);
        joined[all.at("netns")] = all.at("joined");
    }));
    EXPECT_EQ(joined.at(first.inode()), joined.at(third.inode()));
    EXPECT_EQ(joined.at(second.inode()), joined.at(third.inode()));
    EXPECT_EQ(joined.at(apart.inode()), apart.inode());
    EXPECT_NE(joined.at(first.inode()), joined.at(apart.inode()));
}

TEST(NamespacesKernel, a_moment_lists_the_namespaces_once) {
    NamespaceTour tour;
    const std::size_t before = tour.namespaces().size();
    const NetnsProcess inside([] { return 0; });
    const auto is_there = [&] {
        const auto& all = tour.namespaces();
        return std::any_of(all.begin(), all.end(),
                           [&](const NetworkNamespace& netns) { return netns.inode == inside.netns(); });
    };
    EXPECT_FALSE(is_there());
    EXPECT_EQ(tour.namespaces().size(), before);
    tour.begin_moment();
    EXPECT_TRUE(is_there());
}

TEST(NamespacesKernel, a_namespace_that_ended_within_the_moment_is_passed_over) {
    NamespaceTour tour;
    NetnsProcess inside([] { return 0; });
    ASSERT_FALSE(tour.namespaces().empty());
    inside.end();
    std::string missed;
    tour.visit_each([&](const NetworkNamespace& netns) { EXPECT_NE(netns.inode, inside.netns()); },
                    [&](const Error& error) { missed += error.message; });
    EXPECT_EQ(missed.find(inside.inode()), std::string::npos) << missed;
}

// A namespace ends with its last process, and takes its devices with it: the other end of a wire goes too. A socket or
// descriptor that somebody keeps would keep all of it alive.
TEST(NamespacesKernel, a_namespace_that_ended_is_let_go_though_all_facts_were_read_and_are_kept) {
    const NetnsProcess stays([] { return 0; });
    NetnsProcess ends([] {
        // A listener whose queue is full, which is looked at four times.
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = loopback_address(8080);
        const auto* where = reinterpret_cast<const sockaddr*>(&address);
        if (::bind(listener, where, sizeof address) != 0 || ::listen(listener, 1) != 0) return 1;
        for (int i = 0; i < 2; ++i) {
            const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::connect(client, where, sizeof address) != 0) return 1;
        }
        return 0;
    });
    ASSERT_EQ(std::system(
                  ("ip link add wg-k netns " + ends.pid() + " type veth peer name wg-k netns " + stays.pid())
                      .c_str()),
              0);
    ASSERT_NE(stays.output("ip link show wg-k").find("wg-k"), std::string::npos);
    NamespaceTour tour;
    const WholeReading whole(tour);
    const std::vector<FactRow>& sockets = whole.rows.at("sockets");
    EXPECT_EQ(only_row(sockets, {{"netns", ends.inode()}, {"state", "LISTEN"}}).at("accept_queue"), "2");
    ends.end();
    std::string shown;
    for (int tries = 0; tries < 100; ++tries) {
        shown = stays.output("ip -o link show type veth");
        if (shown.empty()) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(shown, "");
}

TEST(NamespacesKernel, a_fact_that_fails_is_no_matter_to_the_others) {
    const NetnsProcess inside([] { return 0; });
    BrokenFact broken;
    const auto interfaces = make_interfaces({});
    std::vector<FactRow> rows;
    FactReading due[] = {{&broken, [](const Row&) {}, {}},
                         {interfaces.get(), [&](const Row& row) { rows.push_back(fact_row(row)); }, {}}};
    NamespaceTour tour;
    read_facts(due, tour);
    ASSERT_FALSE(due[0].result);
    EXPECT_EQ(due[0].result.error().message, "it cannot be read");
    EXPECT_GE(broken.tries, 2) << "what fails in one namespace is tried in the next";
    EXPECT_TRUE(due[1].result);
    only_row(rows, {{"netns", inside.inode()}, {"name", "lo"}});
}

}  // namespace
}  // namespace waggle::facts
