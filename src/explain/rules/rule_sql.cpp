// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_sql.h"

#include "base/text.h"

namespace waggle::explain {
namespace {

bool is_comparison(std::string_view token) {
    return token == "<" || token == ">" || token == "=" || token == "!";
}

}  // namespace

std::string_view compared_with(std::span<const SqlToken> tokens, std::size_t at) {
    const auto word = [&](std::size_t i) {
        return i < tokens.size() && tokens[i].kind == SqlToken::Kind::word;
    };
    const auto op = [&](std::size_t i) { return i < tokens.size() && is_comparison(tokens[i].text); };
    const auto arithmetic = [&](std::size_t i) {
        return i < tokens.size() && std::string_view("+-*/%|").find(tokens[i].text) != std::string_view::npos;
    };
    std::size_t i = at;
    while (i > 0 && op(i - 1)) --i;
    if (i < at && i > 0 && word(i - 1) && !arithmetic(at + 1)) {
        const std::size_t before = i >= 3 && tokens[i - 2].text == "." ? i - 4 : i - 2;
        if (i < 2 || before >= tokens.size() || !arithmetic(before)) return tokens[i - 1].text;
    }
    i = at + 1;
    while (op(i)) ++i;
    if (i == at + 1 || !word(i) || (at > 0 && arithmetic(at - 1))) return {};
    if (i + 2 < tokens.size() && tokens[i + 1].text == "." && word(i + 2)) i += 2;
    return arithmetic(i + 1) ? std::string_view() : tokens[i].text;
}

std::vector<ListUse> lists_in(std::string_view sql, std::optional<ListUse>& fault) {
    std::vector<ListUse> out;
    const std::vector<SqlToken> tokens = sql_tokens(sql);
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
        if (tokens[i].kind != SqlToken::Kind::word || to_lower(tokens[i].text) != "in_list" ||
            tokens[i + 1].text != "(")
            continue;
        std::string_view name = tokens[i + 2].text;
        const auto offset = static_cast<std::size_t>(name.data() - sql.data());
        if (name.size() < 2 || name.front() != '\'') {
            fault = ListUse{"in_list takes the list's name as a text: in_list('name', column)", offset};
            return out;
        }
        name = name.substr(1, name.size() - 2);
        out.push_back({std::string(name), offset + 1});
    }
    return out;
}

std::string names_alone(std::span<const std::string> columns) {
    std::string out;
    for (const std::string& column : columns) {
        out += out.empty() ? "NULL AS \"" : ", NULL AS \"";
        for (const char c : column) out.append(c == '"' ? 2 : 1, c);
        out += '"';
    }
    return out;
}

}  // namespace waggle::explain
