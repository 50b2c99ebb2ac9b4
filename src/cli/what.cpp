// SPDX-License-Identifier: Apache-2.0
// what: words explained, offline.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/command.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "model/columns.h"
#include "sensors/rooms.h"
#include "sinks/json.h"

namespace waggle::cli {
namespace {

explain::Explanation from_schema(std::string_view word, std::string title, std::string_view meaning,
                                 std::string query) {
    explain::Explanation out;
    out.word = word;
    out.kind = "field";
    out.title = std::move(title);
    out.what = meaning;
    out.try_.push_back(std::move(query));
    return out;
}

// Tables and their fields explain themselves: every schema of the sensors says what its columns mean.
std::vector<explain::Explanation> from_schemas(std::string_view word) {
    std::vector<explain::Explanation> out;
    for (const sensors::Room& room : sensors::rooms()) {
        const std::unique_ptr<Sensor> sensor = room.make();
        for (const Schema* schema : sensor->schemas()) {
            if (schema->name == word)
                out.push_back(from_schema(word, fmt::format("table of the sensor {}", room.name),
                                          schema->meaning,
                                          fmt::format("waggle query 'SELECT * FROM {} LIMIT 5'", word)));
            for (const Column& column : columns_of(*schema))
                if (column.name == word)
                    out.push_back(from_schema(
                        word, fmt::format("field of {}", schema->name), column.meaning,
                        fmt::format("waggle query 'SELECT {} FROM {} LIMIT 5'", word, schema->name)));
        }
    }
    return out;
}

}  // namespace

int run_what(const Options& options) {
    const Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    int code = exit_fine;
    // "waggle what errno 28" asks for one thing; "waggle what ENOSPC SIGTERM" for two.
    std::vector<std::string> words = options.words;
    if (words.size() == 2) {
        std::string together = words[0] + " " + words[1];
        const auto found = knowledge->find(together);
        if (found && !found->empty()) words = {together};
    }
    std::string text;
    for (const std::string& word : words) {
        Result<std::vector<explain::Explanation>> found = knowledge->find(word);
        if (!found) return fail(found.error());
        if (found->empty()) *found = from_schemas(word);
        if (found->empty()) {
            std::string near;
            for (const std::string& candidate : knowledge->nearest(word))
                near += (near.empty() ? "" : ", ") + candidate;
            print(text);
            text.clear();
            code = fail({fmt::format("nothing is known of {}{}", escape_control(word),
                                     near.empty() ? "" : fmt::format(". Nearest: {}", near))});
            continue;
        }
        for (const explain::Explanation& explanation : *found) {
            if (!text.empty() && !options.json) text += '\n';
            text += options.json ? sinks::explanation_json(explanation) + "\n"
                                 : sinks::render_explanation(explanation, style_of_stdout());
        }
    }
    print(text);
    return code;
}

}  // namespace waggle::cli
