// SPDX-License-Identifier: Apache-2.0
#include "lab/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace waggle::lab {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& json) {
    return json.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

// In the text of a Markdown table.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : escape_control(text)) out += c == '|' ? std::string("\\|") : std::string(1, c);
    return out;
}

std::string pasted_cell(const Score& score) {
    std::string out;
    for (const Pasted& pasted : score.pasted)
        out += (out.empty() ? "" : ", ") + std::string(effect_name(pasted.effect));
    return out.empty() ? "-" : out;
}

std::vector<std::string> details(const Score& score) {
    std::vector<std::string> out;
    if (!score.failed.empty()) out.push_back("failed: " + score.failed);
    if (score.verdict) {
        const Verdict& verdict = *score.verdict;
        if (verdict.cause == "other" || (score.fault.claim == Claim::healthy && verdict.own > 0))
            out.push_back("says: " + verdict.said);
        for (const auto* list : {&verdict.missing, &verdict.falsehoods, &verdict.misleading})
            out.insert(out.end(), list->begin(), list->end());
        for (const std::string& problem : verdict.problems) out.push_back("problem: " + problem);
        if (!verdict.ideal.empty() && !score.right()) out.push_back("ideal: " + verdict.ideal);
    }
    for (const Pasted& pasted : score.pasted)
        out.push_back(fmt::format("pasted ({}): {}{}", effect_name(pasted.effect), pasted.command,
                                  pasted.detail.empty() ? "" : " -> " + pasted.detail));
    for (std::string& line : out) line = escape_control(line);
    return out;
}

struct Sums {
    std::size_t inside = 0, cause = 0, object = 0, inside_right = 0;
    std::size_t outside = 0, not_false = 0, shown = 0;
    std::size_t healthy = 0, silent = 0;
    std::size_t with_false = 0, with_misleading = 0, failed = 0, skipped = 0;
    std::size_t pasted = 0, healed = 0, shows = 0;
};

Sums sums_of(const std::vector<Score>& scores) {
    Sums out;
    for (const Score& score : scores) {
        out.skipped += !score.skipped.empty();
        out.failed += !score.failed.empty();
        for (const Pasted& pasted : score.pasted) {
            ++out.pasted;
            out.healed += pasted.effect == Pasted::Effect::healed;
            out.shows += pasted.effect == Pasted::Effect::shows;
        }
        if (!score.verdict || !score.failed.empty()) continue;
        const Verdict& verdict = *score.verdict;
        out.with_false += !verdict.falsehoods.empty();
        out.with_misleading += !verdict.misleading.empty();
        switch (score.fault.claim) {
            case Claim::inside:
                ++out.inside;
                out.cause += verdict.cause == "yes";
                out.object += verdict.cause == "yes" && verdict.whole(Claim::inside);
                out.inside_right += score.right();
                break;
            case Claim::outside:
                ++out.outside;
                out.not_false += verdict.falsehoods.empty();
                out.shown += score.right();
                break;
            case Claim::healthy:
                ++out.healthy;
                out.silent += score.right();
                break;
        }
    }
    return out;
}

std::string sums_sentences(const Sums& sums, std::string_view before, std::string_view end) {
    std::string out;
    const auto say = [&](const std::string& sentence) {
        out += fmt::format("{}{}{}", before, sentence, end);
    };
    say(fmt::format(
        "Inside the claim: {} faults. Right cause first: {}. And with everything that must be named: {}. "
        "And nothing false: {}.",
        sums.inside, sums.cause, sums.object, sums.inside_right));
    say(fmt::format("Outside it: {} faults. Nothing false: {}. And the answer shows what was seen: {}.",
                    sums.outside, sums.not_false, sums.shown));
    say(fmt::format("Healthy loads: {}. Silent: {}.", sums.healthy, sums.silent));
    say(fmt::format("With a false statement: {}. With a misleading one: {}.", sums.with_false,
                    sums.with_misleading));
    if (sums.pasted)
        say(fmt::format("First commands pasted: {}. Healed: {}. Show something: {}. Did not help: {}.",
                        sums.pasted, sums.healed, sums.shows, sums.pasted - sums.healed - sums.shows));
    if (sums.failed) say(fmt::format("Failed: {}.", sums.failed));
    if (sums.skipped) say(fmt::format("Not run here: {}.", sums.skipped));
    return out;
}

