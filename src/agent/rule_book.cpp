// SPDX-License-Identifier: Apache-2.0
#include "agent/rule_book.h"

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "sensors/rooms.h"

namespace waggle::agent {

Result<explain::RuleBook> load_rule_book(std::span<const std::string> directories, explain::Sql& sql,
                                         std::vector<std::string>& texts) {
    std::vector<std::string> paths;
    for (const std::string& directory : directories) {
        std::error_code wrong;
        std::vector<std::string> here;
        for (const auto& entry : std::filesystem::directory_iterator(directory, wrong))
            if (entry.path().extension() == ".yaml") here.push_back(entry.path().string());
        std::sort(here.begin(), here.end());
        paths.insert(paths.end(), here.begin(), here.end());
    }
    std::vector<EmbeddedFile> files;
    for (const sensors::Room& room : sensors::rooms()) files.push_back(room.rules);
    texts.clear();
    texts.reserve(2 * paths.size());  // the views below must not move
    for (const std::string& path : paths) {
        Result<std::string> text = read_file(path, 4u << 20);
        if (!text) return text.error();
        const std::string& name = texts.emplace_back(path);
        files.push_back({name, texts.emplace_back(std::move(*text))});
    }
    return explain::RuleBook::load(files, sql);
}

}  // namespace waggle::agent
