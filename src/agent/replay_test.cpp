// SPDX-License-Identifier: Apache-2.0
// A recording that an older build made: what its schemas lack is null, and everything else is there to be
// asked.
#include "agent/replay.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "model/record_writer.h"

namespace waggle::agent {
namespace {

// The table process_exit as a build wrote it that knew only how a process ended.
struct old_exit_record {
    waggle_event header;
    __s32 exit_code;
    __u32 zero;
};
constexpr Field earlier_fields[] = {
    WAGGLE_HEADER_FIELDS(old_exit_record),
    WAGGLE_FIELD(old_exit_record, exit_code, Unit::none, "The code it ended with."),
};
constexpr Schema earlier_schema{"process_exit", "A process has ended.", sizeof(old_exit_record),
                                earlier_fields, true};

class OldRecording : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/waggle_old_XXXXXX";
        const int fd = mkstemp(name);
        ASSERT_GE(fd, 0);
        ::close(fd);
        path_ = name;
        Result<RecordingWriter> writer = RecordingWriter::create(path_, 1u << 20);
        ASSERT_TRUE(writer) << writer.error().message;
        old_exit_record record{};
        record.header.size = sizeof record;
        record.header.time_ns = 1'500'000'000;
        record.header.pid = 42;
        record.exit_code = 3;
        const Row row(earlier_schema, {reinterpret_cast<const std::byte*>(&record), sizeof record});
        for (const explain::OwnedRuleFile& file : user_rules()) writer->user_rules(file);
        writer->rows(earlier_schema, false, {&row, 1}, {});
        explain::Answer answer;
        answer.window = {1'000'000'000, 2'000'000'000, 0};
        writer->moment(RecordingWriter::Moment::closing, answer, "", {}, {});
        ASSERT_TRUE(writer->close());
    }
    // Those that were in force.
    virtual std::vector<explain::OwnedRuleFile> user_rules() const { return {}; }
    void TearDown() override { ::unlink(path_.c_str()); }

    std::string path_;
};

TEST_F(OldRecording, WhatItsSchemaLacksIsNull) {
    const auto replay = Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    EXPECT_EQ((*replay)->problem(), "");
    const auto result = (*replay)->store().sql().query(
        "SELECT pid, exit_code, signal IS NULL AND ran_ns IS NULL, parent_pid FROM process_exit");
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_EQ(result->rows.size(), 1u);
    EXPECT_EQ(result->rows[0][0].integer, 42);
    EXPECT_EQ(result->rows[0][1].integer, 3);
    EXPECT_EQ(result->rows[0][2].integer, 1);
    EXPECT_TRUE(result->rows[0][3].is_null());
}

TEST_F(OldRecording, AValueThatIsAbsentMatchesNoNumber) {
    const auto replay = Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    const auto result = (*replay)->store().sql().query("SELECT count(*) FROM process_exit WHERE signal = 0");
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->rows[0][0].integer, 0);
}

TEST_F(OldRecording, EveryRuleCanBeAskedOfIt) {
    const auto replay = Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    const explain::Answer answer = (*replay)->answer("");
    EXPECT_TRUE(answer.problems.empty()) << answer.problems.front();
    EXPECT_TRUE(answer.findings.empty());
    EXPECT_FALSE((*replay)->rules().entries().empty());
}

// Its tables are in no room: the recording alone knows them.
TEST(KilledRecording, tells_how_many_rows_a_source_saw_that_makes_its_tables_when_it_starts) {
    constexpr Schema events{"probe", "A place was passed.", sizeof(old_exit_record), earlier_fields, true};
    constexpr Schema counts{"probe_count", "How often.", sizeof(old_exit_record), earlier_fields, true};
    const std::string path = testing::TempDir() + "waggle_killed_" + std::to_string(getpid());
    Result<RecordingWriter> writer = RecordingWriter::create(path, 1u << 20);
    ASSERT_TRUE(writer) << writer.error().message;
    old_exit_record record{};
    record.header.size = sizeof record;
    record.header.time_ns = 1'500'000'000;
    const Bytes bytes = bytes_of(record);
    const Row event(events, bytes), count(counts, bytes);
    for (int i = 0; i < 3; ++i) {
        writer->rows(events, false, {&event, 1}, {});
        writer->fact(counts, {&count, 1}, {});  // as it stood each time
    }
    ASSERT_TRUE(writer->close());
    const auto replay = Replay::open(path);
    ::unlink(path.c_str());
    ASSERT_TRUE(replay) << replay.error().message;
    const explain::Answer answer = (*replay)->answer("");
    ASSERT_EQ(answer.coverage.size(), 1u);
    EXPECT_EQ(answer.coverage[0].sensor, "probe");
    EXPECT_EQ(answer.coverage[0].seen, 3u);
}

// Older builds read lists of rules.
class OldRules : public OldRecording {
    std::vector<explain::OwnedRuleFile> user_rules() const override {
        return {{"/etc/waggle/rules.d/list.yaml", R"(- rule: ended_badly
  topic: process
  severity: warning
  confidence: high
  when: SELECT pid, exit_code FROM process_exit WHERE exit_code > 0
  object: {kind: process, name: "{pid}"}
  what: "{pid} ended with {exit_code}."
  because: ["It says so."]
  evidence: [{says: "Its end.", query: "SELECT * FROM process_exit"}]
  impact: "It is gone."
  try: ["Nothing."]
  check: ["waggle why process"]
)"},
                {"/etc/waggle/rules.d/mine.yaml", R"(rule: ended
topic: process
severity: note
confidence: high
when: SELECT pid, exit_code FROM process_exit
object: {kind: process, name: pid}
evidence: {}
words:
  what: "{pid} ended with {exit_code}."
  because: ["It says so."]
  impact: "It is gone."
  try: [{say: "Nothing."}]
  check: [{do: waggle why process}]
)"}};
    }
};

TEST_F(OldRules, AreNamedAsNotReadableAndTheRestAnswers) {
    const auto replay = Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    const explain::Answer answer = (*replay)->answer("process");
    ASSERT_EQ(answer.problems.size(), 1u);
    EXPECT_TRUE(
        answer.problems[0].starts_with("/etc/waggle/rules.d/list.yaml:1:3: rule ended_badly is not in "
                                       "use: a list of rules is not read any more"))
        << answer.problems[0];
    ASSERT_EQ(answer.findings.size(), 1u);
    EXPECT_EQ(answer.findings[0].what, "42 ended with 3.");
}

}  // namespace
}  // namespace waggle::agent