// "right", or what is wrong in one or two words.
std::string result_of(const Score& score) {
    if (!score.failed.empty()) return "**failed**";
    if (!score.verdict) return "not run";
    std::string out;
    const auto add = [&](const char* word) { out += (out.empty() ? "**" : ", ") + std::string(word); };
    if (!score.verdict->falsehoods.empty()) add("false");
    if (!score.verdict->whole(score.fault.claim)) add(score.fault.claim == Claim::healthy ? "alarm" : "miss");
    if (!out.empty()) return out + "**";
    return score.verdict->misleading.empty() ? "right" : "right, misleading";
}

std::string markdown_table(const std::vector<Score>& scores, Claim claim, std::string_view title) {
    std::string out = fmt::format(
        "\n## {}\n\n| fault | what is wrong | result | cause | object | false | misleading | findings | "
        "severity/confidence |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        title);
    for (const Score& score : scores) {
        if (score.fault.claim != claim || !score.skipped.empty()) continue;
        out += fmt::format("| `{}` | {} | {} |", score.fault.name, cell(score.fault.about), result_of(score));
        if (score.verdict)
            out +=
                fmt::format(" {} | {} | {} | {} | {} | {} |\n", score.verdict->cause, score.verdict->object,
                            score.verdict->falsehoods.size(), score.verdict->misleading.size(),
                            score.verdict->own, score.verdict->first.empty() ? "-" : score.verdict->first);
        else
            out += " - | - | - | - | - | - |\n";
    }
    return out;
}

}  // namespace

std::string_view effect_name(Pasted::Effect effect) {
    switch (effect) {
        case Pasted::Effect::healed:
            return "healed";
        case Pasted::Effect::shows:
            return "shows only";
        case Pasted::Effect::no_help:
            return "did not help";
        case Pasted::Effect::refused:
            return "not pasted";
    }
    return "";
}

bool Score::counts_against() const {
    if (!failed.empty() || (verdict && !verdict->right(fault.claim))) return true;
    return std::any_of(pasted.begin(), pasted.end(), [](const Pasted& one) {
        return one.effect == Pasted::Effect::no_help || one.effect == Pasted::Effect::refused;
    });
}

std::string score_heading(bool paste) {
    return fmt::format("{:<38} {:<8} {:<6} {:<6} {:<6} {:<5} {:<9} {:<15} {:>7}{}\n", "fault", "claim",
                       "cause", "object", "false", "misl.", "own/other", "severity", "seconds",
                       paste ? "  pasted" : "");
}

std::string score_lines(const Score& score, bool paste) {
    std::string out = fmt::format("{:<38} {:<8} ", score.fault.name, claim_name(score.fault.claim));
    if (!score.skipped.empty()) {
        out += "not run: " + escape_control(score.skipped) + "\n";
    } else if (score.verdict) {
        const Verdict& verdict = *score.verdict;
        out += fmt::format("{:<6} {:<6} {:<6} {:<5} {:<9} {:<15} {:>7.1f}{}\n", verdict.cause, verdict.object,
                           verdict.falsehoods.size(), verdict.misleading.size(),
                           fmt::format("{}/{}", verdict.own, verdict.other),
                           verdict.first.empty() ? "-" : verdict.first, score.seconds,
                           paste ? "  " + pasted_cell(score) : "");
    } else {
        out += "FAILED\n";
    }
    for (const std::string& line : details(score)) out += "    " + line + "\n";
    return out;
}

