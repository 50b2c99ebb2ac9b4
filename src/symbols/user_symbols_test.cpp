// SPDX-License-Identifier: Apache-2.0
#include "symbols/user_symbols.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <unistd.h>

extern "C" __attribute__((noinline, visibility("default"))) int waggle_named_function(int number) {
    asm volatile("" : : "r"(number) : "memory");
    return number + 1;
}

namespace waggle::kernel {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::uint64_t address_of(const void* function) { return reinterpret_cast<std::uint64_t>(function); }

TEST(UserSymbols, an_address_of_a_process_has_the_name_of_its_function_and_file) {
    UserSymbols symbols;
    const auto pid = static_cast<std::uint32_t>(::getpid());
    const std::uint64_t own = address_of(reinterpret_cast<const void*>(&waggle_named_function));
    EXPECT_THAT(symbols.at(pid, own, false), StartsWith("waggle_named_function+0x0 ["));
    EXPECT_THAT(symbols.at(pid, own + 1, true), StartsWith("waggle_named_function+0x1 ["));
    // A call at a function's very end returns to the next one's begin.
    EXPECT_THAT(symbols.at(pid, own, true), testing::Not(StartsWith("waggle_named_function")));
    const std::uint64_t library = address_of(::dlsym(RTLD_DEFAULT, "getppid"));
    EXPECT_THAT(symbols.at(pid, library, false), HasSubstr("getppid+0x0 [libc.so"));
    EXPECT_EQ(symbols.at(pid, 8, false), "") << "nothing is there";
}

TEST(UserSymbols, a_build_id_that_no_process_has_is_unknown) {
    UserSymbols symbols;
    EXPECT_EQ(symbols.at("00112233445566778899aabbccddeeff00112233", 0x1000, false), "");
    EXPECT_EQ(symbols.at(std::uint32_t{4194304}, 0x1000, false), "") << "no such process";
}

}  // namespace
}  // namespace waggle::kernel
