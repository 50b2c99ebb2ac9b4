// SPDX-License-Identifier: Apache-2.0
#include "verifier/words.h"

#include "verifier/log.h"

namespace waggle::kernel {
namespace {

bool is_name(std::string_view text) {
    return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

// The {name} that begins `text`, without braces; empty where none does.
std::string_view placeholder(std::string_view text) {
    if (!text.starts_with("{")) return {};
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos) return {};
    const std::string_view inside = text.substr(1, close - 1);
    const std::string_view name = inside.ends_with(":d") ? inside.substr(0, inside.size() - 2) : inside;
    return is_name(name) ? inside : std::string_view{};
}

std::size_t next_placeholder(std::string_view text) {
    for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1))
        if (!placeholder(text.substr(at)).empty()) return at;
    return std::string_view::npos;
}

}  // namespace

// Each placeholder takes as little as lets the literal text behind it follow; the last takes what is left. So
// the work is bounded by the line's length times the pattern's.
std::optional<Facts> match_pattern(std::string_view pattern, std::string_view line) {
    Facts facts;
    while (true) {
        const std::size_t at = next_placeholder(pattern);
        if (at == std::string_view::npos) return pattern == line ? std::optional(facts) : std::nullopt;
        if (!line.starts_with(pattern.substr(0, at))) return std::nullopt;
        line.remove_prefix(at);
        const std::string_view inside = placeholder(pattern.substr(at));
        pattern.remove_prefix(at + inside.size() + 2);
        if (inside.ends_with(":d")) {
            const std::string_view before = line;
            if (!take_number(line)) return std::nullopt;
            facts.insert_or_assign(std::string(inside.substr(0, inside.size() - 2)),
                                   std::string(before.substr(0, before.size() - line.size())));
            continue;
        }
        const std::string_view literal = pattern.substr(0, next_placeholder(pattern));
        std::size_t end = line.size();
        if (!literal.empty())
            end = literal.size() == pattern.size() ? line.rfind(literal) : line.find(literal);
        if (end == std::string_view::npos) return std::nullopt;
        facts.insert_or_assign(std::string(inside), std::string(line.substr(0, end)));
        line.remove_prefix(end);
    }
}

std::optional<std::string> fill(std::string_view text, const Facts& facts) {
    std::string out;
    while (true) {
        const std::size_t at = next_placeholder(text);
        out += text.substr(0, at);
        if (at == std::string_view::npos) return out;
        const std::string_view name = placeholder(text.substr(at));
        const auto found = facts.find(name);
        if (found == facts.end() || found->second.empty()) return std::nullopt;
        out += found->second;
        text.remove_prefix(at + name.size() + 2);
    }
}

std::string fill_first(std::span<const std::string_view> texts, const Facts& facts) {
    for (const std::string_view text : texts)
        if (auto filled = fill(text, facts)) return *filled;
    return {};
}

bool holds(std::string_view condition, const Facts& facts) {
    const auto has = [&](std::string_view name) {
        const auto found = facts.find(name);
        return found != facts.end() && !found->second.empty();
    };
    if (condition.starts_with("!")) return !has(condition.substr(1));
    const std::size_t at = condition.find_first_of("<>=");
    if (at == std::string_view::npos) return has(condition);
    const auto found = facts.find(condition.substr(0, at));
    if (found == facts.end()) return false;
    std::string_view wanted = condition.substr(at + 1), given = found->second;
    if (condition[at] == '=') return wanted == given;
    const auto limit = take_number(wanted), value = take_number(given);
    return limit && value && (condition[at] == '<' ? *value < *limit : *value > *limit);
}

std::string_view text_named(std::span<const NamedText> texts, std::string_view name) {
    for (const NamedText& each : texts)
        if (each.name == name) return each.text;
    return {};
}

}  // namespace waggle::kernel
