// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "recording/crc32c.h"
#include "recording/recording.h"
#include "recording/recording_format.h"

namespace waggle::agent {
namespace {

using nlohmann::json;

// The way back from the writer's latin(): code points U+0000..U+00FF to bytes.
std::string bytes_from(const json& value) {
    if (!value.is_string()) return {};
    const auto& text = value.get_ref<const std::string&>();
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte >= 0xc2 && byte <= 0xc3 && i + 1 < text.size())
            out += static_cast<char>((byte & 0x03) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
        else
            out += text[i];
    }
    return out;
}

// Values of a JSON object, with a neutral one where the key is missing or of another type: a frame whose
// check sum holds but whose words are foreign must not end the program.
std::string text_at(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? std::string{} : bytes_from(*found);
}

template <class T>
T number_of(const json& value) {
    return value.is_number_integer() ? value.get<T>() : T{};
}

template <class T>
T number_at(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? T{} : number_of<T>(*found);
}

const json& array_at(const json& object, const char* key) {
    static const json empty = json::array();
    const auto found = object.find(key);
    return found == object.end() || !found->is_array() ? empty : *found;
}

bool true_at(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::uint32_t size_of_type(Type type, std::uint32_t size) {
    switch (type) {
        case Type::u8:
        case Type::flag:
            return 1;
        case Type::u16:
            return 2;
        case Type::u32:
        case Type::i32:
            return 4;
        case Type::u64:
        case Type::i64:
        case Type::real:
        case Type::text_ref:
        case Type::distribution:
            return 8;
        case Type::address:
            return sizeof(waggle_address);
        case Type::text:
            return size;
        case Type::histogram:
            return size / 8 * 8;
    }
    return 0;
}

}  // namespace

Result<RecordingReader> RecordingReader::open(Bytes file) {
    const Bytes magic = bytes_of(recording_magic);
    if (file.size() < magic.size() || !std::equal(magic.begin(), magic.end(), file.begin()))
        return Error{"this is not a waggle recording: it does not begin with \"waggle record 1\" (offset 0)"};
    return RecordingReader(file);
}

std::string RecordingReader::read(RecordingVisitor& visitor) {
    std::size_t at = recording_magic.size();
    bool closed = false;
    while (at < file_.size()) {
        const std::size_t left = file_.size() - at;
        if (left < sizeof(FrameHeader))
            return fmt::format(
                "the recording is cut off at offset {}: {} bytes of a frame's 16-byte head are there", at,
                left);
        const auto header = load<FrameHeader>(file_, at);
        const auto padded = (std::uint64_t{header.length} + 7) & ~std::uint64_t{7};
        if (header.length > frame_limit || header.zero != 0)
            return fmt::format("the recording is damaged at offset {}: that is no frame's head", at);
        if (padded > left - sizeof header)
            return fmt::format(
                "the recording is cut off at offset {}: the frame there has {} bytes, {} are left", at,
                padded, left - sizeof header);
        const Bytes payload = file_.subspan(at + sizeof header, header.length);
        if (crc32c(payload, crc32c(file_.subspan(at, 8))) != header.crc)
            return fmt::format("the recording is damaged at offset {}: the frame's check sum does not match",
                               at);
        if (const std::string wrong = read_frame(header.type, payload, visitor); !wrong.empty())
            return fmt::format("the recording is damaged at offset {}: {}", at, wrong);
        closed = header.type == static_cast<std::uint32_t>(Frame::moment) && closing_;
        at += sizeof header + static_cast<std::size_t>(padded);
    }
    if (!closed)
        return fmt::format(
            "the recording ends at offset {} without its closing moment: the recorder was stopped before it "
            "could write it",
            at);
    return {};
}

std::string RecordingReader::read_frame(std::uint32_t type, Bytes payload, RecordingVisitor& visitor) {
    if (type == static_cast<std::uint32_t>(Frame::rows)) return read_rows(payload, visitor);
    const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
    if (type == static_cast<std::uint32_t>(Frame::schema)) return read_schema(text, visitor);
    return read_control(type, text, visitor);
}

std::string RecordingReader::read_control(std::uint32_t type, std::string_view text,
                                          RecordingVisitor& visitor) {
    const json value = json::parse(text, nullptr, false);
    if (type == static_cast<std::uint32_t>(Frame::name)) {
        if (!value.is_array() || value.size() != 3 || !value[0].is_string() || !value[1].is_number_integer())
            return "a name frame without its three parts";
        visitor.on_name(bytes_from(value[0]), value[1].get<std::uint64_t>(), bytes_from(value[2]));
        return {};
    }
    if (!value.is_object()) return fmt::format("frame type {} does not hold an object", type);
    if (type == static_cast<std::uint32_t>(Frame::subject)) {
        Subject subject;
        subject.pid = number_at<std::uint32_t>(value, "pid");
        subject.start_ns = number_at<std::uint64_t>(value, "start_ns");
        subject.parent_pid = number_at<std::uint32_t>(value, "parent_pid");
        subject.comm = text_at(value, "comm");
        subject.exe = text_at(value, "exe");
        subject.cgroup = text_at(value, "cgroup");
        subject.container = text_at(value, "container");
        subject.runtime = text_at(value, "runtime");
        subject.unit = text_at(value, "unit");
        const auto who =
            SubjectKey::of(subject.pid, subject.start_ns, number_at<std::uint64_t>(value, "cgroup_id"));
        visitor.on_subject(who, std::move(subject));
        return {};
    }
    if (type == static_cast<std::uint32_t>(Frame::fact_again)) {
        const auto found = schemas_.find(number_at<std::uint32_t>(value, "schema"));
        if (found == schemas_.end() || !found->second->is_fact)
            return "a fact that was not declared is read again";
        visitor.on_fact_again(found->second->schema);
        return {};
    }
    if (type == static_cast<std::uint32_t>(Frame::user_rules)) {
        visitor.on_user_rules({text_at(value, "path"), text_at(value, "text")});
        return {};
    }
    if (type == static_cast<std::uint32_t>(Frame::note)) {
        visitor.on_note(text_at(value, "name"), text_at(value, "text"));
        return {};
    }
    if (type == static_cast<std::uint32_t>(Frame::memory))
        visitor.on_memory(number_at<std::size_t>(value, "bytes"));
    if (type != static_cast<std::uint32_t>(Frame::moment))
        return {};  // else a later version's frame: skipped
    RecordedMoment moment;
    explain::Window& window = moment.window;
    window.from_ns = number_at<std::uint64_t>(value, "from_ns");
    window.to_ns = number_at<std::uint64_t>(value, "to_ns");
    window.from_realtime_ns = number_at<std::uint64_t>(value, "from_realtime_ns");
    if (window.to_ns < window.from_ns) return "its window ends before it begins";
    moment.topic = text_at(value, "topic");
    moment.closing = closing_ = !value.contains("closing") || true_at(value, "closing");
    for (const json& part : array_at(value, "coverage")) {
        if (!part.is_object()) continue;
        explain::SensorCoverage sensor;
        sensor.sensor = text_at(part, "sensor");
        sensor.seen = number_at<std::uint64_t>(part, "seen");
        sensor.evicted = number_at<std::uint64_t>(part, "evicted");
        for (const json& loss : array_at(part, "lost"))
            if (loss.is_array() && loss.size() == 2)
                sensor.lost.push_back({bytes_from(loss[0]), number_of<std::uint64_t>(loss[1])});
        for (const json& hook : array_at(part, "hooks"))
            if (hook.is_array() && hook.size() == 3)
                sensor.hooks.push_back({bytes_from(hook[0]), bytes_from(hook[1]), bytes_from(hook[2]), {}});
        moment.coverage.push_back(std::move(sensor));
    }
    for (const json& problem : array_at(value, "problems")) moment.problems.push_back(bytes_from(problem));
    visitor.on_moment(std::move(moment));
    return {};
}

std::string RecordingReader::read_schema(std::string_view text, RecordingVisitor& visitor) {
    const json value = json::parse(text, nullptr, false);
    if (!value.is_object()) return "a schema frame does not hold an object";
    auto owned = std::make_unique<OwnedSchema>();
    const auto own = [&](const json& part) -> std::string_view {
        return owned->texts.emplace_back(bytes_from(part));
    };
    Schema& schema = owned->schema;
    schema.name = own(value.value("name", json{}));
    schema.meaning = own(value.value("meaning", json{}));
    schema.size = number_at<std::uint32_t>(value, "size");
    schema.has_subject = true_at(value, "subject");
    owned->is_fact = true_at(value, "fact");
    if (schema.name.empty() || schema.size > frame_limit) return "a schema without name or size";
    if (schema.has_subject && schema.size < sizeof(waggle_event))
        return fmt::format("schema {} has no room for its header", schema.name);
    for (const json& part : array_at(value, "fields")) {
        if (!part.is_array() || part.size() != 8)
            return fmt::format("schema {} has a field without its eight parts", schema.name);
        const auto type = number_of<std::uint32_t>(part[1]);
        const auto unit = number_of<std::uint32_t>(part[2]);
        const auto offset = number_of<std::uint32_t>(part[3]);
        const auto size = number_of<std::uint32_t>(part[4]);
        if (type > static_cast<std::uint32_t>(Type::distribution) ||
            unit > static_cast<std::uint32_t>(Unit::identifier))
            return fmt::format("schema {} has a field of an unknown type or unit", schema.name);
        if (offset > schema.size || size > schema.size - offset ||
            size != size_of_type(static_cast<Type>(type), size))
            return fmt::format("schema {} has a field outside its record", schema.name);
        owned->fields.push_back(make_field(own(part[0]), static_cast<Type>(type), static_cast<Unit>(unit),
                                           offset, size, own(part[5]), number_of<std::uint32_t>(part[6]),
                                           own(part[7])));
    }
    schema.fields = owned->fields;
    const auto id = number_at<std::uint32_t>(value, "id");
    const auto [place, fresh] = schemas_.emplace(id, std::move(owned));
    if (!fresh) return fmt::format("schema number {} is declared twice", id);
    visitor.on_schema(place->second->schema, place->second->is_fact);
    return {};
}

std::string RecordingReader::read_rows(Bytes payload, RecordingVisitor& visitor) {
    if (payload.size() < sizeof(RowsHeader)) return "a rows frame without its head";
    const auto header = load<RowsHeader>(payload);
    const auto found = schemas_.find(header.schema);
    if (found == schemas_.end())
        return fmt::format("rows of schema number {}, which was not declared", header.schema);
    const Schema& schema = found->second->schema;
    std::size_t at = sizeof header;
    for (std::uint32_t i = 0; i < header.count; ++i) {
        if (payload.size() - at < 8) return fmt::format("row {} of {} is cut off", i, schema.name);
        const auto size = load<std::uint64_t>(payload, at);
        at += 8;
        if (size < schema.size || size > payload.size() - at)
            return fmt::format("row {} of {} has the wrong length", i, schema.name);
        const Bytes record = payload.subspan(at, static_cast<std::size_t>(size));
        visitor.on_row(Row(schema, record));
        at += (static_cast<std::size_t>(size) + 7) & ~std::size_t{7};
        if (at > payload.size()) return fmt::format("row {} of {} is cut off", i, schema.name);
    }
    return {};
}

}  // namespace waggle::agent
