// SPDX-License-Identifier: Apache-2.0
// doc: reference documentation, from the same source the program itself uses; and the check of all data
// files.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/drops/drop_causes.h"
#include "agent/event_sources.h"
#include "agent/rule_workshop.h"
#include "agent/self.h"
#include "agent/sources.h"
#include "agent/watched_command.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/familiar/familiar_names.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "store/fact_table.h"

namespace waggle::cli {
namespace {

std::string schema_text(const Schema& schema, std::string_view source) {
    std::string out = fmt::format(
        "## {}\n\n{}{} Source: {}.\n\n| column | type | unit | meaning |\n| --- | --- | --- | --- |\n",
        schema.name, schema.meaning, schema.only_named ? " Made only where it is named." : "", source);
    for (const Column& column : columns_of(schema))
        out += fmt::format("| `{}` | {} | {} | {} |\n", column.name, type_name(column.type),
                           unit_name(column.unit), column.meaning);
    return out + "\n";
}

std::string schemas_text() {
    std::string out =
        "# Tables\n\nEvery table that `waggle query` and rules can ask. Printed by `waggle doc schemas`.\n\n";
    for (const Source* source : agent::sources())
        for (const Schema* schema : source->schemas)
            out += schema_text(*schema, fmt::format("sensor {}", source->name));
    out += schema_text(agent::self_schema(), "waggle itself");
    out += schema_text(agent::watched_command_schema(), "waggle itself");
    out += schema_text(explain::WindowRelation::window_schema(), "the question");
    for (const Schema* schema : agent::drop_schemas()) out += schema_text(*schema, "worked out when asked");
    out += fmt::format(
        "## {}\n\nWhat one rule costs. Source: waggle itself.\n\n| column | type | unit | meaning |\n"
        "| --- | --- | --- | --- |\n",
        explain::rule_costs_table);
    for (const explain::Sql::TableColumn& column : explain::rule_costs_columns())
        out += fmt::format("| `{}` | {} | {} | {} |\n", column.name, to_lower(trim(column.type)),
                           unit_name(explain::unit_of_name(column.name)), column.meaning);
    out += "\n";
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts()) {
        const agent::FactTable table(std::move(fact));
        out += schema_text(table.schema(), "read from the system when asked");
    }
    return out;
}

std::string views_text(const explain::RuleBook& book) {
    std::string out =
        "# Views\n\nNamed queries over the tables, read like them and computed once a moment.\n\n";
    for (const explain::RuleBook::View& view : book.views()) {
        out += fmt::format("## {}\n\n{} From: {}.\n\n| column | unit | meaning |\n| --- | --- | --- |\n",
                           view.name, view.meaning, view.file);
        for (const explain::RuleBook::ViewColumn& column : view.columns)
            out += fmt::format("| `{}` | {} | {} |\n", column.name, unit_name(column.unit), column.meaning);
        out += "\n";
    }
    return out;
}

using nlohmann::ordered_json;

ordered_json schema_json(const Schema& schema) {
    ordered_json columns = ordered_json::array();
    for (const Column& column : columns_of(schema))
        columns.push_back({{"name", column.name},
                           {"type", type_name(column.type)},
                           {"unit", unit_name(column.unit)},
                           {"meaning", column.meaning},
                           {"filtered_in_kernel", can_filter(std::array{&schema}, column.name)}});
    return {{"table", schema.name}, {"meaning", schema.meaning}, {"columns", std::move(columns)}};
}

ordered_json source_json(const Source& source) {
    ordered_json options = ordered_json::array(), tables = ordered_json::array();
    for (const SourceOption& option : source.options)
        options.push_back({{"name", option.name},
                           {"type", type_name(option.type)},
                           {"argument", option.argument},
                           {"default", option.standard},
                           {"meaning", option.meaning}});
    for (const Schema* schema : source.schemas) tables.push_back(schema_json(*schema));
    return {{"source", source.name},
            {"question", source.question},
            {"asked_by", source.asked_by ? ordered_json(source.asked_by->name) : ordered_json()},
            {"options", std::move(options)},
            {"tables", std::move(tables)}};
}

// The sources with their options and tables, a line each, and the facts.
std::string sources_json() {
    std::string out;
    for (const Source* source : agent::sources()) out += source_json(*source).dump() + "\n";
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts())
        out += schema_json(agent::FactTable(std::move(fact)).schema()).dump() + "\n";
    return out;
}

