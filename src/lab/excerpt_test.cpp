// SPDX-License-Identifier: Apache-2.0
#include "lab/excerpt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/text.h"

namespace waggle::lab {
namespace {

using agent::RecordedContent;
using agent::RecordingWriter;
using testing::HasSubstr;
using testing::Not;

struct packet_record {
    waggle_event header;
    __u32 netns;
    __u32 parent_pid;
};
constexpr Field packet_fields[] = {
    WAGGLE_HEADER_FIELDS(packet_record),
    WAGGLE_FIELD(packet_record, netns, Unit::identifier, "The network namespace."),
    WAGGLE_FIELD(packet_record, parent_pid, Unit::identifier, "Who started it."),
};
constexpr Schema packet_schema = {"packet", "A packet.", sizeof(packet_record), packet_fields, true};
struct sysctl_record {
    __u32 netns;
    char name[28];
};
constexpr Field sysctl_fields[] = {
    WAGGLE_FIELD(sysctl_record, netns, Unit::identifier, "The network namespace; 0: the machine."),
    WAGGLE_FIELD(sysctl_record, name, Unit::none, "Its name."),
};
constexpr Schema sysctl_schema = {"sysctls", "A setting.", sizeof(sysctl_record), sysctl_fields, false};

// What was recorded beside a fault whose network namespace is 77 and whose files lie in /tmp/lab.x.
class ExcerptTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = testing::TempDir() + "waggle_excerpt_" + std::to_string(getpid());
        Result<RecordingWriter> made = RecordingWriter::create(path_, 1 << 20);
        ASSERT_TRUE(made) << made.error().message;
        writer_.emplace(std::move(*made));
    }
    void TearDown() override { unlink(path_.c_str()); }

    void packet(std::uint32_t pid, const char* comm, const std::string& exe, std::uint32_t netns,
                std::uint32_t parent = 1) {
        Subject subject;
        subject.exe = exe;
        subjects_.add(agent::SubjectKey::of(pid, 5, 0), subject);
        packet_record record{};
        record.header.pid = pid;
        record.header.start_ns = 5;
        std::strncpy(record.header.comm, comm, sizeof record.header.comm - 1);
        record.netns = netns;
        record.parent_pid = parent;
        const Row row(packet_schema, bytes_of(record));
        writer_->rows(packet_schema, false, {&row, 1}, {nullptr, &subjects_});
    }
    void sysctl(std::uint32_t netns, const char* name) {
        sysctl_record record{};
        record.netns = netns;
        std::strncpy(record.name, name, sizeof record.name - 1);
        const Row row(sysctl_schema, bytes_of(record));
        writer_->rows(sysctl_schema, true, {&row, 1}, {});
    }
    // The excerpt's rows, as pids; its file is in text_.
    std::vector<std::uint64_t> kept_pids() {
        writer_->moment(RecordingWriter::Moment::closing, {}, "drops", {}, {});
        EXPECT_TRUE(writer_->close());
        Result<std::unique_ptr<RecordedContent>> content = RecordedContent::read(path_);
        if (!content) {
            ADD_FAILURE() << content.error().message;
            return {};
        }
        keep_own(**content, {{{"pid_server", "50"}}, {"/tmp/lab.x", "77"}});
        EXPECT_TRUE((*content)->write(path_));
        const Result<std::string> text = read_file(path_);
        EXPECT_TRUE(text);
        if (text) text_ = *text;
        std::vector<std::uint64_t> pids;
        for (const Row& row : (*content)->rows()) pids.push_back(row.u64("pid"));
        return pids;
    }

    std::string path_, text_;
    agent::RecordedSubjects subjects_;
    std::optional<RecordingWriter> writer_;
};

TEST_F(ExcerptTest, rows_of_the_faults_processes_and_of_what_they_started_stay) {
    packet(62, "grandchild", "/bin/true", 3, 61);  // stands before its parent
    packet(50, "server", "/bin/server", 3);
    packet(60, "own", "/tmp/lab.x/own", 3);
    packet(61, "child", "/bin/sleep", 3, 60);
    packet(70, "stranger", "/home/somebody/secret", 3);
    EXPECT_THAT(kept_pids(), testing::ElementsAre(62, 50, 60, 61));
    EXPECT_THAT(text_, Not(HasSubstr("somebody")));
    EXPECT_THAT(text_, Not(HasSubstr("stranger")));
}

TEST_F(ExcerptTest, a_stranger_that_ran_when_the_kernel_worked_for_the_fault_is_forgotten) {
    packet(70, "stranger", "/home/somebody/secret", 77);
    packet(71, "kworker", "", 77);
    EXPECT_THAT(kept_pids(), testing::ElementsAre(0, 71)) << "a thread of the kernel stays";
    EXPECT_THAT(text_, Not(HasSubstr("stranger")));
    EXPECT_THAT(text_, Not(HasSubstr("somebody")));
    EXPECT_THAT(text_, HasSubstr("kworker"));
}

TEST_F(ExcerptTest, settings_of_the_machine_and_of_the_fault_stay) {
    sysctl(0, "of.the.machine");
    sysctl(77, "of.the.fault");
    sysctl(78, "of.a.stranger");
    kept_pids();
    EXPECT_THAT(text_, HasSubstr("of.the.machine"));
    EXPECT_THAT(text_, HasSubstr("of.the.fault"));
    EXPECT_THAT(text_, Not(HasSubstr("of.a.stranger")));
}

TEST(Excerpt, what_was_said_when_the_fault_was_made_comes_back_from_the_note) {
    const Injected said{{{"port", "4711"}, {"odd", "a=\"b\"\n"}}, {"/tmp/waggle-lab.x", "4026532246"}};
    const Result<Injected> read = injected_from(injected_text(said));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->values, said.values);
    EXPECT_EQ(read->own, said.own);
}

TEST(Excerpt, a_recording_without_the_note_is_refused_with_the_command_that_makes_one) {
    const Result<Injected> read = injected_from("");
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("waggle lab record"));
}

}  // namespace
}  // namespace waggle::lab
