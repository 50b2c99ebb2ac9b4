// SPDX-License-Identifier: Apache-2.0
// what: words, lines of a log and rows explained, offline.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "agent/drops/drop_causes.h"
#include "agent/rule_workshop.h"
#include "agent/self.h"
#include "agent/sources.h"
#include "agent/watched_command.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/row_argument.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "explain/lines/log_line.h"
#include "model/columns.h"
#include "query/window.h"
#include "render/json.h"
#include "store/fact_table.h"

namespace waggle::cli {
namespace {

constexpr std::size_t most_input = 16u << 20;

explain::Explanation described(std::string_view word, std::string title, std::string_view meaning,
                               std::string query) {
    explain::Explanation out;
    out.word = word;
    out.kind = "field";
    out.title = std::move(title);
    out.what = meaning;
    out.try_.push_back(std::move(query));
    return out;
}

void add_from_schema(std::string_view word, const Schema& schema, std::string_view from,
                     std::vector<explain::Explanation>& out) {
    if (schema.name == word)
        out.push_back(described(word, fmt::format("table {}", from), schema.meaning,
                                fmt::format("waggle query 'SELECT * FROM {} LIMIT 5'", word)));
    for (const Column& column : columns_of(schema))
        if (column.name == word || fmt::format("{}.{}", schema.name, column.name) == word)
            out.push_back(
                described(word, fmt::format("field of {}", schema.name), column.meaning,
                          fmt::format("waggle query 'SELECT {} FROM {} LIMIT 5'", column.name, schema.name)));
}

// Tables and views, and their columns, explain themselves.
std::vector<explain::Explanation> from_tables(std::string_view word) {
    std::vector<explain::Explanation> out;
    for (const Source* source : agent::sources())
        for (const Schema* schema : source->schemas)
            add_from_schema(word, *schema, fmt::format("of the sensor {}", source->name), out);
    std::vector<const Schema*> own = agent::drop_schemas();
    own.insert(own.end(), {&agent::self_schema(), &agent::watched_command_schema(),
                           &explain::WindowRelation::window_schema()});
    for (const Schema* schema : own) add_from_schema(word, *schema, "of waggle itself", out);
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts()) {
        const agent::FactTable table(std::move(fact));
        add_from_schema(word, table.schema(), "read from the system when asked", out);
    }
    if (!out.empty()) return out;
    const auto workshop = agent::RuleWorkshop::open();
    if (!workshop) return out;
    for (const explain::RuleBook::View& view : (*workshop)->book().views()) {
        if (view.name == word)
            out.push_back(described(word, "view", view.meaning,
                                    fmt::format("waggle query 'SELECT * FROM {} LIMIT 5'", word)));
        for (const explain::RuleBook::ViewColumn& column : view.columns)
            if (column.name == word && !column.meaning.empty())
                out.push_back(
                    described(word, fmt::format("field of {}", view.name), column.meaning,
                              fmt::format("waggle query 'SELECT {} FROM {} LIMIT 5'", word, view.name)));
    }
    return out;
}

Result<std::string> read_stdin() {
    std::string out;
    char buffer[65536];
    for (;;) {
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{"cannot read what stands behind -"};
        if (got == 0) return out;
        out.append(buffer, static_cast<std::size_t>(got));
        if (out.size() > most_input) return Error{"more than 16 MiB stand behind -", ErrorKind::usage};
    }
}

// Prints explanations, an empty line between two.
class Printer {
  public:
    explicit Printer(const Options& options) : options_(options) {}

    bool say(const std::vector<explain::Explanation>& found) {
        std::string text;
        for (const explain::Explanation& explanation : found) {
            if (any_ && !options_.json) text += '\n';
            any_ = true;
            text += options_.json ? sinks::explanation_json(explanation) + "\n"
                                  : sinks::render_explanation(explanation, style_of_stdout());
        }
        return print(text);
    }

  private:
    const Options& options_;
    bool any_ = false;
};

std::string not_known(const explain::Knowledge& knowledge, std::string_view word) {
    std::string near;
    for (const std::string& candidate : knowledge.nearest(word))
        near += (near.empty() ? "" : ", ") + candidate;
    return fmt::format("nothing is known of {}{}", escape_control(word),
                       near.empty() ? "" : fmt::format(". Nearest: {}", near));
}

// Lines of a log: what is known of each, once; the others are counted.
int explain_lines(std::string_view text, const explain::Knowledge& knowledge, Printer& printer) {
    std::set<std::string> told;
    std::size_t unknown = 0;
    for (const std::string_view line : split(text, '\n')) {
        if (trim(line).empty()) continue;
        Result<std::vector<explain::Explanation>> found = explain::find_in_line(knowledge, line);
        if (!found) return fail(found.error());
        if (found->empty()) ++unknown;
        std::erase_if(*found, [&](const explain::Explanation& entry) {
            return !told.insert(entry.kind + " " + entry.what).second;
        });
        if (!printer.say(*found)) return exit_failed;
    }
    if (unknown > 0)
        print_error(fmt::format("waggle: nothing is known of {}.\n", counted(unknown, "other line")));
    return told.empty() ? exit_failed : exit_fine;
}

}  // namespace

int run_what(const Options& options) {
    std::string input;
    if (options.words.size() == 1) {
        input = options.words.front();
        if (input == "-") {
            Result<std::string> read = read_stdin();
            if (!read) return fail(read.error());
            input = std::move(*read);
        }
        if (is_json(input)) return explain_rows(input, options);
    }
    const Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    Printer printer(options);
    if (options.words.size() == 1 && options.words.front() == "-")
        return explain_lines(input, *knowledge, printer);

    // "waggle what errno 28" and a line without quotes ask for one thing; "waggle what ENOSPC SIGTERM" for two.
    std::vector<std::string> words = options.words;
    if (words.size() > 1) {
        std::string together;
        for (const std::string& word : words) together += (together.empty() ? "" : " ") + word;
        const auto known = [](const Result<std::vector<explain::Explanation>>& found) {
            return found && !found->empty();
        };
        const bool each_known =
            std::ranges::all_of(words, [&](const std::string& word) { return known(knowledge->find(word)); });
        if (known(knowledge->find(together)) ||
            (!each_known && words.size() > 2 && known(explain::find_in_line(*knowledge, together))))
            words = {together};
    }
    int code = exit_fine;
    for (const std::string& word : words) {
        Result<std::vector<explain::Explanation>> found = explain::find_in_line(*knowledge, word);
        if (!found) return fail(found.error());
        if (found->empty()) *found = from_tables(word);
        if (found->empty())
            code = fail({not_known(*knowledge, word)});
        else if (!printer.say(*found))
            return exit_failed;
    }
    return code;
}

}  // namespace waggle::cli
