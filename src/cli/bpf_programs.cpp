// SPDX-License-Identifier: Apache-2.0
// bpf list, bpf top and bpf explain: the BPF programs of the machine, by the sensor bpf_program.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/sources.h"
#include "base/text.h"
#include "cli/bpf_programs.h"
#include "cli/result_table.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "explain/phrases.h"
#include "render/result_text.h"
#include "waggle/explain.h"

namespace waggle::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view sensor = "bpf_program";
constexpr std::uint64_t look_ns = 1'200'000'000;  // one reading

constexpr std::string_view list_query =
    R"(SELECT p.id AS id, p.name AS name, p.kind AS kind, p.hook_kind AS hook_kind, p.hook AS hook, p.hooks AS hooks,
       nullif(p.pid, 0) AS pid, nullif(p.comm, '') AS comm, p.pinned AS pinned, p.memory_bytes + p.map_memory_bytes AS memory_bytes,
       round(sum(t.run_time_ns - t.measuring_ns) * 100.0 / sum(t.covers_ns), 2) AS core_percent
FROM bpf_program p LEFT JOIN bpf_program_total t ON t.id = p.id GROUP BY p.id ORDER BY p.id)";

NamedRow row_of(std::string_view source, const explain::ResultSet& result, std::size_t row) {
    NamedRow out{std::string(source), {}};
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
        RowValue value;
        const explain::Cell& cell = result.rows[row][i];
        switch (cell.kind) {
            case Value::Kind::null:
            case Value::Kind::blob:
                break;
            case Value::Kind::integer:
                value = cell.integer;
                break;
            case Value::Kind::real:
                value = cell.real;
                break;
            case Value::Kind::text:
                if (!cell.text.empty()) value = cell.text;
                break;
        }
        out.columns.emplace_back(result.columns[i].name, std::move(value));
    }
    return out;
}

// A heading of the explanation, and what stands below it.
struct Part {
    explain::Phrase heading;
    std::string_view key;  // in JSON
    std::vector<std::string> says;
};

class ProgramExplainer {
  public:
    ProgramExplainer(agent::Session& session, Explainer explainer, explain::Knowledge knowledge,
                     std::string id, std::string language)
        : sql_(session.store().sql()),
          explainer_(std::move(explainer)),
          knowledge_(std::move(knowledge)),
          id_(std::move(id)),
          language_(std::move(language)) {}

    // Empty where there is no such program.
    Result<std::vector<Part>> parts(std::string_view top_query) {
        std::vector<Part> out;
        Result<explain::ResultSet> program =
            sql_.query(fmt::format("SELECT * FROM bpf_program WHERE id = {}", id_));
        if (!program) return program.error();
        if (program->rows.empty()) return out;
        const NamedRow row = row_of("bpf_program", *program, 0);
        const Result<Explained> said = explainer_.explain_event(row);
        if (!said) return said.error();
        Part what{explain::Phrase::bpf_program_is, "what", {said->what}};
        what.says.insert(what.says.end(), said->impact.begin(), said->impact.end());
        out.push_back(std::move(what));
        const auto of_this = [&](std::string_view table, std::string_view rest) {
            return fmt::format("SELECT * FROM {} WHERE id = {}{}", table, id_, rest);
        };
        using explain::Phrase;
        const struct {
            Phrase heading;
            std::string_view key, source;
            std::string query;
        } lists[] = {
            {Phrase::bpf_program_costs, "cost", "bpf_program_top",
             of_this(fmt::format("({})", top_query), "")},
            {Phrase::bpf_program_calls_these, "calls", "bpf_program_call",
             of_this("bpf_program_call", " ORDER BY called")},
            {Phrase::bpf_program_hangs_at, "hooks", "bpf_program_hook",
             of_this("bpf_program_hook", " LIMIT 20")},
            {Phrase::bpf_program_uses, "maps", "bpf_program_map",
             of_this("bpf_program_map", " ORDER BY map_id")},
        };
        for (const auto& list : lists) {
            const Result<explain::ResultSet> rows = sql_.query(list.query);
            if (!rows) return rows.error();
            Part part{list.heading, list.key, {}};
            for (std::size_t i = 0; i < rows->rows.size(); ++i) {
                Result<std::string> sentence = explainer_.say(row_of(list.source, *rows, i));
                if (!sentence) return sentence.error();
                part.says.push_back(std::move(*sentence));
            }
            const bool costs = list.heading == Phrase::bpf_program_costs;
            if (costs && part.says.empty())
                part.says.emplace_back(explain::phrase(Phrase::bpf_program_did_not_run, language_));
            out.push_back(std::move(part));
            if (costs) add_kind(row, out);
        }
        std::erase_if(out, [](const Part& part) { return part.says.empty(); });
        return out;
    }

