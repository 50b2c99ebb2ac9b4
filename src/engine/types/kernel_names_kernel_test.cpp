// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "engine/types/btf_names.h"
#include "symbols/symbols.h"

namespace waggle::kernel {
namespace {

std::vector<std::string> values(const EnumNames& names) {
    std::vector<std::string> out;
    for (const auto& [value, name] : names) out.push_back(name);
    return out;
}

TEST(KernelNamesKernel, this_kernel_names_its_drop_reasons) {
    const auto names = drop_reason_names();
    ASSERT_TRUE(names) << names.error().message;
    EXPECT_THAT(values(*names), testing::IsSupersetOf({"NOT_SPECIFIED", "NO_SOCKET", "NETFILTER_DROP",
                                                       "SOCKET_RCVBUFF", "TCP_RESET", "QDISC_DROP"}));
    EXPECT_THAT(values(*names), testing::Not(testing::Contains(testing::HasSubstr("MAX"))));
}

TEST(KernelNamesKernel, any_enum_of_this_kernel_is_read) {
    const auto sockets = enum_names("sock_type", "SOCK_");
    ASSERT_TRUE(sockets) << sockets.error().message;
    EXPECT_EQ(sockets->at(1), "STREAM");
    EXPECT_EQ(sockets->at(2), "DGRAM");
}

// The file itself is the second truth, read in another way.
TEST(KernelNamesKernel, every_hundredth_function_is_found_at_its_address) {
    const auto opened = Symbols::open();
    ASSERT_TRUE(opened) << opened.error().message;
    const auto symbols = Symbols::read(*opened);
    ASSERT_TRUE(symbols) << symbols.error().message;
    EXPECT_LT(symbols->held_bytes(), 8u << 20);
    std::ifstream file("/proc/kallsyms");
    std::string line;
    std::uint64_t last = 0;
    std::size_t code = 0, checked = 0;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string address_text, type, name, module;
        words >> address_text >> type >> name >> module;
        const std::uint64_t address = std::stoull(address_text, nullptr, 16);
        const bool alias = address == last;
        last = address;
        if (type != "T" || !module.empty() || alias || ++code % 100 != 0 || name == "_etext") continue;
        const Symbol found = symbols->find(address);
        EXPECT_EQ(found.offset, 0u) << line;
        if (name.front() != '_') {
            EXPECT_EQ(found.name, name) << line;
        }
        ++checked;
    }
    EXPECT_GT(checked, 100u);
}

}  // namespace
}  // namespace waggle::kernel
