// SPDX-License-Identifier: Apache-2.0
#include "recording/recorded_content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "base/text.h"

namespace waggle::agent {
namespace {

struct counted_record {
    waggle_event header;
    __u64 count;
};
constexpr Field counted_fields[] = {
    WAGGLE_HEADER_FIELDS(counted_record),
    WAGGLE_FIELD(counted_record, count, Unit::count, "How many.", trait_none, "sample_names"),
};
constexpr Schema counted_schema = {"sample", "A sample.", sizeof(counted_record), counted_fields, true};
struct setting_record {
    __u64 value;
};
constexpr Field setting_fields[] = {WAGGLE_FIELD(setting_record, value, Unit::none, "Its value.")};
constexpr Schema setting_schema = {"setting", "A setting.", sizeof(setting_record), setting_fields, false};

class RecordedContentTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = testing::TempDir() + "waggle_content_" + std::to_string(getpid());
        Result<RecordingWriter> writer = RecordingWriter::create(path_, 1234567);
        ASSERT_TRUE(writer) << writer.error().message;
        Names names;
        RecordedSubjects subjects;
        for (std::uint32_t pid : {7u, 8u}) {
            names.set("sample_names", pid, "name " + std::to_string(pid));
            Subject subject;
            subject.exe = "/bin/program" + std::to_string(pid);
            subjects.add(SubjectKey::of(pid, 1, 0), subject);
        }
        const Lookup lookup{&names, &subjects};
        for (std::uint32_t pid : {7u, 8u}) {
            counted_record record{};
            record.header.pid = pid;
            record.header.start_ns = 1;
            std::strcpy(record.header.comm, "somebody");
            record.count = pid;
            const Row row(counted_schema, bytes_of(record));
            writer->rows(counted_schema, false, {&row, 1}, lookup);
        }
        for (const std::uint64_t value : {1, 2}) {
            const setting_record record{value};
            const Row row(setting_schema, bytes_of(record));
            writer->fact(setting_schema, {&row, 1}, lookup);
        }
        writer->note("maker", "said \xff");
        explain::Answer answer;
        answer.window = {5, 9, 100};
        answer.coverage.push_back(
            {"sample_sensor", 2, {{"ring full", 2}}, 0, {{"exec", "tp_btf/x", "", ""}}});
        const std::string problems[] = {"one thing"};
        writer->moment(RecordingWriter::Moment::closing, answer, "drops", problems, lookup);
        ASSERT_TRUE(writer->close());
    }
    void TearDown() override { unlink(path_.c_str()); }

    static std::unique_ptr<RecordedContent> content_of(const std::string& path) {
        Result<std::unique_ptr<RecordedContent>> read = RecordedContent::read(path);
        EXPECT_TRUE(read) << read.error().message;
        return read ? std::move(*read) : nullptr;
    }
    static std::string exe_of(const RecordedContent& content, std::uint32_t pid) {
        std::string exe = "nobody";
        content.lookup().subjects->with(pid, 1, 0, [&](const Subject& subject) { exe = subject.exe; });
        return exe;
    }
    std::string path_;
};

TEST_F(RecordedContentTest, a_part_of_it_is_a_recording_with_the_names_that_the_part_needs) {
    const auto whole = content_of(path_);
    ASSERT_EQ(whole->rows().size(), 2u);
    whole->keep([](const Row& row) { return row.u64("pid") != 8; });
    ASSERT_TRUE(whole->write(path_));
    const auto part = content_of(path_);
    ASSERT_EQ(part->rows().size(), 1u);
    EXPECT_EQ(part->rows()[0].u64("count"), 7u);
    EXPECT_EQ(exe_of(*part, 7), "/bin/program7");
    EXPECT_EQ(exe_of(*part, 8), "nobody");
    EXPECT_EQ(part->lookup().names->find("sample_names", 7), "name 7");
    EXPECT_EQ(part->lookup().names->find("sample_names", 8), "");
    ASSERT_EQ(part->facts().at("setting").size(), 1u);
    EXPECT_EQ(part->facts().at("setting")[0].u64("value"), 2u) << "what was read last";
}

TEST_F(RecordedContentTest, what_is_not_changed_is_written_as_it_was_read) {
    ASSERT_TRUE(content_of(path_)->write(path_ + ".a"));
    ASSERT_TRUE(content_of(path_ + ".a")->write(path_ + ".b"));
    const Result<std::string> once = read_file(path_ + ".a"), twice = read_file(path_ + ".b");
    ASSERT_TRUE(once && twice);
    EXPECT_EQ(*once, *twice);
    EXPECT_THAT(*once, testing::HasSubstr("ring full"));
    EXPECT_THAT(*once, testing::HasSubstr("one thing"));
    EXPECT_THAT(*once, testing::HasSubstr("\"drops\""));
    EXPECT_THAT(*once, testing::HasSubstr("maker"));
    unlink((path_ + ".a").c_str());
    unlink((path_ + ".b").c_str());
}

TEST_F(RecordedContentTest, a_forgotten_process_is_in_the_file_no_more) {
    const auto whole = content_of(path_);
    for (const Row& row : whole->rows()) whole->forget_process(row);
    ASSERT_TRUE(whole->write(path_));
    const Result<std::string> text = read_file(path_);
    ASSERT_TRUE(text);
    EXPECT_THAT(*text, testing::Not(testing::HasSubstr("somebody")));
    EXPECT_THAT(*text, testing::Not(testing::HasSubstr("/bin/program")));
    EXPECT_EQ(content_of(path_)->rows().size(), 2u);
}

TEST_F(RecordedContentTest, a_damaged_recording_is_refused) {
    ASSERT_EQ(truncate(path_.c_str(), 100), 0);
    EXPECT_FALSE(RecordedContent::read(path_));
}

}  // namespace
}  // namespace waggle::agent
