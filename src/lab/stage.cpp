// SPDX-License-Identifier: Apache-2.0
#include "lab/stage.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/text.h"

namespace waggle::lab {
namespace {

// An emulated machine takes its time.
constexpr std::chrono::seconds most_of_inject{180}, most_of_heal{120};

std::string last_lines(std::string_view text, std::size_t most) {
    std::vector<std::string_view> lines = split(trim(text), '\n');
    if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
    std::string out;
    for (const std::string_view line : lines) out += (out.empty() ? "" : "; ") + escape_control(line);
    return out;
}

std::string why_of(const Outcome& outcome, std::string_view script) {
    std::string out = outcome.timed_out ? fmt::format("{} was not done in time", script)
                                        : fmt::format("{} ended with {}", script, outcome.code);
    const std::string said = last_lines(outcome.err + outcome.out, 4);
    return said.empty() ? out : out + ": " + said;
}

}  // namespace

std::optional<Stage> Stage::set_up(const Fault& fault, const Options& options, const std::atomic<bool>& stop,
                                   Failure& failure) {
    std::string state = (std::filesystem::temp_directory_path() / "waggle-lab.XXXXXX").string();
    if (!::mkdtemp(state.data())) {
        failure.why = fmt::format("cannot make {}: {}", state, std::strerror(errno));
        return std::nullopt;
    }
    Command base;
    base.environment = {{"LAB_STATE", state},
                        {"LAB_SEED", std::to_string(options.seed)},
                        {"LAB_LIFE", std::to_string(options.life.count())}};
    if (!options.watched.empty())
        base.environment.emplace_back("LAB_WATCHED", std::filesystem::path(state) / options.watched);
    const std::string own = fault.folder + "/heal";
    Command healing = base;
    healing.words = {::access(own.c_str(), X_OK) == 0 ? own : options.lab + "/heal"};
    healing.at_most = most_of_heal;
    Result<Guard> guard = Guard::start(healing);
    if (!guard) {
        ::rmdir(state.c_str());
        failure.why = guard.error().message;
        return std::nullopt;
    }
    Stage stage(base, state, std::move(*guard));
    Command injecting = base;
    injecting.words = {fault.folder + "/inject"};
    injecting.at_most = most_of_inject;
    const Result<Outcome> done = run(injecting, stop);
    if (done && done->code == 0 && !done->interrupted && !done->timed_out) return stage;
    if (!done) {
        failure.why = done.error().message;
    } else {
        failure.cannot = done->code == exit_cannot;
        failure.interrupted = done->interrupted;
        failure.why = failure.cannot ? last_lines(done->err, 1) : why_of(*done, "inject");
    }
    if (const Result<void> healed = stage.heal(); !healed) failure.why += "; " + healed.error().message;
    return std::nullopt;
}

Result<Injected> Stage::injected() const {
    Injected out;
    if (const Result<std::string> text = read_file(state_ + "/values"); text)
        for (const std::string_view line : split(*text, '\n'))
            if (const std::size_t at = line.find('='); at != std::string_view::npos)
                out.values[std::string(line.substr(0, at))] = line.substr(at + 1);
    out.own.push_back(state_);
    if (const Result<std::string> text = read_file(state_ + "/own"); text)
        for (const std::string_view line : split(*text, '\n'))
            if (!line.empty()) out.own.emplace_back(line);
    return out;
}

bool Stage::owns_process(std::uint64_t pid) const {
    const Result<std::string> environment = read_file(fmt::format("/proc/{}/environ", pid));
    if (!environment) return false;
    for (const std::string_view entry : split(*environment, '\0'))
        if (entry == "LAB_STATE=" + state_) return true;
    return false;
}

Result<void> Stage::heal() {
    const Result<Outcome> done = guard_.finish();
    if (!done) return while_doing("heal", done.error());
    if (done->code != 0 || done->timed_out) return Error{why_of(*done, "heal")};
    return {};
}

}  // namespace waggle::lab
