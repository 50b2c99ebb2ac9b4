// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "recording/crc32c.h"
#include "recording/recording.h"
#include "recording/recording_format.h"

namespace waggle::agent {
namespace {

using nlohmann::json;

// Foreign text goes in as it is: JSON wants UTF-8, so bytes above 0x7f are carried as code points
// U+0080..U+00FF.
std::string latin(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | (byte >> 6));
            out += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    return out;
}

}  // namespace

Result<RecordingWriter> RecordingWriter::create(const std::string& path, std::size_t memory_bytes) {
    RecordingWriter writer;
    writer.path_ = path;
    writer.memory_bytes_ = memory_bytes;
    // A recording holds command lines and addresses: it is the owner's alone.
    writer.fd_ = OwnedFd(path == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                                     : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!writer.fd_) return Error{fmt::format("cannot write {}: {}", path, std::strerror(errno))};
    const Bytes magic = bytes_of(recording_magic);
    writer.buffer_.assign(magic.begin(), magic.end());
    writer.text_frame(static_cast<std::uint32_t>(Frame::memory), json{{"bytes", memory_bytes}}.dump());
    return writer;
}

Result<RecordingWriter> RecordingWriter::next_part(unsigned parts) const {
    const auto name = [&](unsigned part) { return part == 0 ? path_ : fmt::format("{}.{}", path_, part); };
    for (unsigned part = parts - 1; part-- > 0;)
        if (::rename(name(part).c_str(), name(part + 1).c_str()) != 0 && errno != ENOENT)
            return Error{fmt::format("cannot rename {}: {}", name(part), std::strerror(errno))};
    return create(path_, memory_bytes_);
}

void RecordingWriter::flush() {
    std::size_t done = 0;
    while (done < buffer_.size() && failure_.empty()) {
        const ssize_t wrote = ::write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0)
            failure_ = fmt::format("cannot write {}: {}", path_, std::strerror(errno));
        else
            done += static_cast<std::size_t>(wrote);
    }
    written_ += done;
    buffer_.clear();
}

void RecordingWriter::frame(std::uint32_t type, Bytes payload) {
    FrameHeader header{type, static_cast<std::uint32_t>(payload.size()), 0, 0};
    header.crc = crc32c(payload, crc32c(bytes_of(header).first(8)));
    const Bytes head = bytes_of(header);
    buffer_.insert(buffer_.end(), head.begin(), head.end());
    buffer_.insert(buffer_.end(), payload.begin(), payload.end());
    buffer_.resize((buffer_.size() + 7) & ~std::size_t{7});
    if (buffer_.size() >= (256u << 10)) flush();
}

void RecordingWriter::text_frame(std::uint32_t type, std::string_view payload) {
    frame(type, bytes_of(payload));
}

std::uint32_t RecordingWriter::schema_id(const Schema& schema, bool is_fact) {
    const auto known = schemas_.find(schema.name);
    if (known != schemas_.end()) return known->second;
    const auto id = static_cast<std::uint32_t>(schemas_.size());
    schemas_.emplace(schema.name, id);
    json fields = json::array();
    for (const Field& field : schema.fields)
        fields.push_back({field.name, static_cast<int>(field.type), static_cast<int>(field.unit),
                          field.offset, field.size, field.meaning, field.traits, field.dictionary});
    text_frame(static_cast<std::uint32_t>(Frame::schema), json{{"id", id},
                                                               {"name", schema.name},
                                                               {"meaning", schema.meaning},
                                                               {"size", schema.size},
                                                               {"subject", schema.has_subject},
                                                               {"fact", is_fact},
                                                               {"fields", std::move(fields)}}
                                                              .dump());
    return id;
}

void RecordingWriter::names_of(const Row& row, const Lookup& lookup) {
    for (const Field& field : row.schema().fields) {
        if (field.dictionary.empty() || !lookup.names) continue;
        const std::uint64_t value = row.u64(field);
        if (!named_.emplace(field.dictionary, value).second) continue;
        const std::string_view name = lookup.names->find(field.dictionary, value);
        if (!name.empty())
            text_frame(static_cast<std::uint32_t>(Frame::name),
                       json{field.dictionary, value, latin(name)}.dump());
    }
    if (!row.schema().has_subject || !lookup.subjects) return;
    const waggle_event who = row.header();
    if (who.pid == 0 && who.cgroup_id == 0) return;
    const SubjectKey key = SubjectKey::of(who.pid, who.start_ns, who.cgroup_id);
    if (introduced_.insert(key).second) introduce(key, lookup);
}

