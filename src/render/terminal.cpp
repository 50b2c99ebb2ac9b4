// SPDX-License-Identifier: Apache-2.0
#include "render/terminal.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "explain/phrases.h"
#include "render/layout.h"
#include "render/result_text.h"

namespace waggle::sinks {
namespace {

using explain::Phrase;
using explain::PhraseValues;

constexpr std::size_t body_column = 12;  // where the text of a part begins, its heading before it
constexpr std::size_t heading_indent = 2;

std::string words(const TerminalStyle& style, Phrase key, PhraseValues values = {}) {
    return explain::say(key, values, style.language);
}

// Builds the parts of one explanation: a heading in the left column, its texts to the right.
class Parts {
  public:
    explicit Parts(const TerminalStyle& style)
        : style_(style), width_(std::max<std::size_t>(style.width, body_column + 20)) {}

    std::string out;

    void heading(Phrase key) { heading_ = words(style_, key); }

    void sentence(std::string_view text, Paint how = Paint::plain) {
        for (const std::string& line : wrap(text, width_ - body_column)) {
            begin_line();
            out += paint(line, how, style_.color) + "\n";
        }
    }

    // Alone on its line and never wrapped. A comment that does not fit goes before the command.
    void command(std::string_view text) {
        const std::size_t comment = text.find("    # ");
        std::string_view run = text;
        if (display_width(text) > width_ - body_column && comment != std::string_view::npos &&
            text.find('\n') == std::string_view::npos) {
            for (const std::string& line : wrap(text.substr(comment + 6), width_ - body_column - 2)) {
                begin_line();
                out += paint("# " + line, Paint::dim, style_.color) + "\n";
            }
            run = text.substr(0, text.find_last_not_of(' ', comment) + 1);
        }
        for (const std::string_view line : split(run, '\n')) {
            begin_line();
            const std::size_t note = line.find("    # ");
            out += paint(line.substr(0, note), Paint::green, style_.color);
            if (note != std::string_view::npos) out += paint(line.substr(note), Paint::dim, style_.color);
            out += '\n';
        }
    }

    void spoken_or_command(std::string_view text) {
        if (explain::is_sentence(text))
            sentence(text);
        else
            command(text);
    }

    std::size_t width() const { return width_; }

  private:
    const TerminalStyle& style_;
    std::size_t width_;
    std::string heading_;  // of the part that begins; said once