// Tables and views; what is wrong with the user's views is said besides.
Result<std::string> reference_text() {
    const auto workshop = agent::RuleWorkshop::open(std::string(agent::user_rule_folder));
    if (!workshop) return workshop.error();
    std::string out = schemas_text();
    if (!(*workshop)->book().views().empty()) out += views_text((*workshop)->book());
    while (out.ends_with("\n\n")) out.pop_back();
    return out;
}

// A page for each rule: printed, or written into a folder, where pages of rules that are no more are removed.
int rules_text(const Options& options) {
    const auto workshop = agent::RuleWorkshop::open();
    if (!workshop) return fail(workshop.error());
    const std::vector<explain::RulePage> pages = (*workshop)->pages();
    if (options.write.empty()) {
        std::string out;
        for (const explain::RulePage& page : pages) out += (out.empty() ? "" : "\n") + page.text;
        print(out);
        return exit_fine;
    }
    std::error_code wrong;
    std::filesystem::create_directories(options.write, wrong);
    for (const auto& entry : std::filesystem::directory_iterator(options.write, wrong))
        if (entry.path().extension() == ".md" &&
            std::none_of(pages.begin(), pages.end(),
                         [&](const auto& page) { return page.name == entry.path().filename(); }))
            std::filesystem::remove(entry.path(), wrong);
    for (const explain::RulePage& page : pages) {
        const std::filesystem::path path = std::filesystem::path(options.write) / page.name;
        std::ofstream file(path);
        file << page.text;
        file.close();
        if (!file) return fail({fmt::format("cannot write {}", escape_control(path.string()))});
    }
    print(fmt::format("{} pages written to {}.\n", pages.size(), escape_control(options.write)));
    return exit_fine;
}

// Every rule, knowledge entry and phrase that is built in, read as they are when the program runs; and, where
// a folder is given, the user's files in it.
int check_documents(const Options& options) {
    const Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    const Result<std::size_t> entries = knowledge->check();
    if (!entries) return fail(entries.error());
    const std::string folder = options.words.size() > 1 ? options.words[1] : "";
    if (std::error_code wrong; !folder.empty() && !std::filesystem::is_directory(folder, wrong))
        return fail({fmt::format("{} is no folder; the user's rules are in {}", escape_control(folder),
                                 agent::user_rule_folder),
                     ErrorKind::usage});
    const auto workshop = agent::RuleWorkshop::open(folder);
    if (!workshop) return fail(workshop.error());
    const std::vector<std::string> complaints = (*workshop)->complaints();
    for (const std::string& complaint : complaints) fmt::print(stderr, "waggle: {}.\n", complaint);
    if (!complaints.empty()) return exit_failed;
    const Result<Explainer> explainer = Explainer::open();
    if (!explainer) return fail(explainer.error());
    const std::vector<std::string> unsaid = agent::event_complaints(*explainer);
    for (const std::string& complaint : unsaid) fmt::print(stderr, "waggle: {}.\n", complaint);
    if (!unsaid.empty()) return exit_failed;
    std::size_t tests = 0;
    for (const explain::RuleTestReport& report : (*workshop)->reports()) tests += report.cases.size();
    print(fmt::format(
        "{} explanations, {} rules, {} tests of rules and the sentences of {} tables are sound.\n", *entries,
        (*workshop)->book().entries().size(), tests, explainer->sources().size()));
    return exit_fine;
}

}  // namespace

int run_doc(const Options& options) {
    const std::string& what = options.words.front();
    if (options.words.size() > 1 && what != "check")
        return fail({fmt::format("doc {} takes nothing more", escape_control(what)), ErrorKind::usage});
    if (!options.write.empty() && what != "rules")
        return fail({"--write belongs to doc rules", ErrorKind::usage});
    if (options.json && what != "schemas")
        return fail({"--output json belongs to doc schemas", ErrorKind::usage});
    if (what == "check") return check_documents(options);
    if (what == "rules") return rules_text(options);
    std::string text;
    if (what == "schemas" && options.json) {
        text = sources_json();
    } else if (what == "schemas") {
        const Result<std::string> reference = reference_text();
        if (!reference) return fail(reference.error());
        text = *reference;
    } else if (what == "names") {
        text = familiar_table();
    } else if (what == "man") {
        text = manual_page();
    } else if (what.starts_with("completion-")) {
        text = completion_script(std::string_view(what).substr(11));
    }
    if (text.empty())
        return fail({fmt::format("there is no documentation called {}; there are schemas, rules, names, man, "
                                 "completion-bash, completion-zsh, completion-fish and check",
                                 escape_control(what)),
                     ErrorKind::usage});
    print(text);
    return exit_fine;
}

}  // namespace waggle::cli