std::string score_json(const Score& score) {
    ordered_json out{
        {"fault", score.fault.name}, {"claim", claim_name(score.fault.claim)}, {"right", score.right()}};
    out["skipped"] = score.skipped.empty() ? ordered_json() : ordered_json(score.skipped);
    out["failed"] = score.failed.empty() ? ordered_json() : ordered_json(score.failed);
    if (score.verdict) {
        const Verdict& verdict = *score.verdict;
        out["cause"] = verdict.cause;
        out["object"] = verdict.object;
        out["false"] = verdict.falsehoods;
        out["misleading"] = verdict.misleading;
        out["missing"] = verdict.missing;
        out["problems"] = verdict.problems;
        out["findings"] = {{"own", verdict.own}, {"other", verdict.other}};
        out["first"] = verdict.first;
        out["says"] = verdict.said;
        out["seconds"] = score.seconds;
    }
    out["pasted"] = ordered_json::array();
    for (const Pasted& pasted : score.pasted)
        out["pasted"].push_back(
            {{"command", pasted.command}, {"effect", effect_name(pasted.effect)}, {"detail", pasted.detail}});
    return dump(out);
}

std::string sums(const std::vector<Score>& scores) {
    return "\n" + sums_sentences(sums_of(scores), "", "\n");
}

std::string markdown(const std::vector<Score>& scores, const Circumstances& circumstances) {
    std::string out =
        "# Accuracy\n\n"
        "Each fault of the lab is made on a machine, `waggle why` is asked, and its answer is measured by "
        "what the fault's\n"
        "folder says must and must not be said. This page is printed by `waggle lab score --markdown`.\n\n";
    out += fmt::format("waggle {}, Linux {}, {}; each watched for {}, seed {}.\n\n", circumstances.version,
                       circumstances.kernel, circumstances.date, circumstances.watched, circumstances.seed);
    out += sums_sentences(sums_of(scores), "- ", "\n");
    out +=
        "\n*Cause*: the first finding about the fault has the right rule. *Object*: it names the exact "
        "object. *False*: "
        "statements\nthat are not true. *Misleading*: true by the letter, wrong in effect. A **miss** lacks "
        "something that must "
        "be said; an\n**alarm** is a finding about a healthy load.\n";
    out += markdown_table(scores, Claim::inside, "Inside the claim: the cause must be named");
    out += markdown_table(scores, Claim::outside,
                          "Outside the claim: nothing false, and what was seen is shown");
    out += markdown_table(scores, Claim::healthy, "Healthy loads: silence");
    std::string wrong, skipped;
    for (const Score& score : scores) {
        if (!score.skipped.empty()) {
            skipped += fmt::format("- `{}`: {}\n", score.fault.name, cell(score.skipped));
        } else if (const std::vector<std::string> lines = details(score);
                   !score.right() || (score.verdict && !score.verdict->misleading.empty())) {
            wrong += fmt::format("\n### `{}`\n\n", score.fault.name);
            for (const std::string& line : lines)
                if (!line.starts_with("problem: ")) wrong += fmt::format("- {}\n", cell(line));
        }
    }
    if (!wrong.empty()) out += "\n## What was wrong\n" + wrong;
    if (!skipped.empty()) out += "\n## Not run on this machine\n\n" + skipped;
    return out;
}

std::string fault_list(const std::vector<Fault>& faults, std::string_view release) {
    std::string out = fmt::format("{:<38} {:<8} {:<9} {:<8} {}\n", "fault", "claim", "question", "kernels",
                                  "what is wrong");
    for (const Fault& fault : faults) {
        out += fmt::format("{:<38} {:<8} {:<9} {:<8} {}\n", fault.name, claim_name(fault.claim),
                           fault.question.empty() ? "(all)" : escape_control(fault.question), fault.kernels,
                           escape_control(fault.about));
        if (const std::string why = cannot_run(fault, release); !why.empty())
            out += fmt::format("{:<38} not here: {}\n", "", escape_control(why));
    }
    return out;
}

std::string fault_json(const Fault& fault, std::string_view release) {
    const std::string why = cannot_run(fault, release);
    return dump({{"fault", fault.name},
                 {"claim", claim_name(fault.claim)},
                 {"question", fault.question},
                 {"kernels", fault.kernels},
                 {"needs", fault.needs},
                 {"quick", fault.quick},
                 {"about", fault.about},
                 {"source", fault.source},
                 {"not_here", why.empty() ? ordered_json() : ordered_json(why)}});
}

}  // namespace waggle::lab
