// SPDX-License-Identifier: Apache-2.0
// what: words explained, offline.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/command.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "sinks/json.h"

namespace waggle::cli {

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
        const Result<std::vector<explain::Explanation>> found = knowledge->find(word);
        if (!found) return fail(found.error());
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
