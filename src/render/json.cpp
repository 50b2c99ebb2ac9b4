// SPDX-License-Identifier: Apache-2.0
#include "render/json.h"

#include <fmt/core.h>

#include <fmt/format.h>
#include <algorithm>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "query/histogram.h"

namespace waggle::sinks {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

std::string time_text(std::uint64_t realtime_ns) {
    const auto seconds = static_cast<std::time_t>(realtime_ns / 1'000'000'000);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                       utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, realtime_ns % 1'000'000'000);
}

Json line_json(const explain::Histogram::Line& line) {
    return {{"from", line.from}, {"to", line.open ? Json(nullptr) : Json(line.to)}, {"count", line.count}};
}

// Counts by slot where it is by powers of two, else the slots that are not empty; nothing where it is none.
std::optional<Json> histogram_values(std::string_view blob) {
    HistogramReader reader(blob);
    Json out = Json::array();
    std::size_t slot = 0;
    const HistogramForm form = reader.form();
    for (std::uint64_t count = 0; reader.next(slot, count);)
        if (form.kind == HistogramForm::Kind::log2)
            out.push_back(count);
        else
            out.push_back(
                line_json({form.lower_bound(slot), form.upper_bound(slot), count, form.is_open(slot)}));
    if (reader.damaged()) return std::nullopt;
    return out;
}

Json blob_json(std::string_view bytes) {
    if (auto histogram = histogram_values(bytes)) return std::move(*histogram);
    std::string hex;
    for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
}

Json cell_json(const explain::Cell& cell) {
    switch (cell.kind) {
        case Value::Kind::null:
            return nullptr;
        case Value::Kind::integer:
            return cell.integer;
        case Value::Kind::real:
            return cell.real;
        case Value::Kind::text:
            return cell.text;
        case Value::Kind::blob:
            return blob_json(cell.text);
    }
    return nullptr;
}

Json row_of_result(const explain::ResultSet& result, const std::vector<explain::Cell>& row) {
    Json out = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i) out[result.columns[i].name] = cell_json(row[i]);
    return out;
}

Json window_json(const explain::Window& window) {
    return {{"from", time_text(window.from_realtime_ns)}, {"to", time_text(window.to_realtime_ns())}};
}

// The three figures that every finding carries; lost is null where nobody counted (a recording that was cut).
Json coverage_json(std::span<const explain::SensorCoverage> coverage) {
    std::uint64_t seen = 0, lost = 0, evicted = 0;
    for (const explain::SensorCoverage& part : coverage) {
        seen += part.seen;
        evicted += part.evicted;
        lost += part.lost_count();
    }
    const bool unknown = std::ranges::any_of(coverage, [](const auto& part) { return part.lost.empty(); });
    return {{"seen", seen}, {"lost", unknown ? Json() : Json(lost)}, {"sampled", evicted > 0}};
}

Json sensors_json(std::span<const explain::SensorCoverage> coverage) {
    Json out = Json::array();
    for (const explain::SensorCoverage& part : coverage) {
        Json lost = Json::array(), hooks = Json::array();
        for (const Loss& loss : part.lost) lost.push_back({{"cause", loss.cause}, {"count", loss.count}});
        for (const HookUse& hook : part.hooks)
            hooks.push_back(
                {{"moment", hook.moment}, {"hook", hook.hook}, {"lost", hook.lost}, {"reason", hook.reason}});
        out.push_back({{"sensor", part.sensor},
                       {"seen", part.seen},
                       {"lost", std::move(lost)},
                       {"evicted", part.evicted},
                       {"hooks", std::move(hooks)}});
    }
    return out;
}

Json finding_object(const explain::Finding& finding, const explain::Answer& answer) {
    Json evidence = Json::array();
    for (const explain::Evidence& part : finding.evidence) {
        Json rows = Json::array();
        for (const auto& row : part.rows.rows) rows.push_back(row_of_result(part.rows, row));
        evidence.push_back({{"says", part.says}, {"query", part.query}, {"rows", std::move(rows)}});
    }
    Json advice = Json::array();
    for (const explain::Advice& each : finding.advice)
        advice.push_back({{"part", each.part == explain::Advice::Part::try_ ? "try" : "check"},
                          {"kind", each.kind == explain::Advice::Kind::command ? "do" : "say"},
                          {"text", each.text},
                          {"why", each.why}});
    Json subject = Json::object();
    for (const auto& [key, value] : finding.subject) subject[key] = value;
    Json object = {
        {"kind", finding.object.kind}, {"name", finding.object.name}, {"value", finding.object.value}};
    return {{"id", finding.id},
            {"rule", finding.rule},
            {"severity", explain::severity_name(finding.severity)},
            {"confidence", explain::confidence_name(finding.confidence)},
            {"what", finding.what},
            {"because", finding.because},
            {"evidence", std::move(evidence)},
            {"impact", finding.impact},
            {"try", finding.try_},
            {"check", finding.check},
            {"advice", std::move(advice)},
            {"subject", std::move(subject)},
            {"object", std::move(object)},
            {"because_of", finding.because_of.empty() ? Json(nullptr) : Json(finding.because_of)},
            {"window", window_json(answer.window)},
            {"coverage", coverage_json(answer.coverage)}};
}