void RecordingWriter::introduce(const SubjectKey& who, const Lookup& lookup) {
    Subject subject;
    if (!lookup.subjects->with(who.pid, who.start_ns, who.cgroup_id,
                               [&](const Subject& known) { subject = known; }))
        return;
    text_frame(static_cast<std::uint32_t>(Frame::subject), json{{"pid", who.pid},
                                                                {"start_ns", who.start_ns},
                                                                {"cgroup_id", who.cgroup_id},
                                                                {"parent_pid", subject.parent_pid},
                                                                {"comm", latin(subject.comm)},
                                                                {"exe", latin(subject.exe)},
                                                                {"cgroup", latin(subject.cgroup)},
                                                                {"container", latin(subject.container)},
                                                                {"runtime", latin(subject.runtime)},
                                                                {"unit", latin(subject.unit)}}
                                                               .dump());
}

void RecordingWriter::rows(const Schema& schema, bool is_fact, std::span<const Row> rows,
                           const Lookup& lookup) {
    if (!failure_.empty()) return;
    const std::uint32_t id = schema_id(schema, is_fact);
    constexpr std::size_t payload_limit = 1u << 20;
    for (std::size_t next = 0; next < rows.size();) {
        RowsHeader header{id, 0};
        std::vector<std::byte> payload(sizeof header);
        while (next < rows.size() && payload.size() < payload_limit) {
            const Row& row = rows[next++];
            names_of(row, lookup);
            const std::uint64_t size = row.bytes().size();
            const Bytes head = bytes_of(size);
            payload.insert(payload.end(), head.begin(), head.end());
            payload.insert(payload.end(), row.bytes().begin(), row.bytes().end());
            payload.resize((payload.size() + 7) & ~std::size_t{7});
            ++header.count;
        }
        std::memcpy(payload.data(), &header, sizeof header);
        frame(static_cast<std::uint32_t>(Frame::rows), payload);
    }
}

void RecordingWriter::fact(const Schema& schema, std::span<const Row> rows, const Lookup& lookup) {
    if (!failure_.empty()) return;
    text_frame(static_cast<std::uint32_t>(Frame::fact_again),
               json{{"schema", schema_id(schema, true)}}.dump());
    this->rows(schema, true, rows, lookup);
}

void RecordingWriter::user_rules(const explain::OwnedRuleFile& file) {
    text_frame(static_cast<std::uint32_t>(Frame::user_rules),
               json{{"path", latin(file.path)}, {"text", latin(file.text)}}.dump());
}

void RecordingWriter::note(std::string_view name, std::string_view text) {
    text_frame(static_cast<std::uint32_t>(Frame::note),
               json{{"name", latin(name)}, {"text", latin(text)}}.dump());
}

void RecordingWriter::moment(Moment kind, const explain::Answer& answer, std::string_view topic,
                             std::span<const std::string> problems, const Lookup& lookup) {
    if (!failure_.empty()) return;
    if (lookup.subjects && kind == Moment::closing)
        for (const SubjectKey& who : introduced_) introduce(who, lookup);
    json sensors = json::array();
    for (const explain::SensorCoverage& part : answer.coverage) {
        json lost = json::array(), hooks = json::array();
        for (const Loss& loss : part.lost) lost.push_back({loss.cause, loss.count});
        for (const HookUse& hook : part.hooks) hooks.push_back({hook.moment, hook.hook, hook.lost});
        sensors.push_back({{"sensor", part.sensor},
                           {"seen", part.seen},
                           {"evicted", part.evicted},
                           {"lost", lost},
                           {"hooks", hooks}});
    }
    json sentences = json::array();
    for (const std::string& problem : problems) sentences.push_back(latin(problem));
    text_frame(static_cast<std::uint32_t>(Frame::moment),
               json{{"from_ns", answer.window.from_ns},
                    {"to_ns", answer.window.to_ns},
                    {"from_realtime_ns", answer.window.from_realtime_ns},
                    {"topic", latin(topic)},
                    {"closing", kind == Moment::closing},
                    {"coverage", sensors},
                    {"problems", sentences}}
                   .dump());
    flush();
}

Result<void> RecordingWriter::close() {
    flush();
    if (failure_.empty() && ::fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
        failure_ = fmt::format("cannot write {}: {}", path_, std::strerror(errno));
    fd_.reset();
    if (!failure_.empty()) return Error{failure_};
    return {};
}

}  // namespace waggle::agent
