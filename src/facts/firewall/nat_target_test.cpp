// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall/nat_target.h"

#include <gtest/gtest.h>

namespace waggle::facts {
namespace {

// Whether a rule sends to that address and port; "none" for a rule that rewrites no destination.
std::string legacy(const std::string& rule, const std::string& address, std::uint16_t port) {
    const std::string verdict = rule.find("-j DNAT") != std::string::npos       ? "DNAT"
                                : rule.find("-j REDIRECT") != std::string::npos ? "REDIRECT"
                                                                                : "accept";
    const auto target = nat_target("iptables-legacy", verdict, rule, {});
    return !target ? "none" : is_at(*target, parse_address(address), port) ? "yes" : "no";
}
std::string nft(const std::string& verdict, const std::string& statement, const std::string& address,
                std::uint16_t port) {
    const auto target =
        nat_target("nftables", verdict, "", R"({"expr": [{"counter": null}, )" + statement + "]}");
    return !target ? "none" : is_at(*target, parse_address(address), port) ? "yes" : "no";
}

TEST(NatTarget, of_iptables_is_where_it_says) {
    const std::string dnat = "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination ";
    EXPECT_EQ(legacy(dnat + "192.0.2.1:8081", "192.0.2.1", 8081), "yes");
    EXPECT_EQ(legacy(dnat + "192.0.2.1:8081", "192.0.2.1", 8082), "no");
    EXPECT_EQ(legacy(dnat + "192.0.2.1:8081", "192.0.2.2", 8081), "no");
    EXPECT_EQ(legacy(dnat + "192.0.2.1", "192.0.2.1", 80), "yes");  // the port stays
    EXPECT_EQ(legacy(dnat + ":8081", "192.0.2.7", 8081), "yes");    // the address stays
    EXPECT_EQ(legacy(dnat + "[2001:db8::1]:8081", "2001:db8::1", 8081), "yes");
    EXPECT_EQ(legacy(dnat + "2001:db8::1", "2001:db8::1", 9), "yes");
    EXPECT_EQ(legacy("-A PREROUTING -p tcp -j REDIRECT --to-ports 8081", "192.0.2.2", 8081), "yes");
    EXPECT_EQ(legacy("-A PREROUTING -p tcp -j REDIRECT --to-ports 8081", "192.0.2.2", 8080), "no");
    EXPECT_EQ(legacy("-A PREROUTING -p tcp -j REDIRECT", "192.0.2.2", 8080), "no");
    EXPECT_EQ(legacy("-A PREROUTING -p tcp -j ACCEPT", "192.0.2.2", 8080), "none");
}

TEST(NatTarget, that_is_not_whole_in_the_words_fits_nothing) {
    EXPECT_EQ(legacy("-A P -j DNAT --to-destination 192.0.2.1-192.0.2.9:80", "192.0.2.1", 80), "no");
    EXPECT_EQ(legacy("-A P -j REDIRECT --to-ports 8000-8010", "192.0.2.1", 8000), "no");
    EXPECT_EQ(nft("dnat", R"({"dnat": {"addr": {"map": {}}, "port": 80}})", "192.0.2.1", 80), "no");
}

TEST(NatTarget, of_nft_is_where_it_says) {
    const std::string dnat = R"({"dnat": {"addr": "198.51.100.2", "port": 8081}})";
    EXPECT_EQ(nft("dnat", dnat, "198.51.100.2", 8081), "yes");
    EXPECT_EQ(nft("dnat", dnat, "198.51.100.2", 80), "no");
    EXPECT_EQ(nft("dnat", dnat, "198.51.100.3", 8081), "no");
    EXPECT_EQ(nft("redirect", R"({"redirect": {"port": 8081}})", "192.0.2.2", 8081), "yes");
    EXPECT_EQ(nft("redirect", R"({"redirect": null})", "192.0.2.2", 8081), "no");
    EXPECT_EQ(nft("accept", R"({"accept": null})", "192.0.2.2", 8081), "none");
    // iptables-nft has words of its own.
    const auto own = nat_target("nftables", "DNAT", "",
                                R"({"expr": [], "iptables": "-A P -j DNAT --to-destination 192.0.2.1:7"})");
    ASSERT_TRUE(own);
    EXPECT_TRUE(is_at(*own, parse_address("192.0.2.1"), 7));
}

}  // namespace
}  // namespace waggle::facts
