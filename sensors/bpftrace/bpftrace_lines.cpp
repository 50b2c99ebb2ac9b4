// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpftrace/bpftrace_lines.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/record_writer.h"
#include "sensors/bpftrace/bpftrace.event.h"

namespace waggle::sensors {
namespace {

using nlohmann::json;

constexpr std::size_t text_limit = 4096;
constexpr int depth_limit = 16;

std::string cut(std::string_view text) {
    if (text.size() <= text_limit) return std::string(text);
    return std::string(text.substr(0, text_limit - 3)) + "...";
}

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::optional<std::int64_t> number_of(const json& value) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return {};
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
    return {};
}

std::optional<std::int64_t> number_at(const json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? std::nullopt : number_of(*found);
}

// hist() and lhist(): buckets of which the outermost lack a bound.
bool is_bucket(const json& value) {
    return value.is_object() && value.contains("count") && (value.contains("min") || value.contains("max"));
}

// stats(): three figures, and nothing else.
bool is_stats(const json& value) {
    return value.is_object() && value.size() == 3 && number_at(value, "count") &&
           number_at(value, "average") && number_at(value, "total");
}

class Records {
  public:
    Records(std::string_view output, std::uint64_t time_ns) : output_(output), time_ns_(time_ns) {}

    void text(std::string_view words) {
        begin();
        finish({}, {}, words);
    }

    // `data` is {"@name": contents}, and contents a value or {"key": value}.
    void maps(const json& data) {
        for (const auto& [name, contents] : data.items()) {
            if (!contents.is_object() || (output_ == "stats" && is_stats(contents))) {
                value(name, {}, contents);
                continue;
            }
            for (const auto& [key, each] : contents.items()) value(name, key, each);
        }
    }

    void hand_to(const RecordSink& sink) const {
        if (records_.empty()) return;
        std::vector<Bytes> all;
        all.reserve(records_.size());
        for (const std::vector<std::uint64_t>& words : records_)
            all.push_back(Bytes(std::as_bytes(std::span(words))));
        sink(all);
    }

  private:
    void begin() {
        writer_.clear();
        writer_.fixed.header.time_ns = time_ns_;
        std::memcpy(writer_.fixed.output, output_.data(),
                    std::min(output_.size(), sizeof writer_.fixed.output - 1));
        writer_.fixed.value = writer_.fixed.lowest = writer_.fixed.highest = null_i64;
    }

    void finish(std::string_view map, std::string_view key, std::string_view words) {
        writer_.text(&bpftrace_event::map, cut(map));
        writer_.text(&bpftrace_event::key, cut(key));
        writer_.text(&bpftrace_event::text, cut(words));
        const Bytes record = writer_.finish();
        std::vector<std::uint64_t>& words_of = records_.emplace_back((record.size() + 7) / 8);
        std::memcpy(words_of.data(), record.data(), record.size());
    }

    void value(std::string_view map, std::string_view key, const json& contents) {
        if (contents.is_array() && !contents.empty() && std::ranges::all_of(contents, is_bucket)) {
            for (const json& bucket : contents) {
                begin();
                writer_.fixed.value = number_at(bucket, "count").value_or(null_i64);
                writer_.fixed.lowest = number_at(bucket, "min").value_or(null_i64);
                writer_.fixed.highest = number_at(bucket, "max").value_or(null_i64);
                finish(map, key, {});
            }
            return;
        }
        if (is_stats(contents)) {
            for (const char* figure : {"count", "average", "total"}) {
                begin();
                writer_.fixed.value = *number_at(contents, figure);
                finish(map, key, figure);
            }
            return;
        }
        begin();
        const std::optional<std::int64_t> number = number_of(contents);
        if (number) writer_.fixed.value = *number;
        finish(map, key,
               number                 ? ""
               : contents.is_string() ? contents.get_ref<const std::string&>()
                                      : dumped(contents));
    }

    std::string_view output_;
    std::uint64_t time_ns_;
    RecordWriter<bpftrace_event> writer_;
    std::vector<std::vector<std::uint64_t>> records_;
};

}  // namespace

BpftraceLine read_bpftrace_line(std::string_view line, std::uint64_t time_ns, const RecordSink& sink) {
    BpftraceLine out;
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.empty()) return out;
    bool too_deep = false;
    const json parsed = json::parse(
        line,
        [&too_deep](int depth, json::parse_event_t, const json&) {
            too_deep |= depth > depth_limit;
            return depth <= depth_limit;
        },
        false);
    if (too_deep || !parsed.is_object() || !parsed.contains("type") || !parsed["type"].is_string() ||
        !parsed.contains("data")) {
        Records records("stdout", time_ns);
        records.text(line);
        records.hand_to(sink);
        return out;
    }
    const std::string& output = parsed["type"].get_ref<const std::string&>();
    const json& data = parsed["data"];
    if (output == "attached_probes" && data.is_object()) {
        out.probes =
            static_cast<std::uint64_t>(std::max<std::int64_t>(number_at(data, "probes").value_or(0), 0));
        return out;
    }
    if (output == "lost_events" && data.is_object()) {
        out.lost =
            static_cast<std::uint64_t>(std::max<std::int64_t>(number_at(data, "events").value_or(0), 0));
        return out;
    }
    Records records(output, time_ns);
    if (data.is_string()) {
        std::string_view words = data.get_ref<const std::string&>();
        if (words.ends_with('\n')) words.remove_suffix(1);
        records.text(words);
    } else if (data.is_object()) {
        records.maps(data);
    } else {
        records.text(dumped(data));
    }
    records.hand_to(sink);
    return out;
}

}  // namespace waggle::sensors
