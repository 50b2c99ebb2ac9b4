// SPDX-License-Identifier: Apache-2.0
#include "recording/recorded_content.h"

#include <cstring>

#include "base/text.h"

namespace waggle::agent {

Result<std::unique_ptr<RecordedContent>> RecordedContent::read(const std::string& path) {
    const Result<std::string> text = read_file(path, std::size_t{4} << 30);
    if (!text) return text.error();
    std::unique_ptr<RecordedContent> content(new RecordedContent);
    content->words_.resize((text->size() + 7) / 8);
    if (!text->empty()) std::memcpy(content->words_.data(), text->data(), text->size());
    Result<RecordingReader> reader =
        RecordingReader::open({reinterpret_cast<const std::byte*>(content->words_.data()), text->size()});
    if (!reader) return while_doing(escape_control(path), reader.error());
    content->reader_ = std::make_unique<RecordingReader>(std::move(*reader));
    if (const std::string problem = content->reader_->read(*content); !problem.empty())
        return while_doing(escape_control(path), Error{problem});
    return content;
}

void RecordedContent::on_schema(const Schema& schema, bool is_fact) {
    if (is_fact) facts_.try_emplace(std::string(schema.name));
}

void RecordedContent::on_row(const Row& row) {
    const auto fact = facts_.find(row.schema().name);
    (fact == facts_.end() ? rows_ : fact->second).push_back(row);
}

void RecordedContent::on_name(std::string_view dictionary, std::uint64_t value, std::string_view name) {
    names_.set(dictionary, value, std::string(name));
}

void RecordedContent::on_subject(const SubjectKey& who, Subject subject) {
    subjects_.add(who, std::move(subject));
}

void RecordedContent::keep(const std::function<bool(const Row&)>& wanted) {
    const auto unwanted = [&](const Row& row) { return !wanted(row); };
    std::erase_if(rows_, unwanted);
    for (auto& [name, rows] : facts_) std::erase_if(rows, unwanted);
}

void RecordedContent::forget_process(const Row& row) {
    waggle_event header = row.header();
    header.pid = header.tid = 0;
    header.start_ns = header.cgroup_id = 0;
    std::memset(header.comm, 0, sizeof header.comm);
    // The row lies in our own copy of the file.
    auto* file = reinterpret_cast<std::byte*>(words_.data());
    std::memcpy(file + (row.bytes().data() - file), &header, sizeof header);
}

Result<void> RecordedContent::write(const std::string& path) const {
    Result<RecordingWriter> writer = RecordingWriter::create(path, memory_bytes_);
    if (!writer) return writer.error();
    for (const auto& [name, text] : notes_) writer->note(name, text);
    // Neighbours of one schema in one frame.
    for (std::size_t begin = 0; begin < rows_.size();) {
        const Schema& schema = rows_[begin].schema();
        std::size_t end = begin;
        while (end < rows_.size() && &rows_[end].schema() == &schema) ++end;
        writer->rows(schema, false, std::span(rows_).subspan(begin, end - begin), lookup());
        begin = end;
    }
    for (const auto& [name, rows] : facts_)
        if (!rows.empty()) writer->fact(rows.front().schema(), rows, lookup());
    explain::Answer answer;
    answer.window = moment_.window;
    answer.coverage = moment_.coverage;
    // The subjects stand in the file as they were at the end: they need not be told once more.
    writer->moment(RecordingWriter::Moment::closing, answer, moment_.topic, moment_.problems, {});
    return writer->close();
}

}  // namespace waggle::agent
