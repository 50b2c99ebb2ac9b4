// SPDX-License-Identifier: Apache-2.0
#include "sensors/process/start_obstacle.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace waggle::sensors {
namespace {

// A root directory of its own, whose files no user but the one with the number 7 owns.
class StartObstacleTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/waggle-obstacle.XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        root_ = name;
        descriptor_ = OwnedFd(::open(name, O_PATH | O_DIRECTORY));
        std::filesystem::create_directories(root_ + "/bin");
        file("/bin/sh",
             "\x7f"
             "ELF");
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    void file(const std::string& path, std::string_view content, mode_t mode = 0755) {
        std::ofstream(root_ + path, std::ios::binary) << content;
        ::chmod((root_ + path).c_str(), mode);
    }
    // An ELF file for the machine, which names a loader where one is given.
    static std::string elf(unsigned short machine, const std::string& loader = {}) {
        Elf64_Ehdr header{};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_type = ET_DYN;
        header.e_machine = machine;
        header.e_phoff = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_phnum = loader.empty() ? 0 : 1;
        Elf64_Phdr part{};
        part.p_type = PT_INTERP;
        part.p_offset = sizeof header + sizeof part;
        part.p_filesz = loader.size() + 1;
        std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
        if (!loader.empty())
            bytes.append(reinterpret_cast<const char*>(&part), sizeof part).append(loader).push_back('\0');
        return bytes;
    }
    StartObstacle find(const std::string& path, int error, std::uint32_t user = 0) const {
        return find_obstacle({descriptor_.get(), false, path, user, {user}, true, error});
    }
    void expect(const StartObstacle& obstacle, std::string_view reason, std::string_view what) const {
        EXPECT_EQ(obstacle.reason, reason);
        EXPECT_EQ(obstacle.obstacle, what);
    }

    std::string root_;
    OwnedFd descriptor_;
};

TEST_F(StartObstacleTest, what_is_missing_is_the_first_part_that_is_not_there) {
    expect(find("/bin/shop", ENOENT), "no_file", "/bin/shop");
    expect(find("/opt/shop/bin/shop", ENOENT), "no_directory", "/opt");
    expect(find("/bin/sh/shop", ENOTDIR), "not_a_directory", "/bin/sh");
    std::filesystem::create_symlink("/opt/shop", root_ + "/bin/link");
    expect(find("/bin/link", ENOENT), "dangling_link", "/opt/shop");
}

TEST_F(StartObstacleTest, a_link_on_the_way_that_leads_nowhere_is_named_with_where_it_leads) {
    std::filesystem::create_directories(root_ + "/app/releases/42");
    std::filesystem::create_symlink("releases/41", root_ + "/app/current");
    expect(find("/app/current/bin/shop", ENOENT), "dangling_part", "/app/current");
    EXPECT_EQ(find("/app/current/bin/shop", ENOENT).found, "releases/41");
    // What a link leads to can be a link that is there, and leads nowhere itself.
    std::filesystem::create_symlink("/app/current", root_ + "/live");
    expect(find("/live/bin/shop", ENOENT), "dangling_part", "/app/current");
    std::filesystem::create_symlink("/live", root_ + "/bin/shop");
    expect(find("/bin/shop", ENOENT), "dangling_part", "/app/current");
    // A link that leads to what is there is none.
    std::filesystem::create_symlink("releases/42", root_ + "/app/next");
    expect(find("/app/next/bin/shop", ENOENT), "no_directory", "/app/next/bin");
    expect(find("/app/next/shop", ENOENT), "no_file", "/app/next/shop");
}

TEST_F(StartObstacleTest, links_lead_into_the_root_of_who_asked) {
    std::filesystem::create_symlink("/bin/sh", root_ + "/bin/link");
    file("/script", "#!/bin/link\n");
    expect(find("/script", ENOENT), "", "");  // all is there: it has come meanwhile
}

TEST_F(StartObstacleTest, what_is_to_run_a_script_is_missing) {
    file("/script", "#! /opt/perl -w\nprint 1;\n");
    expect(find("/script", ENOENT), "no_interpreter", "/opt/perl");
    file("/outer", "#!/script\n");
    expect(find("/outer", ENOENT), "no_interpreter", "/opt/perl");
    file("/windows", "#!/bin/sh\r\necho\r\n");
    expect(find("/windows", ENOENT), "line_end", "/bin/sh");
    file("/other", "#!/opt/sh\r\n");
    expect(find("/other", ENOENT), "no_interpreter", "/opt/sh\r");
    file("/relative", "#!sh\n");
    expect(find("/relative", ENOENT), "", "");
}

