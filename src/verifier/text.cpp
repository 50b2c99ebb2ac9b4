// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/text.h"
#include "verifier/words.h"
#include "waggle/verifier.h"

namespace waggle {
namespace {

using kernel::VerifierWords;

std::string label(const VerifierWords& words, std::string_view name, const kernel::Facts& facts = {}) {
    return kernel::fill(kernel::text_named(words.labels, name), facts).value_or("");
}

// Source text: its own backslashes are no escapes of ours.
std::string escape_source(std::string_view text) {
    std::string out;
    for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(end + 1)) {
        end = text.find('\\');
        out += escape_control(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        out += '\\';
    }
    return out;
}

std::string place(const VerifierWords& words, const SourceLine& line, std::uint32_t insn, bool has_insn) {
    if (line.line == 0)
        return has_insn ? label(words, "instruction", {{"number", std::to_string(insn)}}) : std::string();
    const std::size_t slash = line.file.rfind('/');
    return fmt::format("{}:{}", slash == std::string::npos ? line.file : line.file.substr(slash + 1),
                       line.line);
}

}  // namespace

namespace kernel {

std::string placed_code(const Rejection& said, std::string_view language) {
    const VerifierWords& words = verifier_words(language);
    const Facts facts{{"line", std::to_string(said.code_line)}};
    switch (said.code_place) {
        case Rejection::CodePlace::unknown:
            return said.code;
        case Rejection::CodePlace::before:
            return label(words, "code_before", facts) + said.code;
        case Rejection::CodePlace::after:
            return label(words, "code_after", facts) + said.code;
        case Rejection::CodePlace::instead:
            return label(words, "code_instead", facts) + said.code;
    }
    return said.code;
}

}  // namespace kernel

std::string to_text(const Rejection& rejection, std::string_view language) {
    const VerifierWords& words = kernel::verifier_words(language);
    std::string out = escape_control(fmt::format("{}: {}", rejection.title, rejection.what));
    const auto line = [&](std::string_view head, std::string_view text) {
        if (!text.empty()) out += fmt::format("\n  {:<8} {}", head, escape_source(text));
    };
    const std::string where =
        place(words, rejection.at, rejection.insn.value_or(0), rejection.insn.has_value());
    line(label(words, "at"),
         where.empty() ? rejection.at.text : fmt::format("{}  {}", where, rejection.at.text));
    if (!rejection.expression.empty() && rejection.at.text.size() > rejection.expression.size()) {
        const std::size_t column = rejection.at.text.find(rejection.expression);
        if (column != std::string::npos && escape_source(rejection.at.text) == rejection.at.text)
            out += fmt::format("\n  {:<8} {:{}}{:^<{}}", "", "", where.size() + 2 + column, "",
                               rejection.expression.size());
    }
    std::string head = label(words, "because");
    for (const Step& step : rejection.because) {
        line(head, fmt::format("{}  {}{}", place(words, step.at, step.insn, true), step.says,
                               step.at.text.empty() ? "" : "    " + step.at.text));
        head.clear();
    }
    line(label(words, "try"), rejection.remedy);
    line("", kernel::placed_code(rejection, language));
    if (!rejection.kernel_says.empty())
        line(label(words, rejection.loader_says ? "loader_says" : "kernel_says") + ":",
             rejection.kernel_says);
    return out;
}

}  // namespace waggle