bool plain(std::string_view text) {
    for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '"' ||
            c == '\\')
            return false;
    return true;
}

void append_text(std::string& out, std::string_view text) {
    if (plain(text)) {
        out += '"';
        out += text;
        out += '"';
    } else {
        out += dump(Json(text));
    }
}

void append_real(std::string& out, double value) {
    if (!std::isfinite(value))
        out += "null";
    else
        fmt::format_to(std::back_inserter(out), "{}", value);
}

}  // namespace

std::string answer_json(const explain::Answer& answer) {
    Json findings = Json::array();
    for (const explain::Finding& finding : answer.findings)
        findings.push_back(finding_object(finding, answer));
    Json coverage = coverage_json(answer.coverage);
    coverage["sensors"] = sensors_json(answer.coverage);
    Json out = Json::object();
    out["findings"] = std::move(findings);
    out["window"] = window_json(answer.window);
    out["coverage"] = std::move(coverage);
    out["problems"] = answer.problems;
    out["source"] = answer.source;
    return dump(out);
}

std::string finding_json(const explain::Finding& finding, const explain::Answer& answer) {
    return dump(finding_object(finding, answer));
}

std::string explained_json(std::string_view source, const Explained& explained) {
    return dump({{"source", source},
                 {"what", explained.what},
                 {"because", explained.because},
                 {"evidence", explained.evidence},
                 {"impact", explained.impact},
                 {"try", explained.try_},
                 {"check", explained.check}});
}

std::string explanation_json(const explain::Explanation& explanation) {
    return dump({{"word", explanation.word},
                 {"kind", explanation.kind},
                 {"number", explanation.number ? Json(*explanation.number) : Json(nullptr)},
                 {"what", explanation.what},
                 {"because", explanation.because},
                 {"impact", explanation.impact},
                 {"try", explanation.try_},
                 {"check", explanation.check},
                 {"loss", explanation.kind == "drop_reason" ? Json(explanation.loss) : Json(nullptr)},
                 {"since", explanation.since.empty() ? Json(nullptr) : Json(explanation.since)}});
}

// Written by hand: `trace --output json` makes one for every event.
std::string row_json(const Row& row, std::span<const Column> columns, const Lookup& lookup) {
    std::string out = "{";
    Value value;
    for (const Column& column : columns) {
        if (&column != &columns.front()) out += ',';
        append_text(out, column.name);
        out += ':';
        read_column(row, column, lookup, value);
        switch (value.kind) {
            case Value::Kind::null:
                out += "null";
                break;
            case Value::Kind::integer:
                if (column.type == Type::flag)
                    out += value.integer ? "true" : "false";
                else if (column.type == Type::u64)
                    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::uint64_t>(value.integer));
                else
                    fmt::format_to(std::back_inserter(out), "{}", value.integer);
                break;
            case Value::Kind::real:
                append_real(out, value.real);
                break;
            case Value::Kind::text:
                append_text(out, value.text);
                break;
            case Value::Kind::blob:
                if (const auto histogram = histogram_values(value.text))
                    out += histogram->dump();
                else
                    out += "null";
                break;
        }
    }
    return out + "}";
}

std::string result_json_lines(const explain::ResultSet& result) {
    std::string out;
    for (const auto& row : result.rows) out += dump(row_of_result(result, row)) + "\n";
    return out;
}

std::string histogram_json(std::string_view name, const explain::Histogram& histogram,
                           const HistogramLines& lines) {
    Json out = Json::object();
    out["name"] = name;
    out["values"] = histogram.total();
    for (const auto& [key, share] : {std::pair{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1.0}}) {
        const std::optional<std::int64_t> value = histogram.percentile(share);
        out[key] = value ? Json(*value) : Json(nullptr);
    }
    out["slots"] = Json::array();
    for (const auto& line :
         lines.linear ? histogram.linear() : histogram.octaves(lines.steps ? lines.steps : 16))
        if (line.count > 0) out["slots"].push_back(line_json(line));
    return dump(out);
}

std::string losses_json_lines(std::span<const explain::SensorCoverage> coverage) {
    std::string out;
    for (const explain::SensorCoverage& part : coverage)
        for (const Loss& loss : part.lost)
            if (loss.count > 0)
                out += dump({{"table", "self"},
                             {"sensor", part.sensor},
                             {"cause", loss.cause},
                             {"count", loss.count}}) +
                       "\n";
    return out;
}

std::string summary_json(std::uint64_t watched_ns, std::span<const PastFinding> findings,
                         std::span<const explain::SensorCoverage> coverage) {
    Json past = Json::array();
    for (const PastFinding& each : findings)
        past.push_back({{"id", each.id},
                        {"what", each.what},
                        {"from", time_text(each.from_realtime_ns)},
                        {"to", time_text(each.to_realtime_ns)},
                        {"lasts", each.lasts}});
    const Json figures = coverage_json(coverage);
    return dump({{"summary",
                  {{"watched_ns", watched_ns},
                   {"findings", std::move(past)},
                   {"seen", figures["seen"]},
                   {"lost", figures["lost"]},
                   {"sensors", sensors_json(coverage)}}}});
}

}  // namespace waggle::sinks
