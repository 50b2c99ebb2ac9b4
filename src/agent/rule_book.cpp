// SPDX-License-Identifier: Apache-2.0
#include "agent/rule_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "explain/rules/rule_files.h"
#include "explain/yaml_tree.h"
#include "sensors/rooms.h"

namespace waggle::agent {

std::vector<explain::OwnedRuleFile> read_user_rules(const std::string& folder,
                                                    std::vector<std::string>& problems) {
    std::vector<explain::OwnedRuleFile> out;
    if (folder.empty()) return out;
    for (const std::string_view part : {"lists.d", "views.d", "limits.d", "words.d", "rules.d"}) {
        std::vector<std::string> paths;
        std::error_code wrong;
        for (const auto& entry :
             std::filesystem::directory_iterator(std::filesystem::path(folder) / part, wrong))
            if (entry.path().extension() == ".yaml") paths.push_back(entry.path().string());
        std::sort(paths.begin(), paths.end());
        for (const std::string& path : paths) {
            // A pipe or a device would be waited for, by the agent of a whole machine.
            if (std::filesystem::exists(path, wrong) && !std::filesystem::is_regular_file(path, wrong)) {
                problems.push_back(fmt::format("{} is no regular file; it is left out", path));
                continue;
            }
            Result<std::string> text = read_file(path, 4u << 20);
            if (text)
                out.push_back({path, std::move(*text)});
            else
                problems.push_back(fmt::format("{}; it is left out", text.error().message));
        }
    }
    return out;
}

std::vector<explain::RuleFile> rule_files(std::span<const explain::OwnedRuleFile> users) {
    std::vector<explain::RuleFile> files;
    for (const sensors::Room& room : sensors::rooms())
        for (const EmbeddedFile& file : room.rules) files.push_back({file.path, file.text, false});
    for (const explain::OwnedRuleFile& file : users) files.push_back({file.path, file.text, true});
    return files;
}

std::vector<std::string> languages_of(std::span<const explain::RuleFile> files) {
    std::set<std::string> others;
    for (const explain::RuleFile& file : files)
        if (explain::kind_of_rule_file(file.path) == explain::RuleFileKind::words)
            others.insert(explain::language_of_words(file.path));
    others.erase("en");
    others.erase("");
    std::vector<std::string> out{"en"};
    out.insert(out.end(), others.begin(), others.end());
    return out;
}

std::vector<std::string> topics_of(std::span<const explain::RuleFile> files) {
    std::vector<std::string> out;
    for (const explain::RuleFile& file : files) {
        if (explain::kind_of_rule_file(file.path) != explain::RuleFileKind::rules) continue;
        const auto root = explain::YamlText(file.path, file.text).parse();
        const explain::YamlNode* topic = root ? root->find("topic") : nullptr;
        if (topic && !topic->text.empty() && std::ranges::find(out, topic->text) == out.end())
            out.push_back(topic->text);
    }
    return out;
}

explain::RuleBook load_rule_book(std::span<const explain::OwnedRuleFile> users, explain::Sql& sql,
                                 std::string_view language) {
    return explain::RuleBook::load(rule_files(users), sql, language);
}

}  // namespace waggle::agent