TEST_F(StartObstacleTest, the_loader_of_a_program_is_missing) {
    file("/program", elf(EM_X86_64, "/lib/ld-musl-x86_64.so.1"));
    expect(find("/program", ENOENT), "no_loader", "/lib/ld-musl-x86_64.so.1");
    file("/linked", elf(EM_X86_64, "/bin/sh"));
    expect(find("/linked", ENOENT), "", "");
}

TEST_F(StartObstacleTest, a_right_that_is_missing_for_certain) {
    file("/plain", "#!/bin/sh\n", 0644);
    expect(find("/plain", EACCES), "not_executable", "/plain");
    file("/own", "#!/bin/sh\n", 0711);
    expect(find("/own", EACCES), "", "");
    file("/mine", "#!/bin/sh\n", 0100);
    expect(find("/mine", EACCES, ::geteuid() + 1), "not_for_user", "/mine");
    file("/script", "#!/plain\n");
    expect(find("/script", EACCES), "not_executable", "/plain");
    expect(find("/bin", EACCES), "is_directory", "/bin");
    std::filesystem::create_directory(root_ + "/closed");
    file("/closed/shop", "#!/bin/sh\n");
    ::chmod((root_ + "/closed").c_str(), 0750);
    expect(find("/closed/shop", EACCES, ::geteuid() + 1), "closed_directory", "/closed");
    // Root passes it.
    expect(find("/closed/shop", EACCES), "", "");
}

TEST_F(StartObstacleTest, groups_that_are_not_all_known_prove_nothing) {
    file("/mine", "#!/bin/sh\n", 0710);
    const std::uint32_t other = ::geteuid() + 1;
    EXPECT_EQ(find_obstacle({descriptor_.get(), false, "/mine", other, {other}, false, EACCES}).reason, "");
    EXPECT_EQ(find_obstacle({descriptor_.get(), false, "/mine", other, {other}, true, EACCES}).reason,
              "not_for_user");
    EXPECT_EQ(
        find_obstacle({descriptor_.get(), false, "/mine", other, {other, ::getegid()}, true, EACCES}).reason,
        "");
}

TEST_F(StartObstacleTest, what_is_no_program_of_this_machine) {
    file("/arm", elf(EM_AARCH64));
    const StartObstacle arm = find("/arm", ENOEXEC);
    expect(arm, "other_machine", "/arm");
    EXPECT_EQ(arm.found, "ARM (64 bits)");
    EXPECT_EQ(arm.wanted, "x86-64");
    file("/own", elf(EM_X86_64));
    expect(find("/own", ENOEXEC), "", "");
    file("/empty", "");
    expect(find("/empty", ENOEXEC), "empty", "/empty");
    file("/text", "echo hello\n");
    expect(find("/text", ENOEXEC), "no_first_line", "/text");
    file("/dos", "MZ\x90");
    EXPECT_EQ(find("/dos", ENOEXEC).found, "a Windows program");
    file("/cut",
         "\x7f"
         "ELF\x02");
    expect(find("/cut", ENOEXEC), "cut_short", "/cut");
    file("/script", "#!/arm\n");
    expect(find("/script", ENOEXEC), "other_machine", "/arm");
}

TEST_F(StartObstacleTest, a_pipe_is_not_read_and_a_circle_of_links_ends) {
    ASSERT_EQ(::mkfifo((root_ + "/pipe").c_str(), 0755), 0);
    expect(find("/pipe", EACCES), "no_plain_file", "/pipe");
    expect(find("/pipe", ENOEXEC), "", "");
    std::filesystem::create_symlink("/a", root_ + "/b");
    std::filesystem::create_symlink("/b", root_ + "/a");
    expect(find("/a", ELOOP), "links", "/a");
    file("/self", "#!/self\n");
    expect(find("/self", ENOENT), "", "");
    expect(find("/bin/sh", ETXTBSY), "busy", "/bin/sh");
}

TEST(FailureReader, completes_a_record_of_a_root_that_it_does_not_know_by_nothing) {
    RecordWriter<process_exec_failure_event> record;
    record.fixed.header.kind = PROCESS_EXEC_FAILURE;
    record.fixed.error = ENOENT;
    record.text(&process_exec_failure_event::path, "/opt/shop");
    FailureReader reader;
    const Bytes whole = reader.complete(record.finish());
    const auto event = load<process_exec_failure_event>(whole);
    EXPECT_EQ(event.header.size, whole.size());
    EXPECT_EQ(event.same_root, 0);
    EXPECT_EQ(event.reason.length, 0u);
    EXPECT_EQ(event.root_kind.length, 0u);
    EXPECT_EQ(event.path.length, 9u);
}

}  // namespace
}  // namespace waggle::sensors
