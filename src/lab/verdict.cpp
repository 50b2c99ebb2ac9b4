// SPDX-License-Identifier: Apache-2.0
#include "lab/verdict.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"

namespace waggle::lab {
namespace {

using nlohmann::json;

// Every text below a node, one a line.
void collect_texts(const json& node, std::string& out) {
    if (node.is_string()) out += node.get<std::string>() + "\n";
    if (node.is_structured())
        for (const json& part : node) collect_texts(part, out);
}

std::string text_at(const json& node, const char* key) {
    const auto found = node.find(key);
    return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json part_of(const json& node, const char* key) {
    const auto found = node.find(key);
    return found == node.end() ? json() : *found;
}

// The sentences of a finding: what a person reads, without evidence.
std::string words_of(const json& finding) {
    std::string out;
    for (const char* key : {"what", "because", "impact", "try"}) collect_texts(part_of(finding, key), out);
    const json object = part_of(finding, "object");
    out +=
        fmt::format("{} {} {}\n", text_at(object, "kind"), text_at(object, "name"), text_at(object, "value"));
    out += fmt::format("severity={} confidence={}\n", text_at(finding, "severity"),
                       text_at(finding, "confidence"));
    return out;
}

std::string object_of(const json& finding) {
    const json object = part_of(finding, "object");
    return fmt::format("{} {} {} | {}", text_at(object, "kind"), text_at(object, "name"),
                       text_at(object, "value"), text_at(finding, "what"));
}

// "Give nginx more workers." begins with a capital letter and ends with a full stop; commands do not.
bool is_sentence(std::string_view advice) {
    return !advice.empty() && std::isupper(static_cast<unsigned char>(advice.front())) &&
           advice.ends_with('.');
}

// The first command of `try`: an entry {do: COMMAND}, or a text that is no sentence.
std::string first_command(const json& finding) {
    for (const json& entry : part_of(finding, "try")) {
        if (entry.is_object() && !text_at(entry, "do").empty()) return text_at(entry, "do");
        if (entry.is_string() && !is_sentence(entry.get<std::string>())) return entry.get<std::string>();
    }
    return {};
}

bool is_own(const json& finding, const Injected& injected) {
    const std::string whole = finding.dump(-1, ' ', false, json::error_handler_t::replace);
    return std::any_of(injected.own.begin(), injected.own.end(),
                       [&](const std::string& word) { return mentions(whole, word); });
}

// Line ends and indents become single spaces, as if the text had never been wrapped.
std::string on_one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
        if (!blank)
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    return out;
}

// What the text for people says of the own findings: from the first sentence of each to that of the next
// finding.
struct OwnText {
    std::string text;
    std::vector<std::string> unsaid;  // first sentences that are not there
};
OwnText own_text(const std::string& text, const std::vector<const json*>& own,
                 const std::vector<const json*>& all) {
    const std::string flat = on_one_line(text);
    std::vector<std::size_t> begins;
    for (const json* finding : all)
        if (const std::size_t at = flat.find(on_one_line(text_at(*finding, "what"))); at != std::string::npos)
            begins.push_back(at);
    std::sort(begins.begin(), begins.end());
    OwnText out;
    for (const json* finding : own) {
        const std::string what = on_one_line(text_at(*finding, "what"));
        const std::size_t at = flat.find(what);
        if (at == std::string::npos) {
            out.unsaid.push_back(what);
            continue;
        }
        const auto next = std::upper_bound(begins.begin(), begins.end(), at);
        out.text += flat.substr(at, next == begins.end() ? std::string::npos : *next - at) + "\n";
    }
    return out;
}

// Judges one answer; the first error of a pattern is kept.
class Judge {
  public:
    Judge(const Fault& fault, const Injected& injected) : fault_(fault), injected_(injected) {}

    Result<Verdict> judge(const json& answer, const std::string& text) {
        std::vector<const json*> all, own;
        for (const json& finding : answer["findings"]) all.push_back(&finding);
        std::copy_if(all.begin(), all.end(), std::back_inserter(own),
                     [&](const json* finding) { return is_own(*finding, injected_); });
        verdict_.own = own.size();
        verdict_.other = all.size() - own.size();
        OwnText for_people;
        if (!text.empty()) for_people = own_text(text, own, all);
        for (const std::string& what : for_people.unsaid)
            verdict_.missing.push_back(fmt::format("the text for people does not say: {}", what));
        verdict_.ideal = with_values(fault_.expected.ideal);
        judge_cause(own);
        judge_words(own, answer);
        std::vector<std::string> said;
        for (const json* finding : own) said.push_back(words_of(*finding));
        if (!for_people.text.empty()) said.push_back(for_people.text);
        judge_truth(said, fault_.expected.never, "FALSE", verdict_.falsehoods);
        judge_truth(said, fault_.expected.misleading, "MISLEADING", verdict_.misleading);
        for (const json& problem : part_of(answer, "problems"))
            if (problem.is_string()) verdict_.problems.push_back(problem.get<std::string>());
        for (const json* finding : own)
            verdict_.advice.push_back(
                {text_at(*finding, "id"), text_at(*finding, "rule"), first_command(*finding)});
        if (error_) return *error_;
        return std::move(verdict_);
    }

