// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpftrace/bpftrace_lines.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/record_writer.h"
#include "sensors/bpftrace/bpftrace.event.h"

namespace waggle::sensors {
namespace {

constexpr std::size_t text_limit = 4096;
constexpr std::size_t records_at_once = 1024;
constexpr std::size_t depth_limit = 16;

std::string cut(std::string_view text) {
    if (text.size() <= text_limit) return std::string(text);
    return std::string(text.substr(0, text_limit - 3)) + "...";
}

// The length of the UTF-8 sequence that begins here; 0 where none does.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t length = byte(0) < 0x80                       ? 1
                               : byte(0) >= 0xc2 && byte(0) <= 0xdf ? 2
                               : (byte(0) & 0xf0) == 0xe0           ? 3
                               : byte(0) >= 0xf0 && byte(0) <= 0xf4 ? 4
                                                                    : 0;
    if (length == 0 || length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if (length == 3 && (byte(0) == 0xe0 ? byte(1) < 0xa0 : byte(0) == 0xed && byte(1) > 0x9f)) return 0;
    if (length == 4 && (byte(0) == 0xf0 ? byte(1) < 0x90 : byte(0) == 0xf4 && byte(1) > 0x8f)) return 0;
    return length;
}

// bpftrace writes a byte beyond ASCII as "\uffffffc3" where char is signed, and as it is elsewhere, whole
// characters or not. This gives the byte back, and a mark for what is no UTF-8.
std::string repaired(std::string_view line) {
    constexpr std::string_view byte_mark = "\\uffffff";
    std::string bytes;
    bytes.reserve(line.size());
    for (std::size_t i = 0; i < line.size();) {
        unsigned value = 0;
        if (line[i] != '\\') {
            bytes += line[i++];
        } else if (line.substr(i).starts_with(byte_mark) && i + 10 <= line.size() &&
                   std::from_chars(line.data() + i + 8, line.data() + i + 10, value, 16).ptr ==
                       line.data() + i + 10 &&
                   value >= 0x80) {
            bytes += static_cast<char>(value);
            i += 10;
        } else {
            bytes.append(line.substr(i, 2));
            i += 2;
        }
    }
    std::string out;
    out.reserve(bytes.size());
    for (std::string_view rest = bytes; !rest.empty();) {
        const std::size_t length = utf8_length(rest);
        out += length ? rest.substr(0, length) : "\xef\xbf\xbd";
        rest.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

// A value of JSON in the order it came in, equal names and all.
struct Node {
    enum class Kind : std::uint8_t { number, text, list, object } kind = Kind::text;
    std::int64_t number = 0;
    std::string text;  // also of a number that int64 does not hold
    std::string name;  // in the object that holds it
    std::vector<Node> parts;

    const Node* find(std::string_view wanted) const {
        const auto found = std::ranges::find(parts, wanted, &Node::name);
        return found == parts.end() ? nullptr : &*found;
    }
    std::optional<std::int64_t> number_at(std::string_view wanted) const {
        const Node* part = find(wanted);
        return part && part->kind == Kind::number ? std::optional(part->number) : std::nullopt;
    }
};

std::string in_words(const Node& node) {
    if (node.kind == Node::Kind::number) return std::to_string(node.number);
    if (node.kind == Node::Kind::text) return node.text;
    std::string out = node.kind == Node::Kind::list ? "[" : "{";
    for (const Node& part : node.parts) {
        if (out.size() > 1) out += ", ";
        if (node.kind == Node::Kind::object) out += part.name + ": ";
        out += in_words(part);
    }
    return out + (node.kind == Node::Kind::list ? "]" : "}");
}

// hist() and lhist(): buckets of which the outermost lack a bound.
bool is_bucket(const Node& node) {
    return node.kind == Node::Kind::object && node.number_at("count") &&
           (node.find("min") || node.find("max"));
}

// stats(): three figures, and nothing else.
bool is_stats(const Node& node) {
    return node.kind == Node::Kind::object && node.parts.size() == 3 && node.number_at("count") &&
           node.number_at("average") && node.number_at("total");
}

class Records {
  public:
    Records(std::uint64_t time_ns, const RecordSink& sink) : time_ns_(time_ns), sink_(sink) {}
    ~Records() { hand_over(); }
    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;

    void text(std::string_view output, std::string_view words) {
        begin(output);
        finish({}, {}, words);
    }

    // One entry of a map, as one record, as one for each bucket, or as the three figures of stats().
    void entry(std::string_view output, std::string_view map, std::string_view key, const Node& value) {
        if (records_.size() >= records_at_once) hand_over();
        if (value.kind == Node::Kind::list && !value.parts.empty() &&
            std::ranges::all_of(value.parts, is_bucket)) {
            for (const Node& bucket : value.parts) {
                begin(output);
                writer_.fixed.value = bucket.number_at("count").value_or(null_i64);
                writer_.fixed.lowest = bucket.number_at("min").value_or(null_i64);
                writer_.fixed.highest = bucket.number_at("max").value_or(null_i64);
                finish(map, key, {});
            }
        } else if (output == "stats" && is_stats(value)) {
            for (const char* figure : {"count", "average", "total"}) {
                begin(output);
                writer_.fixed.value = *value.number_at(figure);
                finish(map, key, figure);
            }
        } else {
            begin(output);
            if (value.kind == Node::Kind::number) writer_.fixed.value = value.number;
            finish(map, key, value.kind == Node::Kind::number ? std::string() : in_words(value));
        }
    }

  private:
    void begin(std::string_view output) {
        writer_.clear();
        writer_.fixed.header.time_ns = time_ns_;
        std::memcpy(writer_.fixed.output, output.data(),
                    std::min(output.size(), sizeof writer_.fixed.output - 1));
        writer_.fixed.value = writer_.fixed.lowest = writer_.fixed.highest = null_i64;
    }

    void finish(std::string_view map, std::string_view key, std::string_view words) {
        writer_.text(&bpftrace_event::map, cut(map));
        writer_.text(&bpftrace_event::key, cut(key));
        writer_.text(&bpftrace_event::text, cut(words));
        const Bytes record = writer_.finish();
        std::vector<std::uint64_t>& kept = records_.emplace_back((record.size() + 7) / 8);
        std::memcpy(kept.data(), record.data(), record.size());
    }

    void hand_over() {
        if (records_.empty()) return;
        std::vector<Bytes> all;
        all.reserve(records_.size());
        for (const std::vector<std::uint64_t>& words : records_)
            all.push_back(std::as_bytes(std::span(words)));
        sink_(all);
        records_.clear();
    }

    std::uint64_t time_ns_;
    const RecordSink& sink_;
    RecordWriter<bpftrace_event> writer_;
    std::vector<std::vector<std::uint64_t>> records_;
};

// Reads {"type": OUTPUT, "data": DATA} as it comes: a map of a million entries is never held as a whole. DATA
// is a text, or {"@map": VALUE}, or {"@map": {"key": VALUE}}.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
  public:
    Reader(Records& records, BpftraceLine& line) : records_(records), line_(line) {}

    // Whether it was a line of bpftrace's, read to its end.
    bool is_whole() const { return whole_; }

    bool null() override { return value(leaf("null")); }
    bool boolean(bool is) override { return value(leaf(is ? 1 : 0)); }
    bool number_integer(number_integer_t number) override { return value(leaf(number)); }
    bool number_unsigned(number_unsigned_t number) override {
        return value(number <= INT64_MAX ? leaf(static_cast<std::int64_t>(number))
                                         : leaf(std::to_string(number)));
    }
    bool number_float(number_float_t, const string_t& text) override { return value(leaf(text)); }
    bool string(string_t& text) override { return value(leaf(std::move(text))); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Node::Kind::object); }
    bool start_array(std::size_t) override { return open(Node::Kind::list); }
    bool key(string_t& name) override {
        names_.back() = std::move(name);
        return true;
    }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
        return false;
    }

