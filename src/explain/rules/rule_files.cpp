// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_files.h"

namespace waggle::explain {
namespace {

std::string_view base_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view folder_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

constexpr std::string_view ending = ".yaml";
constexpr std::string_view test_ending = ".test.yaml";

}  // namespace

RuleFileKind kind_of_rule_file(std::string_view path) {
    const std::string_view base = base_of(path), folder = base_of(folder_of(path));
    if (base.ends_with(test_ending)) return RuleFileKind::tests;
    if (base == "views.yaml" || folder == "views.d") return RuleFileKind::views;
    if (base == "lists.yaml" || folder == "lists.d") return RuleFileKind::lists;
    if (folder == "limits.d") return RuleFileKind::limits;
    if (base.starts_with("words.") || folder == "words.d") return RuleFileKind::words;
    return RuleFileKind::rules;
}

std::string language_of_words(std::string_view path) {
    std::string_view name = base_of(path);
    if (!name.ends_with(ending)) return {};
    name.remove_suffix(ending.size());
    const std::size_t dot = name.rfind('.');
    return dot == std::string_view::npos ? std::string() : std::string(name.substr(dot + 1));
}

std::string test_file_of(std::string_view path) {
    if (path.ends_with(ending)) path.remove_suffix(ending.size());
    return std::string(path) + std::string(test_ending);
}

std::string_view room_of_rule_file(std::string_view path) {
    const std::string_view folder = folder_of(path);
    return base_of(folder) == "rules" ? folder_of(folder) : folder;
}

}  // namespace waggle::explain