    void begin_line() {
        out.append(heading_indent, ' ');
        out += paint(heading_, Paint::bold, style_.color);
        out += pad_right("", body_column - heading_indent - display_width(heading_));
        heading_.clear();
    }
};

Paint severity_paint(explain::Severity severity) {
    switch (severity) {
        case explain::Severity::critical:
            return Paint::red;
        case explain::Severity::warning:
            return Paint::yellow;
        case explain::Severity::note:
            return Paint::cyan;
    }
    return Paint::plain;
}

Phrase severity_phrase(explain::Severity severity) {
    switch (severity) {
        case explain::Severity::critical:
            return Phrase::severity_critical;
        case explain::Severity::warning:
            return Phrase::severity_warning;
        case explain::Severity::note:
            return Phrase::severity_note;
    }
    return Phrase::severity_note;
}

Phrase confidence_phrase(explain::Confidence confidence) {
    switch (confidence) {
        case explain::Confidence::low:
            return Phrase::confidence_low;
        case explain::Confidence::medium:
            return Phrase::confidence_medium;
        case explain::Confidence::high:
            return Phrase::confidence_high;
    }
    return Phrase::confidence_low;
}

void add_evidence(Parts& parts, const explain::Evidence& evidence, const TerminalStyle& style) {
    parts.sentence(evidence.says);
    parts.out += lay_out(columns_of_result(evidence.rows), body_column + 2, parts.width(), style.color);
    if (evidence.rows.cut)
        parts.sentence(words(style, Phrase::evidence_cut,
                             {{"rows", format_count(static_cast<std::int64_t>(evidence.rows.rows.size()))}}),
                       Paint::dim);
    if (style.show_query) {
        parts.sentence(words(style, Phrase::query), Paint::dim);
        parts.command(evidence.query);
    }
}

void add_sentences(Parts& parts, Phrase heading, const std::vector<std::string>& texts) {
    parts.heading(heading);
    for (const std::string& text : texts) parts.sentence(text);
}

void add_commands(Parts& parts, Phrase heading, const std::vector<std::string>& texts) {
    parts.heading(heading);
    for (const std::string& text : texts) parts.spoken_or_command(text);
}

// An entry says itself whether it is a sentence or a command. What is not there apart is told by its form.
void add_advice(Parts& parts, Phrase heading, const explain::Finding& finding, explain::Advice::Part part,
                const std::vector<std::string>& texts) {
    std::vector<const explain::Advice*> advice;
    for (const explain::Advice& each : finding.advice)
        if (each.part == part) advice.push_back(&each);
    if (advice.size() != texts.size()) return add_commands(parts, heading, texts);
    parts.heading(heading);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        switch (advice[i]->kind) {
            case explain::Advice::Kind::say:
                parts.sentence(texts[i]);
                break;
            case explain::Advice::Kind::command:
                parts.command(texts[i]);
                break;
        }
    }
}

std::string titled(std::string_view label, Paint how, std::string_view text, const TerminalStyle& style) {
    std::string out;
    const std::string indent(display_width(label) + 2, ' ');
    bool first = true;
    const std::size_t room = std::max<std::size_t>(style.width, indent.size() + 20) - indent.size();
    for (const std::string& line : wrap(text, room)) {
        out += first ? paint(label, how, style.color) + "  " : indent;
        out += paint(line, Paint::bold, style.color) + "\n";
        first = false;
    }
    return out;
}

}  // namespace

std::string render_finding(const explain::Finding& finding, const TerminalStyle& style) {
    Parts parts(style);
    parts.out = titled(words(style, severity_phrase(finding.severity)), severity_paint(finding.severity),
                       finding.what, style);
    if (finding.age_ns > 0)
        parts.sentence(words(style, Phrase::last_found,
                             {{"age", format_duration_ns(static_cast<double>(finding.age_ns))}}));
    if (!finding.because_of.empty()) {
        parts.heading(Phrase::caused_by);
        parts.sentence(finding.because_of);
    }
    add_sentences(parts, Phrase::because, finding.because);
    parts.heading(Phrase::evidence);
    for (const explain::Evidence& evidence : finding.evidence) add_evidence(parts, evidence, style);
    parts.heading(Phrase::impact);
    if (!finding.impact.empty()) parts.sentence(finding.impact);
    add_advice(parts, Phrase::try_, finding, explain::Advice::Part::try_, finding.try_);
    add_advice(parts, Phrase::check, finding, explain::Advice::Part::check, finding.check);
    std::string about = finding.object.kind;
    if (!finding.object.name.empty()) about += " " + finding.object.name;
    if (!finding.object.value.empty()) about += ": " + finding.object.value;
    parts.heading(Phrase::about);
    parts.sentence(about);
    std::string who;
    for (const auto& [key, value] : finding.subject)
        who += fmt::format("{}{} {}", who.empty() ? "" : ", ", key, value);
    parts.heading(Phrase::who);
    if (!who.empty()) parts.sentence(who);
    parts.heading(Phrase::confidence);
    parts.sentence(words(style, Phrase::confidence_is,
                         {{"confidence", words(style, confidence_phrase(finding.confidence))}}));
    return parts.out;
}

