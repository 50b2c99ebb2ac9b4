// SPDX-License-Identifier: Apache-2.0
#include "explain/events/figure_limits.h"

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "explain/measure.h"
#include "explain/rules/rule_files.h"
#include "explain/rules/rule_reader.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_limits_bytes = 1u << 20;

Result<LimitOverrides> overrides_in(const std::string& folder) {
    LimitOverrides out;
    if (folder.empty()) return out;
    std::vector<std::string> paths;
    std::error_code wrong;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/limits.d", wrong))
        if (entry.path().extension() == ".yaml") paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
        const Result<std::string> file = read_file(path, most_limits_bytes);
        if (!file) return file.error();
        const YamlText text(path, *file);
        const Result<YamlNode> root = text.parse();
        if (!root) return root.error();
        if (root->kind == YamlNode::Kind::null) continue;
        if (auto read = read_limit_overrides(text, path, *root, out); !read) return read.error();
    }
    return out;
}

std::string text_of(const YamlNode& node, std::string_view key) {
    const YamlNode* found = node.find(key);
    return found && found->is_scalar() ? std::string(trim(found->text)) : std::string();
}

}  // namespace

Result<std::vector<StatedLimit>> stated_limits(std::span<const EmbeddedFile> files,
                                               const std::string& folder) {
    const Result<LimitOverrides> changed = overrides_in(folder);
    if (!changed) return changed.error();
    std::vector<StatedLimit> out;
    for (const EmbeddedFile& file : files) {
        // Rules of the old form, which are lists, state none.
        if (kind_of_rule_file(file.path) != RuleFileKind::rules) continue;
        const Result<YamlNode> root = YamlText(file.path, file.text).parse();
        if (!root) return root.error();
        const YamlNode* limits = root->kind == YamlNode::Kind::map ? root->find("limits") : nullptr;
        if (!limits || limits->kind != YamlNode::Kind::map) continue;
        const std::string rule = text_of(*root, "rule");
        for (std::size_t i = 0; i < limits->keys.size(); ++i) {
            StatedLimit limit{rule,
                              limits->keys[i].text,
                              {},
                              Unit::count,
                              text_of(limits->items[i], "value"),
                              text_of(limits->items[i], "means")};
            const std::optional<Measure> stated = measure_of(limit.as_written);
            if (!stated) continue;  // the rule's own reading says so
            limit.value = stated->value;
            limit.unit = stated->unit;
            const auto of_rule = changed->find(rule);
            if (of_rule != changed->end())
                if (const auto set = of_rule->second.find(limit.name);
                    set != of_rule->second.end() && set->second.measure.unit == limit.unit) {
                    limit.value = set->second.measure.value;
                    limit.as_written = set->second.as_written;
                }
            out.push_back(std::move(limit));
        }
    }
    return out;
}

}  // namespace waggle::explain
