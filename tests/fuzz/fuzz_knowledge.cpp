// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of knowledge: refused with a place and a reason; and whatever the check takes is found
// again under its own word.
#include <cstdlib>

#include "explain/knowledge.h"
#include "explain/knowledge_entries.h"

using namespace waggle;
using namespace waggle::explain;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const EmbeddedFile files[] = {{"f.yaml", text}};
    const auto knowledge = Knowledge::open(files);
    if (!knowledge) {
        if (!knowledge.error().message.starts_with("f.yaml:")) std::abort();
        return 0;
    }
    std::vector<std::string> words;
    each_entry(text, [&](const EntryBlock& block) {
        if (!block.key.starts_with('_') && words.size() < 20) words.emplace_back(block.key);
    });
    const auto checked = knowledge->check();
    if (!checked && !checked.error().message.starts_with("f.yaml:")) std::abort();
    for (const std::string& word : words) {
        const auto found = knowledge->find(word);
        if (!checked) continue;
        if (!found || (found->empty() && !plain_word(word).empty())) std::abort();
    }
    (void)knowledge->nearest(text.substr(0, 20));
    return 0;
}
