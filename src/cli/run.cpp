// SPDX-License-Identifier: Apache-2.0
// run: loads any BPF object, attaches its programs, streams its events and prints its maps, all by its own
// types.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/sources.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "render/json.h"
#include "render/row_printer.h"

namespace waggle::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::uint32_t default_entries = 20;

std::string dump(const ordered_json& json) {
    return json.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

// The columns whose names begin so, without that beginning; "" for all but the time.
std::vector<Column> columns_of(const Schema& schema, std::string_view prefix) {
    std::vector<Column> out;
    for (Column column : waggle::columns_of(schema)) {
        if (column.name == "time_ns" || !column.name.starts_with(prefix)) continue;
        if (!prefix.empty() && column.name != prefix) {
            if (column.name[prefix.size()] != '_') continue;
            column.name.remove_prefix(prefix.size() + 1);
        } else if (!prefix.empty()) {
            column.name = "value";
        }
        out.push_back(column);
    }
    return out;
}

// The object as its tables say it is, and what is printed of it.
class Shown {
  public:
    Shown(agent::Session& session, const Options& options, const explain::Knowledge& knowledge)
        : session_(session), options_(options), knowledge_(knowledge), lookup_(session.store().lookup()) {
        each("object_table", [&](const Row& row) {
            maps_[std::string(row.text("table_name"))] = {std::string(row.text("map")),
                                                          std::string(row.text("type"))};
        });
    }

    void programs();
    void maps();
    std::string record(const Row& row);
    void entries();
    void globals();
    void summary();
    void put(const std::string& text) {
        if (!text.empty()) print(text);
    }

  private:
    struct Of {
        std::string map, type;
    };
    template <class Visit>
    void each(std::string_view table, Visit&& visit) const {
        if (const Table* found = session_.store().table(table)) found->each(visit);
    }
    // What the knowledge says of a kind of map or program.
    explain::Explanation words_of(std::string_view kind, std::string_view name) const {
        const auto found = knowledge_.find(fmt::format("{} {}", kind, name));
        return found && !found->empty() ? found->front() : explain::Explanation{};
    }
    void entries_of(const Row& map);
    std::string one(const Row& row, std::span<const Column> columns) const {
        if (!options_.json) return row_in_braces(row, columns, lookup_);
        if (columns.size() != 1 || columns.front().name != "value")
            return sinks::row_json(row, columns, lookup_);
        return dump(ordered_json::parse(sinks::row_json(row, columns, lookup_)).at("value"));
    }

    agent::Session& session_;
    const Options& options_;
    const explain::Knowledge& knowledge_;
    Lookup lookup_;
    std::map<std::string, Of, std::less<>> maps_;  // of each table
    std::map<const Schema*, std::vector<Column>> columns_;
    std::vector<std::uint64_t> told_;  // lengths whose reason was said
};

void Shown::programs() {
    std::size_t programs = 0, maps = 0;
    std::string name, text;
    each("object_map", [&](const Row&) { ++maps; });
    each("object_program", [&](const Row& row) {
        ++programs;
        name = row.text("object");
        const std::string_view attached = row.text("attached"), problem = row.text("problem");
        const explain::Explanation words = words_of("program_type", row.text("type"));
        if (options_.json) {
            text += dump({{"kind", "program"},
                          {"name", row.text("program")},
                          {"type", row.text("type")},
                          {"section", row.text("section")},
                          {"id", row.u64("id")},
                          {"instructions", row.u64("instructions")},
                          {"attached", attached},
                          {"problem", problem},
                          {"what", words.what},
                          {"impact", words.impact}}) +
                    "\n";
            return;
        }
        text += fmt::format(
            "\nProgram {} ({}, {} instructions), {}\n", escape_control(row.text("program")), row.text("type"),
            row.u64("instructions"),
            attached.empty() ? "not attached" : fmt::format("attached: {}", escape_control(attached)));
        if (!problem.empty()) text += fmt::format("  {}\n", problem);
        if (!words.what.empty()) text += fmt::format("  {}\n  {}\n", words.what, words.impact);
    });
    if (!options_.json)
        put(fmt::format("{}: {} and {}, loaded.\n", escape_control(name), counted(programs, "program"),
                        counted(maps, "map")));
    put(text);
}

bool holds_events(const Row& map) {
    return map.text("type") == "ringbuf" || map.text("type") == "perf_event_array";
}

// ", 8-byte key (struct show_place)"
std::string part_text(const Row& map, std::string_view part) {
    const std::string_view type = map.text(fmt::format("{}_type", part));
    return fmt::format(", {}-byte {}{}", map.u64(fmt::format("{}_size", part)), part,
                       type.empty() ? "" : fmt::format(" ({})", type));
}

void Shown::maps() {
    each("object_map", [&](const Row& row) {
        if (row.u64("is_globals")) return;
        const std::string_view type = row.text("type");
        const explain::Explanation words = words_of("map_type", type);
        const auto room = static_cast<std::int64_t>(row.u64("max_entries"));
        if (options_.json)
            return put(dump({{"kind", "map"},
                             {"name", row.text("map")},
                             {"type", type},
                             {"id", row.u64("id")},
                             {"key_size", row.u64("key_size")},
                             {"value_size", row.u64("value_size")},
                             {"max_entries", room},
                             {"what", words.what},
                             {"impact", words.impact}}) +
                       "\n");
        const std::string entry =
            row.u64("key_size") ? part_text(row, "key") + part_text(row, "value") : std::string();
        std::string text = fmt::format("\nMap {} ({}{}{})\n", escape_control(row.text("map")), type, entry,
                                       type == "ringbuf" ? ", " + format_bytes(static_cast<double>(room))
                                       : room            ? ", room for " + format_count(room)
                                                         : "");
        for (const auto& [table, of] : maps_)
            if (of.map == row.text("map")) text += fmt::format("  Table: {}\n", table);
        if (!words.what.empty()) text += fmt::format("  {}\n  {}\n", words.what, words.impact);
        put(text);
    });
}

std::string Shown::record(const Row& row) {
    if (row.schema().name == "object_bytes") {
        if (options_.json)
            return dump({{"kind", "record"},
                         {"map", row.text("map")},
                         {"type", nullptr},
                         {"bytes", row.text("bytes")},
                         {"reason", row.text("reason")}}) +
                   "\n";
        std::string line = fmt::format("  {}  {}\n", escape_control(row.text("map")), row.text("bytes"));
        if (const std::uint64_t length = row.u64("length");
            std::ranges::find(told_, length) == told_.end() && told_.size() < 4096) {
            told_.push_back(length);
            line += fmt::format("  (bytes, because the type of these records is not known: {})\n",
                                row.text("reason"));
        }
        return line;
    }
    const auto [place, fresh] = columns_.try_emplace(&row.schema());
    if (fresh) place->second = columns_of(row.schema(), "");
    const Of& of = maps_[std::string(row.schema().name)];
    if (!options_.json)
        return fmt::format("  {}  {}\n", escape_control(of.map), row_in_braces(row, place->second, lookup_));
    return fmt::format("{{\"kind\":\"record\",\"map\":{},\"type\":{},\"record\":{}}}\n", dump(of.map),
                       dump(of.type), sinks::row_json(row, place->second, lookup_));
}

// The values of one key on several processors are one entry.
void Shown::entries_of(const Row& map) {
    const std::string name(map.text("map"));
    const auto found = std::ranges::find_if(maps_, [&](const auto& each) { return each.second.map == name; });
    const Table* table = found == maps_.end() ? nullptr : session_.store().table(found->first);
    const std::string_view problem = map.text("problem"), type = map.text("type");
    if (!table) {
        if (options_.json)
            put(dump({{"kind", "unlisted"}, {"map", name}, {"reason", problem}}) + "\n");
        else
            put(fmt::format("\nMap {} ({})\n  not listed: {}\n", escape_control(name), type, problem));
        return;
    }
    const std::vector<Column> key = columns_of(table->schema(), "key");
    const std::vector<Column> value = columns_of(table->schema(), "value");
    const bool per_cpu = table->schema().find("cpu") != nullptr;
    std::vector<std::pair<std::string, std::string>> entries;
    std::uint64_t all = 0;
    std::string last;
    const std::size_t most = options_.rows ? options_.rows : default_entries;
    table->each([&](const Row& row) {
        const std::string own = one(row, key);
        const bool same = per_cpu && all > 0 && own == last && row.u64("cpu") != 0;
        if (!same) ++all;
        last = own;
        if (all > most) return;
        if (same)
            entries.back().second += (options_.json ? "," : ", ") + one(row, value);
        else
            entries.emplace_back(own, one(row, value));
    });
    std::string lines;
    for (const auto& [own, values] : entries) {
        const std::string said = per_cpu ? "[" + values + "]" : values;
        lines += options_.json ? fmt::format("{{\"kind\":\"entry\",\"map\":{},\"key\":{},\"value\":{}}}\n",
                                             dump(name), own, said)
                               : fmt::format("  {}: {}\n", own, said);
    }
    if (options_.json)
        return put(problem.empty()
                       ? lines
                       : lines + dump({{"kind", "unlisted"}, {"map", name}, {"reason", problem}}) + "\n");
    std::string head = fmt::format("\nMap {} ({}", escape_control(name), type);
    if (!problem.empty()) return put(head + fmt::format(")\n  not listed: {}\n", problem));
    // An array has all its entries from the beginning; those that are zero are no rows.
    const bool array = type == "array" || type == "percpu_array";
    const std::uint64_t zero = array ? map.u64("max_entries") - std::min(map.u64("max_entries"), all) : 0;
    head += fmt::format(", {} {})\n", format_count(static_cast<std::int64_t>(all + zero)),
                        all + zero == 1 ? "entry" : "entries");
    if (zero) lines += fmt::format("  {} are zero\n", format_count(static_cast<std::int64_t>(zero)));
    if (all > most)
        lines += fmt::format("  {} more; --rows N shows more\n",
                             format_count(static_cast<std::int64_t>(all - most)));
    put(head + lines);
}

void Shown::entries() {
    each("object_map", [&](const Row& row) {
        if (!row.u64("is_globals") && !holds_events(row)) entries_of(row);
    });
}

void Shown::globals() {
    std::string last;
    each("object_global", [&](const Row& row) {
        const std::string map(row.text("map"));
        const bool whole = static_cast<std::int64_t>(row.u64("number")) != null_i64;
        if (options_.json) {
            const ordered_json value = whole ? ordered_json(static_cast<std::int64_t>(row.u64("number")))
                                             : ordered_json(row.text("value"));
            return put(
                dump({{"kind", "global"}, {"map", map}, {"name", row.text("name")}, {"value", value}}) +
                "\n");
        }
        if (map != last) put(fmt::format("\nGlobals {}\n", escape_control(map)));
        last = map;
        put(fmt::format("  {} = {}\n", escape_control(row.text("name")), row.text("value")));
    });
}

void Shown::summary() {
    const explain::SensorCoverage coverage = session_.coverage().front();
    bool has_events = false;
    each("object_map", [&](const Row& row) { has_events |= holds_events(row); });
    std::string lost, runs;
    ordered_json losses = ordered_json::array(), programs = ordered_json::array();
    for (const Loss& loss : coverage.lost) {
        if (loss.count == 0) continue;
        lost += fmt::format(", {} lost ({})", loss.count, loss.cause);
        losses.push_back({{"cause", loss.cause}, {"count", loss.count}});
    }
    each("object_program", [&](const Row& row) {
        const std::uint64_t times = row.u64("runs"), run_ns = row.u64("run_ns");
        programs.push_back({{"program", row.text("program")}, {"runs", times}, {"run_ns", run_ns}});
        if (!row.text("problem").starts_with("not loaded"))
            runs +=
                fmt::format("Program {} ran {}{}.\n", escape_control(row.text("program")),
                            counted(times, "time"), times ? fmt::format(", {} ns each", run_ns / times) : "");
    });
    if (options_.json)
        return put(dump({{"kind", "summary"},
                         {"records", coverage.seen},
                         {"lost", std::move(losses)},
                         {"programs", std::move(programs)}}) +
                   "\n");
    std::string unseen;
    for (const std::string& problem : session_.sources().front().running->problems())
        unseen += "; " + problem;
    put(fmt::format("\n{}{}{}{}", runs, has_events ? counted(coverage.seen, "record") : "", lost + unseen,
                    has_events ? ".\n" : ""));
}

}  // namespace

int run_run(const Options& said) {
    Options options = said;
    if (auto set = options.values.set(*agent::source_named("object")->asked_by, options.words.front()); !set)
        return fail(set.error());
    const Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    const Result<agent::SessionOptions> wanted = session_options(options, {"object"}, Mode::events);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    Shown shown(session, options, *knowledge);
    shown.programs();
    shown.maps();
    if (!options.json) shown.put("\nEvents\n");
    print_rows(session, options, [&](const Row& row, std::string& text) {
        text += shown.record(row);
        return true;
    });
    shown.entries();
    shown.globals();
    shown.summary();
    return exit_fine;
}

}  // namespace waggle::cli