std::string render_finding_briefly(const explain::Finding& finding, const TerminalStyle& style) {
    constexpr std::size_t nearest_causes = 2;
    Parts parts(style);
    parts.out = titled(words(style, severity_phrase(finding.severity)), severity_paint(finding.severity),
                       finding.what, style);
    if (!finding.because_of.empty()) {
        parts.heading(Phrase::caused_by);
        parts.sentence(finding.because_of);
    }
    parts.heading(Phrase::because);
    for (std::size_t i = 0; i < std::min(nearest_causes, finding.because.size()); ++i)
        parts.sentence(finding.because[i]);
    parts.heading(Phrase::impact);
    if (!finding.impact.empty()) parts.sentence(finding.impact);
    explain::Finding first = finding;
    first.try_.resize(std::min<std::size_t>(1, first.try_.size()));
    std::erase_if(first.advice,
                  [](const explain::Advice& each) { return each.part != explain::Advice::Part::try_; });
    first.advice.resize(std::min(first.try_.size(), first.advice.size()));
    add_advice(parts, Phrase::try_, first, explain::Advice::Part::try_, first.try_);
    if (finding.confidence == explain::Confidence::high) return parts.out;
    parts.heading(Phrase::confidence);
    parts.sentence(words(style, Phrase::confidence_is,
                         {{"confidence", words(style, confidence_phrase(finding.confidence))}}));
    return parts.out;
}

std::string render_coverage(std::span<const explain::SensorCoverage> coverage, std::uint64_t watched_ns,
                            const TerminalStyle& style) {
    const auto count = [](std::uint64_t n) { return format_count(static_cast<std::int64_t>(n)); };
    std::uint64_t seen = 0, lost = 0, evicted = 0;
    std::string sensors, losses;
    for (const explain::SensorCoverage& part : coverage) {
        seen += part.seen;
        evicted += part.evicted;
        if (part.seen > 0)
            sensors += fmt::format("{}{} {}", sensors.empty() ? "" : ", ", part.sensor, count(part.seen));
        for (const Loss& loss : part.lost) {
            if (loss.count == 0) continue;
            lost += loss.count;
            losses += fmt::format("{}{} {} ({})", losses.empty() ? "" : ", ", part.sensor, count(loss.count),
                                  loss.cause);
        }
    }
    if (!sensors.empty()) sensors = words(style, Phrase::by_sensor, {{"sensors", sensors}});
    std::string out;
    const auto add = [&](std::string_view sentence) {
        for (const std::string& line : wrap(sentence, std::max<std::size_t>(style.width, 20)))
            out += paint(line, Paint::dim, style.color) + "\n";
    };
    // A sensor counts its losses from its first moment on; one without a count comes from a recording that
    // was cut.
    const bool unknown = std::ranges::any_of(coverage, [](const auto& part) { return part.lost.empty(); });
    const Phrase watched = lost > 0   ? Phrase::watched
                           : unknown  ? Phrase::watched_loss_unknown
                           : seen > 0 ? Phrase::watched_none_lost
                                      : Phrase::watched_nothing;
    add(words(style, watched,
              {{"duration", format_duration_ns(static_cast<double>(watched_ns))},
               {"rows", count(seen)},
               {"by_sensor", sensors},
               {"lost", count(lost)}}));
    if (lost > 0) add(words(style, Phrase::lost, {{"losses", losses}}));
    if (evicted > 0) add(words(style, Phrase::evicted, {{"rows", count(evicted)}}));
    for (const explain::SensorCoverage& part : coverage)
        for (const HookUse& hook : part.hooks)
            if (hook.hook.empty())
                add(words(style, hook.reason.empty() ? Phrase::not_watched : Phrase::not_watched_because,
                          {{"what", hook.lost}, {"reason", escape_control(hook.reason)}}));
    return out;
}

namespace {

std::string head_of_answer(const explain::Answer& answer, const TerminalStyle& style) {
    if (answer.source.empty()) return {};
    return words(style, Phrase::replay, {{"source", escape_control(answer.source)}}) + "\n\n";
}

// What was watched, and what stood in its way.
std::string foot_of_answer(const explain::Answer& answer, const TerminalStyle& style) {
    std::string out = render_coverage(answer.coverage, answer.window.to_ns - answer.window.from_ns, style);
    for (const std::string& problem : answer.problems)
        for (const std::string& line :
             wrap(words(style, Phrase::problem, {{"what", problem}}), std::max<std::size_t>(style.width, 20)))
            out += line + "\n";
    return out;
}

std::size_t lines_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

}  // namespace

