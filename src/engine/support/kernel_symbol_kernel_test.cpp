// SPDX-License-Identifier: Apache-2.0
#include "engine/support/kernel_symbol.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace waggle::kernel {
namespace {

// As /proc/kallsyms has it: the first of that name.
std::uint64_t listed_address(const std::string& wanted) {
    std::ifstream file("/proc/kallsyms");
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string address, type, name;
        words >> address >> type >> name;
        if (name == wanted) return std::stoull(address, nullptr, 16);
    }
    return 0;
}

TEST(KernelSymbolKernel, an_address_is_the_one_that_the_kernel_lists) {
    for (const std::string name :
         {"nf_queue", "__bpf_call_base", "schedule", "a_name_of_16_cha", "__x64_sys_execveat", "init_task",
          "no_such_symbol_in_any_kernel_of_this_world"}) {
        const Result<std::uint64_t> found = symbol_address(name);
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(*found, listed_address(name)) << name;
    }
    EXPECT_NE(*symbol_address("schedule"), 0u);
}

TEST(KernelSymbolKernel, what_can_be_no_symbol_has_no_address) {
    for (const std::string& name :
         {std::string(), std::string(255, 'x'), std::string(256, 'x'), std::string(5000, 'x')}) {
        const Result<std::uint64_t> found = symbol_address(name);
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(*found, 0u) << name.size();
    }
}

}  // namespace
}  // namespace waggle::kernel
