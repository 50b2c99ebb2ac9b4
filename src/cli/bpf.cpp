// SPDX-License-Identifier: Apache-2.0
// bpf verify: what the verifier says of each program of an object, and why.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/units.h"
#include "cli/bpf_programs.h"
#include "cli/command.h"
#include "waggle/verifier.h"

namespace waggle::cli {
namespace {

using nlohmann::json;

json line_json(const SourceLine& line) {
    return {{"file", line.file}, {"line", line.line}, {"column", line.column}, {"text", line.text}};
}

json rejection_json(const Rejection& said) {
    json because = json::array();
    for (const Step& step : said.because)
        because.push_back({{"says", step.says},
                           {"insn", step.insn},
                           {"instruction", step.instruction},
                           {"at", line_json(step.at)}});
    json out{{"kind", said.kind},
             {"title", said.title},
             {"what", said.what},
             {"at", line_json(said.at)},
             {"expression", said.expression},
             {"instruction", said.instruction},
             {"register", said.reg},
             {"because", because},
             {"try", said.remedy},
             {"code", said.code},
             {"kernel_says", said.kernel_says}};
    out["loader_says"] = said.loader_says;
    constexpr std::string_view places[] = {"", "before", "after", "instead"};
    out["code_place"] = places[static_cast<std::size_t>(said.code_place)];
    out["code_line"] = said.code_line;
    out["insn"] = said.insn ? json(*said.insn) : json();
    return out;
}

json program_json(const VerifiedProgram& program) {
    json out{{"program", program.name},
             {"section", program.section},
             {"accepted", program.accepted},
             {"instructions", program.instructions},
             {"program_instructions", program.program_instructions},
             {"states", program.states},
             {"peak_states", program.peak_states},
             {"verification_us", program.verification_us},
             {"stack_bytes", program.stack_bytes}};
    out["rejection"] = program.rejection ? rejection_json(*program.rejection) : json();
    return out;
}

std::string program_text(const VerifiedProgram& program) {
    const std::string head =
        fmt::format("{} ({})", escape_control(program.name), escape_control(program.section));
    if (program.rejection) return fmt::format("{}: refused\n  {}\n", head, to_text(*program.rejection));
    std::string stack;
    for (const std::uint32_t bytes : program.stack_bytes)
        stack += (stack.empty() ? "" : " + ") + std::to_string(bytes);
    return fmt::format(
        "{}: accepted; {} instructions looked at (the program has {}), {} states kept, stack {} bytes, {}\n",
        head, format_count(static_cast<std::int64_t>(program.instructions)),
        format_count(static_cast<std::int64_t>(program.program_instructions)),
        format_count(static_cast<std::int64_t>(program.states)), stack.empty() ? "0" : stack,
        format_duration_ns(static_cast<double>(program.verification_us) * 1e3));
}

int verify(const std::string& path, const Options& options) {
    const Result<Verdict> verdict = verify_file(path);
    if (!verdict) return fail(verdict.error());
    if (options.json) {
        json out{{"file", path}, {"accepted", verdict->accepted()}, {"programs", json::array()}};
        for (const VerifiedProgram& program : verdict->programs)
            out["programs"].push_back(program_json(program));
        out["object"] = verdict->object ? rejection_json(*verdict->object) : json();
        print(out.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    } else {
        if (verdict->object)
            print(fmt::format("{}: refused\n  {}\n", escape_control(path), to_text(*verdict->object)));
        bool first = true;
        for (const VerifiedProgram& program : verdict->programs) {
            if (!print((first || !program.rejection ? "" : "\n") + program_text(program))) break;
            first = false;
        }
    }
    return verdict->accepted() ? exit_fine : exit_found;
}

}  // namespace

int run_bpf(const Options& options) {
    if (options.words.size() == 2 && options.words[0] == "verify") return verify(options.words[1], options);
    if (options.words.size() == 1 && options.words[0] == "verify")
        return fail(
            {"which object is to be verified? Write: waggle bpf verify FILE.bpf.o", ErrorKind::usage});
    if (options.words.size() == 1 && options.words[0] == "list") return bpf_list(options);
    if (options.words.size() == 1 && options.words[0] == "top") return bpf_top(options);
    if (options.words.size() == 2 && options.words[0] == "explain")
        return bpf_explain(options.words[1], options);
    if (options.words.size() == 1 && options.words[0] == "explain")
        return fail(
            {"which program is to be explained? Write its number: waggle bpf explain ID", ErrorKind::usage});
    return fail(
        {fmt::format(
             "waggle bpf has no \"{}\"; there are: waggle bpf list, top, explain ID, verify FILE.bpf.o",
             escape_control(options.words.empty() ? "" : options.words[0])),
         ErrorKind::usage});
}

}  // namespace waggle::cli