  private:
    static Node leaf(std::int64_t number) { return {Node::Kind::number, number, {}, {}, {}}; }
    static Node leaf(std::string text) { return {Node::Kind::text, 0, std::move(text), {}, {}}; }

    // What stands at this depth: 1 the line, 2 the maps, 3 their keys. Deeper, and what can only be judged as
    // a whole, is gathered.
    bool open(Node::Kind kind) {
        const std::size_t depth = names_.size() + 1;
        if (depth > depth_limit || (depth == 1 && kind == Node::Kind::list)) return false;
        if (depth == 2 && (names_[0] != "data" || output_.empty())) return false;
        const bool streamed =
            open_.empty() && kind == Node::Kind::object && depth <= 3 && !(depth == 3 && output_ == "stats");
        names_.emplace_back();
        if (!streamed) open_.push_back({kind, 0, {}, {}, {}});
        return true;
    }

    bool close() {
        names_.pop_back();
        if (names_.empty()) {
            whole_ = has_data_;
            return true;
        }
        if (open_.empty()) {
            if (names_.size() == 1) has_data_ = true;
            return true;
        }
        Node node = std::move(open_.back());
        open_.pop_back();
        return value(std::move(node));
    }

    bool value(Node node) {
        if (names_.empty()) return false;  // a line that is no object
        if (!open_.empty()) {
            node.name = names_.back();
            open_.back().parts.push_back(std::move(node));
            return true;
        }
        if (names_.size() == 1) return part_of_line(node);
        if (names_.size() == 2 && output_ == "attached_probes")
            line_.probes = static_cast<std::uint64_t>(std::max<std::int64_t>(node.number, 0));
        else if (names_.size() == 2 && output_ == "lost_events")
            line_.lost = static_cast<std::uint64_t>(std::max<std::int64_t>(node.number, 0));
        else if (names_.size() == 2 && output_ == "stats" && node.kind == Node::Kind::object &&
                 !is_stats(node))
            for (const Node& each : node.parts) records_.entry(output_, names_[1], each.name, each);
        else
            records_.entry(output_, names_[1], names_.size() > 2 ? names_[2] : "", node);
        return true;
    }

    bool part_of_line(const Node& node) {
        if (names_[0] == "type") {
            output_ = node.kind == Node::Kind::text ? node.text : "";
            return !output_.empty();
        }
        if (names_[0] != "data" || output_.empty()) return false;
        std::string_view words = node.text;
        if (words.ends_with('\n')) words.remove_suffix(1);
        records_.text(output_, node.kind == Node::Kind::text ? words : in_words(node));
        has_data_ = true;
        return true;
    }

    Records& records_;
    BpftraceLine& line_;
    std::string output_;
    std::vector<std::string> names_;  // of the objects we are in, the last key of each
    std::vector<Node> open_;          // what is being gathered
    bool has_data_ = false, whole_ = false;
};

}  // namespace

BpftraceLine read_bpftrace_line(std::string_view line, std::uint64_t time_ns, const RecordSink& sink) {
    BpftraceLine out;
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.empty()) return out;
    std::string clean;
    if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }) ||
        line.find("\\uffffff") != std::string_view::npos) {
        clean = repaired(line);
        line = clean;
    }
    Records records(time_ns, sink);
    Reader reader(records, out);
    const bool read = nlohmann::json::sax_parse(line, &reader);
    // What was read of it before it broke is said all the same.
    if (!read || !reader.is_whole()) records.text("stdout", line);
    return out;
}

}  // namespace waggle::sensors
