// SPDX-License-Identifier: Apache-2.0
#include "symbols/symbols.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace waggle::kernel {
namespace {

using testing::HasSubstr;

class SymbolsTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = std::filesystem::temp_directory_path() / "symbols_XXXXXX";
        const int fd = mkstemp(pattern.data());
        ASSERT_GE(fd, 0);
        close(fd);
        path_ = pattern;
    }
    void TearDown() override { std::filesystem::remove(path_); }
    Result<Symbols> read(const std::string& text) const {
        std::ofstream(path_) << text;
        const Result<OwnedFd> file = Symbols::open(path_);
        if (!file) return file.error();
        return Symbols::read(*file);
    }

    std::string path_;
};

TEST_F(SymbolsTest, finds_the_function_an_address_lies_in) {
    const auto symbols = read(
        "0000000000000000 A fixed_percpu_data\n"
        "ffffffff81000000 T first\n"
        "ffffffff81000100 t second\n"
        "ffffffff81000180 D not_code\n"
        "ffffffff81000200 W third\n");
    ASSERT_TRUE(symbols) << symbols.error().message;
    EXPECT_EQ(symbols->count(), 3u);
    EXPECT_EQ(to_string(symbols->find(0xffffffff81000000)), "first");
    EXPECT_EQ(to_string(symbols->find(0xffffffff810000ff)), "first+0xff");
    EXPECT_EQ(to_string(symbols->find(0xffffffff8100018c)), "second+0x8c");
    EXPECT_EQ(to_string(symbols->find(0xffffffff80ffffff)), "");
    EXPECT_EQ(to_string(symbols->find(0)), "");
    EXPECT_EQ(to_string(symbols->find(0xffffffff91000200)), "");  // far behind the last function
}

TEST_F(SymbolsTest, finds_variables_where_they_are_asked_for) {
    std::ofstream(path_) << "0000000000000040 D of_each_processor\n"
                            "ffffffff81000000 T function\n"
                            "ffffffff82000000 D table_mutex\n"
                            "ffffffff82000040 b next\n"
                            "ffffffffc0000000 d own_lock\t[nf_tables]\n";
    const auto file = Symbols::open(path_);
    ASSERT_TRUE(file) << file.error().message;
    const auto variables = Symbols::read(*file, SymbolKind::variables);
    ASSERT_TRUE(variables) << variables.error().message;
    EXPECT_EQ(variables->count(), 3u);
    EXPECT_EQ(to_string(variables->find(0xffffffff82000000)), "table_mutex");
    EXPECT_EQ(to_string(variables->find(0xffffffff82000048)), "next+0x8");
    EXPECT_EQ(to_string(variables->find(0xffffffffc0000000)), "own_lock [nf_tables]");
    EXPECT_EQ(to_string(variables->find(0xffffffff81000000)), "");
    EXPECT_EQ(to_string(variables->find(0xffff888000000040)), "");
}

TEST_F(SymbolsTest, finds_what_a_module_brought_later_but_does_not_read_for_ever) {
    std::ofstream(path_) << "ffffffff81000000 T core\n";
    auto file = Symbols::open(path_);
    ASSERT_TRUE(file) << file.error().message;
    SymbolFinder finder(std::move(*file), SymbolKind::functions, 2);
    EXPECT_EQ(to_string(finder.find(0xffffffff81000000)), "core");
    std::ofstream(path_, std::ios::app) << "ffffffffc0000000 t late\t[module]\n";
    EXPECT_EQ(to_string(finder.find_return(0xffffffffc0000008)), "late+0x8 [module]");
    std::ofstream(path_, std::ios::app) << "ffffffffc0800000 t too_late\t[module]\n";
    EXPECT_EQ(to_string(finder.find(0xffffffffc0800000)), "");
    EXPECT_EQ(to_string(finder.find_return(0)), "");
}

TEST_F(SymbolsTest, a_call_that_ends_its_function_returns_to_its_own_end) {
    const auto symbols = read("ffffffff81000000 T caller\nffffffff81000020 T next\n");
    ASSERT_TRUE(symbols);
    EXPECT_EQ(to_string(symbols->find_return(0xffffffff81000020)), "caller+0x20");
    EXPECT_EQ(to_string(symbols->find_return(0xffffffff81000000)), "");
    EXPECT_EQ(to_string(symbols->find_return(0)), "");
}

TEST_F(SymbolsTest, names_the_module_and_sorts_what_modules_add) {
    const auto symbols = read(
        "ffffffff81000000 T core\n"
        "ffffffff81000400 T _etext\n"
        "ffffffffc0002000 t nft_do_chain\t[nf_tables]\n"
        "ffffffffc0001000 t veth_xmit\t[veth]\n");
    ASSERT_TRUE(symbols);
    EXPECT_EQ(to_string(symbols->find(0xffffffffc00021f0)), "nft_do_chain+0x1f0 [nf_tables]");
    EXPECT_EQ(to_string(symbols->find(0xffffffffc0001010)), "veth_xmit+0x10 [veth]");
    EXPECT_EQ(to_string(symbols->find(0xffffffff81000500)), "");  // behind the kernel's own code
    EXPECT_EQ(symbols->find(0xffffffffc0001010).module, "veth");
}

TEST_F(SymbolsTest, of_two_names_for_one_place_takes_the_one_people_know) {
    const auto symbols = read(
        "ffffffff81000000 T __pi_memcpy\n"
        "ffffffff81000000 T memcpy\n"
        "ffffffff81000000 T __memcpy\n"
        "ffffffff81000040 T after\n");
    ASSERT_TRUE(symbols);
    EXPECT_EQ(to_string(symbols->find(0xffffffff81000000)), "memcpy");
    EXPECT_EQ(to_string(symbols->find(0xffffffff81000041)), "after+0x1");
}

TEST_F(SymbolsTest, says_so_when_the_kernel_hides_its_addresses) {
    const auto symbols = read("0000000000000000 T _text\n0000000000000000 T start_kernel\n");
    ASSERT_FALSE(symbols);
    EXPECT_EQ(symbols.error().kind, ErrorKind::privilege);
    EXPECT_THAT(symbols.error().message, HasSubstr("CAP_SYSLOG"));
}

TEST_F(SymbolsTest, passes_over_what_is_no_symbol) {
    const auto symbols =
        read("\n\nzzz\nffffffff81000000\nffffffff81000000 T\nffffffff81000000 T \n" +
             std::string(200'000, 'x') + "\nffffffff81000010 t good\nffffffff81000020 t last");
    ASSERT_TRUE(symbols) << symbols.error().message;
    EXPECT_EQ(symbols->count(), 2u);
    EXPECT_EQ(to_string(symbols->find(0xffffffff81000010)), "good");
    EXPECT_EQ(to_string(symbols->find(0xffffffff81000020)), "last");
    EXPECT_FALSE(read("nothing here\n"));
    EXPECT_FALSE(Symbols::open(path_ + ".gone"));
}

}  // namespace
}  // namespace waggle::kernel