std::string render_answer_to_fit(const explain::Answer& answer, const TerminalStyle& style) {
    std::string whole = render_answer(answer, style);
    const std::size_t room = style.height - 1;  // the shell's prompt comes below
    if (answer.findings.empty() || lines_of(whole) <= room) return whole;
    const std::string head = head_of_answer(answer, style);
    const auto dim = [&](std::string_view sentence) {
        std::string out;
        for (const std::string& line : wrap(sentence, std::max<std::size_t>(style.width, 20)))
            out += paint(line, Paint::dim, style.color) + "\n";
        return out;
    };
    const std::string foot = foot_of_answer(answer, style) + dim(words(style, Phrase::long_form));
    std::string all;
    for (const explain::Finding& finding : answer.findings)
        all += render_finding_briefly(finding, style) + "\n";
    if (lines_of(head + all + foot) <= room) return head + all + foot;
    std::string out = head + render_finding_briefly(answer.findings.front(), style) + "\n";
    std::size_t shown = 1;
    for (; shown < answer.findings.size(); ++shown) {
        const explain::Finding& finding = answer.findings[shown];
        const std::string title = titled(words(style, severity_phrase(finding.severity)),
                                         severity_paint(finding.severity), finding.what, style);
        if (lines_of(out) + lines_of(title) + 1 + lines_of(foot) > room) break;
        out += title;
    }
    if (shown < answer.findings.size())
        out += dim(words(style, Phrase::more_findings,
                         {{"findings", counted(answer.findings.size() - shown, "finding")}}));
    return out + foot;
}

std::string render_answer(const explain::Answer& answer, const TerminalStyle& style) {
    std::string out = head_of_answer(answer, style);
    for (const explain::Finding& finding : answer.findings) out += render_finding(finding, style) + "\n";
    if (answer.findings.empty())
        out += paint(words(style, Phrase::no_cause), Paint::bold, style.color) + "\n";
    return out + foot_of_answer(answer, style);
}

std::string render_explained(const Explained& explained, const TerminalStyle& style) {
    Parts parts(style);
    for (const std::string& line : wrap(explained.what, parts.width()))
        parts.out += paint(line, Paint::bold, style.color) + "\n";
    parts.out += '\n';
    add_sentences(parts, Phrase::because, explained.because);
    add_sentences(parts, Phrase::evidence, explained.evidence);
    add_sentences(parts, Phrase::impact, explained.impact);
    add_commands(parts, Phrase::try_, explained.try_);
    add_commands(parts, Phrase::check, explained.check);
    return parts.out;
}

std::string render_explanation(const explain::Explanation& explanation, const TerminalStyle& style) {
    Parts parts(style);
    std::string title = explanation.title;
    if (explanation.number) title += fmt::format(" {}", *explanation.number);
    parts.out = paint(explanation.word, Paint::bold, style.color) + "  " +
                paint(title, Paint::dim, style.color) + "\n";
    for (const std::string& line : wrap(explanation.what, parts.width() - heading_indent))
        parts.out += std::string(heading_indent, ' ') + line + "\n";
    if (!explanation.loss)
        parts.out += std::string(heading_indent, ' ') + words(style, Phrase::no_loss) + "\n";
    parts.out += '\n';
    add_sentences(parts, Phrase::because, explanation.because);
    parts.heading(Phrase::impact);
    if (!explanation.impact.empty()) parts.sentence(explanation.impact);
    if (!explanation.since.empty())
        parts.sentence(words(style, Phrase::since, {{"version", explanation.since}}));
    add_commands(parts, Phrase::try_, explanation.try_);
    add_commands(parts, Phrase::check, explanation.check);
    return parts.out;
}

std::string render_result(const explain::ResultSet& result, const TerminalStyle& style) {
    if (result.rows.empty()) return words(style, Phrase::no_rows) + "\n";
    std::string out = lay_out(columns_of_result(result), 0, style.width, style.color);
    if (result.cut) out += paint(words(style, Phrase::rows_cut), Paint::dim, style.color) + "\n";
    return out;
}

}  // namespace waggle::sinks