  private:
    const Fault& fault_;
    const Injected& injected_;
    Verdict verdict_;
    std::optional<Error> error_;

    std::optional<std::string> match(const Pattern& pattern, const std::string& text) {
        auto found = first_match(pattern, injected_.values, text);
        if (found) return *found;
        if (!error_) error_ = found.error();
        return std::nullopt;
    }
    // With the values of this injection, so that a person sees what was looked for.
    std::string with_values(std::string text) const {
        for (const auto& [name, value] : injected_.values)
            for (std::size_t at = 0; (at = text.find("${" + name + "}", at)) != std::string::npos;
                 at += value.size())
                text.replace(at, name.size() + 3, value);
        return text;
    }
    std::string shown(const Pattern& pattern) const { return "/" + with_values(pattern.text) + "/"; }

    void judge_cause(const std::vector<const json*>& own) {
        const std::vector<std::string>& rules = fault_.expected.rules;
        const auto is_right = [&](const std::string& rule) {
            return std::find(rules.begin(), rules.end(), rule) != rules.end();
        };
        if (own.empty()) {
            verdict_.cause = is_right("none") ? "yes" : "none";
            return;
        }
        const json& first = *own.front();
        verdict_.cause = is_right(text_at(first, "rule")) ? "yes" : "other";
        verdict_.first = text_at(first, "severity") + "/" + text_at(first, "confidence");
        verdict_.said = text_at(first, "what");
    }

    void judge_words(const std::vector<const json*>& own, const json& answer) {
        const Expected& expected = fault_.expected;
        const json* first = own.empty() ? nullptr : own.front();
        if (expected.object) {
            const bool named = first && match(*expected.object, object_of(*first));
            verdict_.object = named ? "yes" : "no";
            if (first && !named)
                verdict_.missing.push_back(
                    fmt::format("object: wanted {} in: {}", shown(*expected.object), object_of(*first)));
        }
        for (const Pattern& pattern : expected.says)
            if (!first || !match(pattern, words_of(*first))) miss(pattern, "the first finding does not say");
        for (const Pattern& pattern : expected.also)
            if (std::none_of(own.begin(), own.end(), [&](const json* finding) {
                    return match(pattern, words_of(*finding)).has_value();
                }))
                miss(pattern, "no finding says");
        if (expected.seen.empty()) return;
        std::string everything;
        for (const json* finding : own) everything += words_of(*finding);
        for (const auto& [key, part] : answer.items())
            if (key != "findings" && key != "coverage") collect_texts(part, everything);
        for (const Pattern& pattern : expected.seen)
            if (!match(pattern, everything)) miss(pattern, "the answer does not show");
    }
    void miss(const Pattern& pattern, std::string_view what) {
        verdict_.missing.push_back(fmt::format("{} {}", what, shown(pattern)));
    }

    void judge_truth(const std::vector<std::string>& said, const std::vector<Pattern>& patterns,
                     std::string_view mark, std::vector<std::string>& out) {
        for (const Pattern& pattern : patterns)
            for (const std::string& words : said)
                if (const auto found = match(pattern, words)) {
                    out.push_back(fmt::format("{} \"{}\": {}", mark, *found, with_values(pattern.why)));
                    break;
                }
    }
};

}  // namespace

bool Verdict::whole(Claim claim) const {
    switch (claim) {
        case Claim::inside:
            return cause == "yes" && object != "no" && missing.empty();
        case Claim::outside:
            return missing.empty();
        case Claim::healthy:
            return own == 0;
    }
    return false;
}

Result<Verdict> judge(const Fault& fault, const Injected& injected, const std::string& json_text,
                      const std::string& text) {
    const json answer = json::parse(json_text, nullptr, false);
    if (!answer.is_object() || !part_of(answer, "findings").is_array())
        return Error{
            fmt::format("the answer is no JSON with findings: {}", escape_control(json_text.substr(0, 200)))};
    return Judge(fault, injected).judge(answer, text);
}

}  // namespace waggle::lab
