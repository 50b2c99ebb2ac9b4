// SPDX-License-Identifier: Apache-2.0
// doc: reference documentation, from the same source the program itself uses; and the check of all data
// files.
#include <fmt/core.h>

#include "agent/fact_table.h"
#include "agent/replay.h"
#include "agent/self.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "sensors/rooms.h"

namespace waggle::cli {
namespace {

std::string schema_text(const Schema& schema, std::string_view source) {
    std::string out = fmt::format(
        "## {}\n\n{} Source: {}.\n\n| column | type | unit | meaning |\n| --- | --- | --- | --- |\n",
        schema.name, schema.meaning, source);
    for (const Column& column : columns_of(schema))
        out += fmt::format("| `{}` | {} | {} | {} |\n", column.name, type_name(column.type),
                           unit_name(column.unit), column.meaning);
    return out + "\n";
}

std::string schemas_text() {
    std::string out =
        "# Tables\n\nEvery table that `waggle query` and rules can ask. Printed by `waggle doc schemas`.\n\n";
    for (const sensors::Room& room : sensors::rooms()) {
        const std::unique_ptr<Sensor> sensor = room.make();
        for (const Schema* schema : sensor->schemas())
            out += schema_text(*schema, fmt::format("sensor {}", room.name));
    }
    out += schema_text(agent::self_schema(), "waggle itself");
    out += schema_text(explain::WindowRelation::window_schema(), "the question");
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts()) {
        const agent::FactTable table(std::move(fact));
        out += schema_text(table.schema(), "read from the system when asked");
    }
    while (out.ends_with("\n\n")) out.pop_back();
    return out;
}

// Every rule, knowledge entry and phrase that is built in, read as they are when the program runs.
int check() {
    const Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    const Result<std::size_t> entries = knowledge->check();
    if (!entries) return fail(entries.error());
    const Result<std::size_t> rules = agent::check_rules();
    if (!rules) return fail(rules.error());
    print(fmt::format("{} explanations and {} rules are sound.\n", *entries, *rules));
    return exit_fine;
}

}  // namespace

int run_doc(const Options& options) {
    const std::string& what = options.words.front();
    if (what == "check") return check();
    std::string text;
    if (what == "schemas")
        text = schemas_text();
    else if (what == "man")
        text = manual_page();
    else if (what.starts_with("completion-"))
        text = completion_script(std::string_view(what).substr(11));
    if (text.empty())
        return fail({fmt::format("there is no documentation called {}; there are schemas, man, "
                                 "completion-bash, completion-zsh, completion-fish and check",
                                 escape_control(what)),
                     ErrorKind::usage});
    print(text);
    return exit_fine;
}

}  // namespace waggle::cli
