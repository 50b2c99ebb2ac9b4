// SPDX-License-Identifier: Apache-2.0
// A file that is watched is held by the kernel, and with it the mount it lies on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "places.h"
#include "sensors/name_lookup/c_libraries.h"
#include "tests/testing/netns.h"

namespace waggle::sensors {
namespace {

using test::require;
using namespace std::chrono_literals;

bool is_watched(const CLibraries& libraries, const std::string& path) {
    const std::vector<std::string> all = libraries.watched();
    return std::ranges::find(all, path) != all.end();
}

TEST(CLibrariesKernel, a_file_that_no_process_has_mapped_any_more_is_let_go_of_and_can_be_unmounted) {
    std::string folder = testing::TempDir() + "waggle-c-libraries-XXXXXX";
    require(::mkdtemp(folder.data()) != nullptr, folder);
    require(::mount("tmpfs", folder.c_str(), "tmpfs", 0, nullptr) == 0, "mount tmpfs");
    const std::string copy = folder + "/libc.so.6";
    std::filesystem::copy_file("/lib/x86_64-linux-gnu/libc.so.6", copy);
    auto object = Object::open_file(WAGGLE_BINARY_DIR "/sensors/name_lookup/name_lookup.bpf.o");
    ASSERT_TRUE(object) << object.error().message;
    const auto loaded = object->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    CLibraries libraries(*object);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setenv("LD_LIBRARY_PATH", folder.c_str(), 1);
        ::execlp("sleep", "sleep", "1000", nullptr);
        ::_exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!is_watched(libraries, copy) && std::chrono::steady_clock::now() < end) {
        libraries.look_at(static_cast<std::uint32_t>(pid));
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_TRUE(is_watched(libraries, copy));
    for (const std::string& problem : libraries.problems()) ADD_FAILURE() << problem;
    const std::size_t attachments = object->attachments().size();
    EXPECT_GE(attachments, 10u);
    libraries.look_everywhere();
    EXPECT_TRUE(is_watched(libraries, copy));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_NE(::umount(folder.c_str()), 0) << "or this shows nothing";
    EXPECT_EQ(libraries.look_at(static_cast<std::uint32_t>(pid)), CLibraries::Look::gone);
    libraries.look_everywhere();
    EXPECT_FALSE(is_watched(libraries, copy));
    EXPECT_EQ(::umount(folder.c_str()), 0);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace waggle::sensors
