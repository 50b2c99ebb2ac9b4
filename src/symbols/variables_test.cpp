// SPDX-License-Identifier: Apache-2.0
// The test's own memory, through a folder that shows it as /proc does; the kernel lets only root follow its own links there.
#include "symbols/variables.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace waggle::kernel {

std::array<int, 64> full_of_ones = {1, 1, 1};
std::array<int, 64> full_of_nothing;

namespace {

class VariableTest : public testing::Test {
  protected:
    void SetUp() override {
        const std::filesystem::path own = proc_ / std::to_string(getpid());
        std::filesystem::create_directories(own / "map_files");
        std::ostringstream maps;
        maps << std::ifstream("/proc/self/maps").rdbuf();
        std::ofstream(own / "maps") << maps.str();
        const std::string exe = std::filesystem::read_symlink("/proc/self/exe");
        std::istringstream lines(maps.str());
        for (std::string line; std::getline(lines, line);)
            if (line.ends_with(exe))
                std::filesystem::create_symlink("/proc/self/exe",
                                                own / "map_files" / line.substr(0, line.find(' ')));
    }
    void TearDown() override { std::filesystem::remove_all(proc_); }
    std::string at(const void* address) const {
        return variable_at(static_cast<std::uint32_t>(getpid()), reinterpret_cast<std::uint64_t>(address),
                           proc_);
    }

    std::filesystem::path proc_ =
        std::filesystem::temp_directory_path() / ("variables_" + std::to_string(getpid()));
};

TEST_F(VariableTest, names_what_a_program_holds_from_its_file_and_what_it_leaves_zero) {
    EXPECT_EQ(at(&full_of_ones[5]),
              std::string("waggle::kernel::full_of_ones in ") + program_invocation_short_name);
    EXPECT_EQ(at(&full_of_nothing[63]),
              std::string("waggle::kernel::full_of_nothing in ") + program_invocation_short_name);
}

TEST_F(VariableTest, says_where_else_it_lies) {
    std::filesystem::create_directories(proc_ / "7");
    std::ofstream(proc_ / "7/maps") << "00400000-00401000 r--p 00000000 fe:00 12   /usr/bin/shop\n"
                                       "01000000-01021000 rw-p 00000000 00:00 0    [heap]\n"
                                       "02000000-02001000 rw-s 00000000 00:01 7    /dev/zero (deleted)\n"
                                       "02001000-02002000 rw-s 00000000 00:01 8    /dev/shm/queue\n"
                                       "7f0000000000-7f0000010000 rw-p 00000000 00:00 0 \n"
                                       "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0    [stack]\n";
    EXPECT_EQ(variable_at(7, 0x1000040, proc_), "heap");
    EXPECT_EQ(variable_at(7, 0x2000040, proc_), "shared_memory");
    EXPECT_EQ(variable_at(7, 0x2001040, proc_), "shared_memory");
    EXPECT_EQ(variable_at(7, 0x7ffc00020000, proc_), "stack");
    EXPECT_EQ(variable_at(7, 0x7f0000000040, proc_), "");
    EXPECT_EQ(variable_at(7, 0x40, proc_), "");
    EXPECT_EQ(variable_at(8, 0x1000040, proc_), "");
}

TEST_F(VariableTest, a_file_that_cannot_be_read_is_only_named) {
    std::filesystem::remove_all(proc_ / std::to_string(getpid()) / "map_files");
    EXPECT_EQ(at(&full_of_ones[5]), program_invocation_short_name);
}

}  // namespace
}  // namespace waggle::kernel
