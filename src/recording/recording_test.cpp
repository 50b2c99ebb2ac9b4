// SPDX-License-Identifier: Apache-2.0
#include "recording/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "model/histogram.h"
#include "model/record_writer.h"

namespace waggle::agent {
namespace {

struct sample_record {
    waggle_event header;
    __u64 count;
    waggle_text path;
};
constexpr Field sample_fields[] = {
    WAGGLE_HEADER_FIELDS(sample_record),
    WAGGLE_FIELD(sample_record, count, Unit::count, "How many.", trait_none, "sample_names"),
    WAGGLE_FIELD(sample_record, path, Unit::none, "Which file."),
};
constexpr Schema sample_schema = {"sample", "A sample.", sizeof(sample_record), sample_fields, true};

class OneSubject final : public Subjects {
  public:
    Subject subject;

  private:
    bool look_up(std::uint32_t pid, std::uint64_t, std::uint64_t, Visitor visit, void* to) const override {
        if (pid != 7) return false;
        visit(to, subject);
        return true;
    }
};

// Everything told, as lines.
class Lines final : public RecordingVisitor {
  public:
    std::vector<std::string> lines;
    void on_memory(std::size_t bytes) override { lines.push_back("memory " + std::to_string(bytes)); }
    void on_schema(const Schema& schema, bool is_fact) override {
        lines.push_back("schema " + std::string(schema.name) + (is_fact ? " fact" : "") + " " +
                        std::to_string(schema.fields.size()));
    }
    void on_row(const Row& row) override {
        lines.push_back("row " + std::to_string(row.u64("count")) + " " + std::string(row.text("path")));
    }
    void on_name(std::string_view dictionary, std::uint64_t value, std::string_view name) override {
        lines.push_back("name " + std::string(dictionary) + " " + std::to_string(value) + " " +
                        std::string(name));
    }
    void on_subject(const SubjectKey& who, Subject subject) override {
        lines.push_back("subject " + std::to_string(who.pid) + " " + subject.exe);
    }
    void on_fact_again(const Schema& fact) override { lines.push_back("again " + std::string(fact.name)); }
    void on_moment(RecordedMoment moment) override {
        lines.push_back("moment " + moment.topic + " " + std::to_string(moment.window.to_ns) + " " +
                        moment.coverage.at(0).lost.at(0).cause);
        last = std::move(moment);
    }
    RecordedMoment last;
};

class RecordingTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = testing::TempDir() + "waggle_recording_" + std::to_string(getpid());
        subjects_.subject.exe = "/opt/\xff odd\n";
        names_.set("sample_names", 3, "three");
        auto writer = RecordingWriter::create(path_, 1234567);
        ASSERT_TRUE(writer) << writer.error().message;
        const Lookup lookup{&names_, &subjects_};
        RecordWriter<sample_record> record;
        record.fixed.header.pid = 7;
        record.fixed.count = 3;
        record.text(&sample_record::path, "/tmp/a b");
        const Row row(sample_schema, record.finish());
        writer->rows(sample_schema, false, {&row, 1}, lookup);
        explain::Answer answer;
        answer.window = {5, 9, 100};
        answer.coverage.push_back(
            {"sample_sensor", 1, {{"ring full", 2}}, 0, {{"exec", "tp_btf/x", "", ""}}});
        const std::string problems[] = {"one thing"};
        writer->moment(RecordingWriter::Moment::closing, answer, "drops", problems, lookup);
        ASSERT_TRUE(writer->close());
        auto text = read_file(path_);
        ASSERT_TRUE(text);
        file_ = *text;
    }
    void TearDown() override { std::remove(path_.c_str()); }

    std::string read(const std::string& file, Lines& lines) {
        std::vector<std::uint64_t> words((file.size() + 7) / 8);
        if (!file.empty()) std::memcpy(words.data(), file.data(), file.size());
        auto reader = RecordingReader::open({reinterpret_cast<const std::byte*>(words.data()), file.size()});
        return reader ? reader->read(lines) : reader.error().message;
    }

    std::string path_;
    std::string file_;
    Names names_;
    OneSubject subjects_;
};

TEST_F(RecordingTest, what_was_written_is_read_in_order) {
    Lines lines;
    EXPECT_EQ(read(file_, lines), "");
    EXPECT_THAT(lines.lines,
                testing::ElementsAre("memory 1234567", "schema sample 8", "name sample_names 3 three",
                                     "subject 7 /opt/\xff odd\n", "row 3 /tmp/a b",
                                     "subject 7 /opt/\xff odd\n", "moment drops 9 ring full"));
    EXPECT_EQ(lines.last.coverage.at(0).hooks.at(0).hook, "tp_btf/x");
    EXPECT_EQ(lines.last.problems, std::vector<std::string>{"one thing"});
}

TEST_F(RecordingTest, one_that_ends_behind_an_interim_moment_is_served_and_says_that_it_was_stopped) {
    auto writer = RecordingWriter::create(path_, 1);
    ASSERT_TRUE(writer) << writer.error().message;
    explain::Answer answer;
    answer.window = {5, 9, 100};
    answer.coverage.push_back({"sample_sensor", 1, {{"ring full", 2}}, 0, {{"exec", "tp_btf/x", "", ""}}});
    writer->fact(sample_schema, {}, {});
    writer->moment(RecordingWriter::Moment::interim, answer, "drops", {}, {});
    writer->fact(sample_schema, {}, {});
    const auto file = read_file(path_);  // it is not closed: what flush() has promised is there
    ASSERT_TRUE(file);
    Lines lines;
    EXPECT_THAT(read(*file, lines), testing::HasSubstr("the recorder was stopped"));
    EXPECT_THAT(lines.lines, testing::ElementsAre("memory 1", "schema sample fact 8", "again sample",
                                                  "moment drops 9 ring full"));
    EXPECT_FALSE(lines.last.closing);
    ASSERT_TRUE(writer->close());
}