  private:
    // What every program of its kind can see and do.
    void add_kind(const NamedRow& row, std::vector<Part>& out) const {
        Part part{explain::Phrase::bpf_program_kind_can, "kind", {}};
        for (const auto& [name, value] : row.columns) {
            const auto* kind = name == "kind" ? std::get_if<std::string>(&value) : nullptr;
            if (!kind) continue;
            const auto found = knowledge_.find(*kind);
            if (!found) continue;
            for (const explain::Explanation& entry : *found)
                if (entry.kind == "program_type") part.says = {entry.what, entry.impact};
        }
        out.push_back(std::move(part));
    }

    explain::Sql& sql_;
    Explainer explainer_;
    explain::Knowledge knowledge_;
    std::string id_;
    std::string language_;
};

// The sensor at work, watched for the options' time, or this long.
Result<std::unique_ptr<agent::Session>> watched(const Options& options, std::uint64_t otherwise_ns) {
    const Result<agent::SessionOptions> wanted =
        session_options(options, {std::string(sensor)}, Mode::aggregate);
    if (!wanted) return wanted.error();
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return started;
    agent::Session& session = **started;
    session.run(session.started_ns() + (options.for_ns ? options.for_ns : otherwise_ns), interrupted, {});
    session.store().begin_moment(session.window(), 0);
    return started;
}

}  // namespace

int bpf_top(const Options& options) {
    Options top = options;
    top.words = {std::string(sensor)};
    return run_top(top);
}

int bpf_list(const Options& options) {
    const Result<std::unique_ptr<agent::Session>> session = watched(options, look_ns);
    if (!session) return fail(session.error());
    const Result<explain::Sql::Uses> uses = (*session)->store().sql().check(list_query);
    if (!uses) return fail(uses.error());
    if (auto sorts = check_sort(uses->columns, options); !sorts) return fail(sorts.error());
    Result<explain::ResultSet> result = (*session)->store().sql().query(list_query);
    if (!result) return fail(result.error());
    sort_and_cut(*result, options, 10'000);
    print(result_text(*result, options));
    print_losses((*session)->whole_coverage(), options);
    return exit_fine;
}

int bpf_explain(std::string_view id, const Options& options) {
    const Result<std::uint64_t> number = parse_count(id);
    if (!number || *number == 0 || *number > UINT32_MAX)
        return fail(
            {fmt::format("{} is no number of a BPF program; waggle bpf list shows them", escape_control(id)),
             ErrorKind::usage});
    Options one = options;
    const SourceOption* own = agent::option_named("bpf-own");
    const SourceOption* calls = agent::option_named("bpf-calls");
    if (!own || !calls) return fail({"this build has no sensor bpf_program"});
    if (auto set = one.values.set(*own, "yes"); !set) return fail(set.error());
    if (auto set = one.values.set(*calls, std::to_string(*number)); !set) return fail(set.error());
    const Result<std::unique_ptr<agent::Session>> session = watched(one, 2 * look_ns);
    if (!session) return fail(session.error());
    Result<Explainer> explainer = Explainer::open({options.language, {}});
    if (!explainer) return fail(explainer.error());
    Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    ProgramExplainer program(**session, std::move(*explainer), std::move(*knowledge), std::to_string(*number),
                             options.language);
    const Result<std::vector<Part>> parts = program.parts(agent::source_named(sensor)->top_query);
    if (!parts) return fail(parts.error());
    if (parts->empty())
        return fail(
            {fmt::format("there is no BPF program with the number {}; waggle bpf list shows them", *number)});
    Json json{{"id", *number}};
    std::string text;
    for (const Part& part : *parts) {
        json[std::string(part.key)] = part.says;
        text +=
            fmt::format("{}{}\n", text.empty() ? "" : "\n", explain::phrase(part.heading, options.language));
        for (const std::string& sentence : part.says) text += fmt::format("  {}\n", sentence);
    }
    for (const std::string& problem : (*session)->problems()) {
        json["problems"].push_back(problem);
        text += fmt::format(
            "\n{}\n", explain::say(explain::Phrase::problem, {{"what", problem + "."}}, options.language));
    }
    print(options.json ? json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : text);
    return exit_fine;
}

}  // namespace waggle::cli
