// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpftrace/bpftrace.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "sensors/bpftrace/bpftrace.event.h"
#include "sensors/bpftrace/bpftrace_lines.h"
#include "sensors/bpftrace/bpftrace_script.h"

namespace waggle::sensors {
namespace {

constexpr Field fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(bpftrace_event),
    WAGGLE_FIELD(
        bpftrace_event, output, Unit::none,
        "What bpftrace calls it: printf, time, map, hist, stats ...; stdout where it is none of its own."),
    WAGGLE_FIELD(bpftrace_event, map, Unit::none, "The map, @ included; empty for a text."),
    WAGGLE_FIELD(bpftrace_event, key, Unit::none,
                 "The entry's key, a comma between two; empty where the map has one value only."),
    WAGGLE_FIELD(bpftrace_event, value, Unit::none,
                 "The entry's number; of a distribution, how many values the bucket holds.", trait_nullable),
    WAGGLE_FIELD(bpftrace_event, lowest, Unit::none, "Of a distribution: the bucket's lowest value.",
                 trait_nullable),
    WAGGLE_FIELD(bpftrace_event, highest, Unit::none, "Of a distribution: the bucket's highest value.",
                 trait_nullable),
    WAGGLE_FIELD(
        bpftrace_event, text, Unit::none,
        "What was printed, or an entry that is no number; of stats(): count, average or total. At most "
        "4,096 bytes."),
};
constexpr Schema schema = {"bpftrace",
                           "What a script of bpftrace said: a text it printed, or one entry of a map.",
                           sizeof(bpftrace_event), fields, true};
constexpr auto all_schemas = schemas_by_kind({{0, &schema}});

constexpr std::uint64_t start_limit_ns = 120'000'000'000;  // it compiles first; an emulated machine is slow
constexpr std::uint64_t step_ms = 100;
constexpr std::string_view not_seen = "What the script would have said.";

constexpr SourceOption script_option = {
    "bpftrace", OptionType::text, "FILE",
    "Run this script by the installed bpftrace; its output is the table bpftrace."};
constexpr SourceOption options_here[] = {script_option};

class Bpftrace final : public Running {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names&);

    std::span<const Schema* const> schemas() const override { return all_schemas; }
    int ready_fd() const override { return script_.fd(); }
    void drain(const RecordSink& sink) override {
        const std::uint64_t now_ns = SystemClock().monotonic_ns();
        const auto take = [&](std::string_view line) {
            const BpftraceLine said = read_bpftrace_line(line, now_ns, sink);
            probes_ += said.probes;
            lost_ += said.lost;
        };
        for (const std::string& line : std::exchange(kept_, {})) take(line);
        script_.read_lines(take);
    }
    bool prepare_to_wait() override { return script_.ended() || !script_.wait(0); }

    bool finish() override {
        script_.ask_to_end(SystemClock().monotonic_ns());
        return ended();
    }
    bool ended() const override { return script_.ended() && kept_.empty(); }
    std::vector<std::string> problems() const override {
        std::vector<std::string> out;
        if (!script_.failure().empty())
            out.push_back(fmt::format("bpftrace: {}", escape_control(script_.failure())));
        else if (script_.was_asked_to_end() && !script_.ended())
            out.push_back(fmt::format("bpftrace did not end when asked: what {} tells at its end is missing",
                                      escape_control(file_)));
        for (const std::string& warning : script_.warnings())
            out.push_back(fmt::format("bpftrace: {}", escape_control(warning)));
        return out;
    }

    std::vector<HookUse> hooks() const override {
        if (!script_.failure().empty())
            return {{"script", "", std::string(not_seen), escape_control(script_.failure())}};
        return {
            {"script", fmt::format("{} of {}", counted(probes_, "probe"), escape_control(file_)), "", ""}};
    }
    std::vector<Loss> losses() const override {
        return {{"event lost by bpftrace", lost_}, {"line too long", script_.lines_too_long()}};
    }

  private:
    Bpftrace(std::string file, BpftraceScript script) : file_(std::move(file)), script_(std::move(script)) {}
    Result<void> wait_until_it_attaches(const std::atomic<bool>* stop);

    std::string file_;
    BpftraceScript script_;
    std::vector<std::string> kept_;
    std::uint64_t probes_ = 0, lost_ = 0;
};

Result<std::unique_ptr<Running>> Bpftrace::start(const StartOptions& options, Names&) {
    if (!options.values.given(script_option))
        return Error{"it runs a script: waggle probe --bpftrace FILE", ErrorKind::usage};
    std::string file(options.values.text(script_option));
    Result<BpftraceScript> started = BpftraceScript::start(file);
    if (!started) return started.error();
    std::unique_ptr<Bpftrace> running(new Bpftrace(std::move(file), std::move(*started)));
    if (auto attached = running->wait_until_it_attaches(options.stop); !attached) return attached.error();
    return std::unique_ptr<Running>(std::move(running));
}

Result<void> Bpftrace::wait_until_it_attaches(const std::atomic<bool>* stop) {
    const std::uint64_t until_ns = SystemClock().monotonic_ns() + start_limit_ns;
    while (probes_ == 0 && !script_.ended()) {
        if (stop && stop->load(std::memory_order_relaxed)) return Error{"interrupted"};
        if (SystemClock().monotonic_ns() >= until_ns)
            return Error{fmt::format("bpftrace did not begin with {}", escape_control(file_))};
        script_.wait(step_ms);
        // Lines that come with the news that it attaches wait for the first drain.
        script_.read_lines([this](std::string_view line) {
            const BpftraceLine said = read_bpftrace_line(line, 0, [](std::span<const Bytes>) {});
            probes_ += said.probes;
            if (said.probes == 0) kept_.emplace_back(line);
        });
    }
    if (!script_.failure().empty())
        return Error{fmt::format("bpftrace: {}", escape_control(script_.failure())), ErrorKind::usage};
    return {};
}

std::vector<HookUse> outlook() {
    const std::string program = BpftraceScript::program();
    if (program.empty())
        return {{"script", "", std::string(not_seen), "bpftrace is not installed: apt-get install bpftrace"}};
    return {{"script", program, "", ""}};
}

}  // namespace

constinit const Source bpftrace_source = {
    .name = "bpftrace",
    .question = "What does this script of bpftrace say?",
    .schemas = all_schemas,
    .options = options_here,
    .asked_by = &script_option,
    .start = Bpftrace::start,
    .outlook = outlook,
};

}  // namespace waggle::sensors