// Rows of before had their slots inside, by powers of two; the schema in the recording says which form it is.
struct old_total {
    __u64 count;
    __u64 times[36];
};
constexpr Field old_fields[] = {
    WAGGLE_FIELD(old_total, count, Unit::count, "How many."),
    WAGGLE_FIELD(old_total, times, Unit::nanoseconds, "How long."),
};
constexpr Schema old_schema = {"old_total", "A total.", sizeof(old_total), old_fields, false};
struct new_total {
    __u64 count;
    waggle_histogram times;
};
constexpr Field new_fields[] = {
    WAGGLE_FIELD(new_total, count, Unit::count, "How many."),
    WAGGLE_FIELD(new_total, times, Unit::nanoseconds, "How long."),
};
constexpr Schema new_schema = {"new_total", "A total.", sizeof(new_total), new_fields, false};

TEST_F(RecordingTest, histograms_of_both_forms_are_read) {
    RecordWriter<old_total> old_row;
    old_row.fixed.times[16] = 5;
    RecordWriter<new_total> new_row;
    const HistogramForm form = HistogramForm::log_linear(4, 36);
    std::vector<std::uint64_t> slots(form.slots());
    slots[form.slot_of(100'000)] = 5;
    std::vector<std::byte> blob;
    pack_histogram(blob, form, slots);
    new_row.histogram(&new_total::times, {reinterpret_cast<const char*>(blob.data()), blob.size()});
    {
        auto writer = RecordingWriter::create(path_, 0);
        ASSERT_TRUE(writer) << writer.error().message;
        const Row rows[] = {{old_schema, old_row.finish()}, {new_schema, new_row.finish()}};
        writer->rows(old_schema, false, {&rows[0], 1}, {});
        writer->rows(new_schema, false, {&rows[1], 1}, {});
        ASSERT_TRUE(writer->close());
    }
    struct Slots final : RecordingVisitor {
        void on_memory(std::size_t) override {}
        void on_schema(const Schema&, bool) override {}
        void on_row(const Row& row) override {
            HistogramReader reader(row.histogram(*row.schema().find("times")));
            std::size_t slot = 0;
            for (std::uint64_t count = 0; reader.next(slot, count);)
                if (count) counted.emplace_back(reader.form(), slot, count);
            EXPECT_FALSE(reader.damaged());
        }
        void on_name(std::string_view, std::uint64_t, std::string_view) override {}
        void on_subject(const SubjectKey&, Subject) override {}
        void on_fact_again(const Schema&) override {}
        void on_moment(RecordedMoment) override {}
        std::vector<std::tuple<HistogramForm, std::size_t, std::uint64_t>> counted;
    } slots_read;
    const auto text = read_file(path_);
    ASSERT_TRUE(text);
    std::vector<std::uint64_t> words((text->size() + 7) / 8);
    std::memcpy(words.data(), text->data(), text->size());
    auto reader = RecordingReader::open({reinterpret_cast<const std::byte*>(words.data()), text->size()});
    ASSERT_TRUE(reader);
    reader->read(slots_read);
    EXPECT_THAT(slots_read.counted, testing::ElementsAre(std::tuple(HistogramForm{}, 16, 5),
                                                         std::tuple(form, form.slot_of(100'000), 5)));
}

TEST_F(RecordingTest, only_its_owner_can_read_it) {
    EXPECT_EQ(access(path_.c_str(), R_OK), 0);
    const std::string command = "stat -c %a " + path_;
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    char mode[8] = "";
    ASSERT_NE(fgets(mode, sizeof mode, pipe), nullptr);
    pclose(pipe);
    EXPECT_STREQ(mode, "600\n");
}

TEST_F(RecordingTest, a_file_of_another_kind_is_refused_by_name) {
    Lines lines;
    EXPECT_THAT(read("GIF89a and more than sixteen bytes", lines),
                testing::HasSubstr("not a waggle recording"));
    EXPECT_THAT(read("", lines), testing::HasSubstr("not a waggle recording"));
}

TEST_F(RecordingTest, every_truncation_serves_what_stands_before_it_and_names_the_offset) {
    Lines whole;
    ASSERT_EQ(read(file_, whole), "");
    for (std::size_t size = 16; size < file_.size(); ++size) {
        Lines lines;
        const std::string problem = read(file_.substr(0, size), lines);
        EXPECT_THAT(problem, testing::HasSubstr("offset ")) << size;
        ASSERT_LT(lines.lines.size(), whole.lines.size()) << size;
        for (std::size_t i = 0; i < lines.lines.size(); ++i) EXPECT_EQ(lines.lines[i], whole.lines[i]);
    }
}

TEST_F(RecordingTest, every_flipped_bit_is_noticed) {
    for (std::size_t at = 16; at < file_.size(); ++at) {
        for (const int bit : {0, 7}) {
            std::string damaged = file_;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
            Lines lines;
            const std::string problem = read(damaged, lines);
            // Only the padding behind a frame carries no meaning.
            if (problem.empty())
                EXPECT_EQ(file_[at], '\0') << at;
            else
                EXPECT_THAT(problem, testing::HasSubstr("offset ")) << at;
        }
    }
}

}  // namespace
}  // namespace waggle::agent
