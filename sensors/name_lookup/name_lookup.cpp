// SPDX-License-Identifier: Apache-2.0
#include "sensors/name_lookup/name_lookup.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/errno_name.h"
#include "base/text.h"
#include "base/units.h"
#include "model/histogram.h"
#include "model/record_writer.h"
#include "name_lookup.skel.h"
#include "sensing/probed_running.h"
#include "sensors/name_lookup/c_libraries.h"
#include "sensors/name_lookup/kernel_hazard.h"
#include "sensors/name_lookup/name_lookup.event.h"
#include "waggle/map.h"

namespace waggle::sensors {
namespace {

constexpr SourceOption asked = {"name-lookup", OptionType::yes_no, "",
                                "Watch the calls of the C library by which programs ask for the addresses of "
                                "names: the table name_lookup."};
constexpr SourceOption all_options[] = {asked};

constexpr Field lookup_fields[] = {
    WAGGLE_HEADER_FIELDS(name_lookup_event),
    WAGGLE_FIELD(
        name_lookup_event, name, Unit::none,
        "The name, as the program gave it; null where it gave none, an empty one, or one that could not "
        "be read.",
        trait_nullable),
    WAGGLE_FIELD(name_lookup_event, function, Unit::none,
                 "What was called: getaddrinfo, gethostbyname, gethostbyname2, or one of the latter with _r.",
                 trait_none, "name_lookup_function"),
    WAGGLE_FIELD(
        name_lookup_event, latency_ns, Unit::nanoseconds,
        "From the call to its return; where the thread ended in it, to that end; null where the program "
        "jumped out of it.",
        trait_nullable),
    WAGGLE_FIELD(
        name_lookup_event, result, Unit::none,
        "What the program was told: ok, or the error. Of getaddrinfo as EAI_NONAME (there is no such "
        "name) or EAI_AGAIN (no usable answer), of the others as HOST_NOT_FOUND or TRY_AGAIN; failed "
        "where the error is not known; null where the call did not return.",
        trait_nullable, "name_lookup_result"),
    WAGGLE_FIELD(name_lookup_event, ending, Unit::none,
                 "How the call ended: returned; thread_ended (with its process, or alone); left: the program "
                 "jumped out of it (longjmp, as for a time limit), or became another program.",
                 trait_hidden, "name_lookup_ending"),
    WAGGLE_FLAG(
        name_lookup_event, numeric_only,
        "The program asked only for what an address written in numbers says (AI_NUMERICHOST): EAI_NONAME "
        "then means that the name is none, not that there is no such name.",
        trait_hidden),
    WAGGLE_FLAG(name_lookup_event, cut, "The name is longer than what is kept of it, 255 bytes.",
                trait_hidden),
    WAGGLE_FLAG(name_lookup_event, unread, "The name could not be read from the program's memory.",
                trait_hidden),
};
constexpr Schema lookup_schema = {
    "name_lookup",
    "A call of the C library by which a program asked for the addresses of a name, at its end.",
    sizeof(name_lookup_event),
    lookup_fields,
    true,
    1};

constexpr Field total_fields[] = {
    WAGGLE_HEADER_FIELDS(name_lookup_total_event),
    WAGGLE_FIELD(name_lookup_total_event, calls, Unit::count, "Calls that ended.", trait_cumulative),
    WAGGLE_FIELD(
        name_lookup_total_event, not_found, Unit::count,
        "Of these: there is no such name, or it has no address of the kind that was asked for; not those "
        "that asked for an address in numbers alone (AI_NUMERICHOST).",
        trait_cumulative),
    WAGGLE_FIELD(name_lookup_total_event, try_again, Unit::count,
                 "Of these: no usable answer came (EAI_AGAIN, TRY_AGAIN).", trait_cumulative),
    WAGGLE_FIELD(name_lookup_total_event, other_errors, Unit::count, "Of these: another error.",
                 trait_cumulative),
    WAGGLE_FIELD(name_lookup_total_event, not_returned, Unit::count,
                 "Of these: the thread ended in the call, or the program jumped out of it.",
                 trait_cumulative),
    WAGGLE_FIELD(name_lookup_total_event, latency_ns, Unit::nanoseconds,
                 "Time from the call to its return, summed over those that returned.", trait_cumulative),
    WAGGLE_FIELD(name_lookup_total_event, latency_histogram, Unit::nanoseconds,
                 "How many calls that returned took how long.", trait_cumulative),
};
constexpr Schema total_schema = {"name_lookup_total",
                                 "How often one process asked the C library for the addresses of names since "
                                 "the last snapshot, and what came "
                                 "of it.",
                                 sizeof(name_lookup_total_event),
                                 total_fields,
                                 true,
                                 1};

constexpr auto all_schemas =
    schemas_by_kind({{name_lookup_kind_call, &lookup_schema}, {name_lookup_kind_total, &total_schema}});

std::string function_name(std::uint64_t number) {
    static constexpr std::string_view names[] = {"getaddrinfo", "gethostbyname", "gethostbyname2",
                                                 "gethostbyname_r", "gethostbyname2_r"};
    return name_at(names, number);
}

std::string ending_name(std::uint64_t number) {
    static constexpr std::string_view names[] = {"returned", "thread_ended", "left"};
    return name_at(names, number);
}

// glibc and musl have the same numbers.
std::string result_name(std::uint64_t value) {
    static constexpr std::pair<std::int64_t, std::string_view> names[] = {{0, "ok"},
                                                                          {-1, "EAI_BADFLAGS"},
                                                                          {-2, "EAI_NONAME"},
                                                                          {-3, "EAI_AGAIN"},
                                                                          {-4, "EAI_FAIL"},
                                                                          {-5, "EAI_NODATA"},
                                                                          {-6, "EAI_FAMILY"},
                                                                          {-7, "EAI_SOCKTYPE"},
                                                                          {-8, "EAI_SERVICE"},
                                                                          {-9, "EAI_ADDRFAMILY"},
                                                                          {-10, "EAI_MEMORY"},
                                                                          {-11, "EAI_SYSTEM"},
                                                                          {-12, "EAI_OVERFLOW"},
                                                                          {-105, "EAI_IDN_ENCODE"},
                                                                          {1, "HOST_NOT_FOUND"},
                                                                          {2, "TRY_AGAIN"},
                                                                          {3, "NO_RECOVERY"},
                                                                          {4, "NO_DATA"},
                                                                          {name_lookup_failed, "failed"}};
    const auto number = static_cast<std::int64_t>(value);
    for (const auto& [known, name] : names)
        if (known == number) return std::string(name);
    return number > name_lookup_result_errno ? errno_name(value - name_lookup_result_errno) : std::string();
}

constexpr std::string_view top_query =
    R"(SELECT t.pid AS pid, t.comm AS comm, sum(t.calls) AS calls, sum(t.calls) / w.seconds AS calls_per_second,
       sum(t.not_found) AS not_found, sum(t.try_again) AS try_again, sum(t.other_errors) AS other_errors,
       sum(t.not_returned) AS not_returned, sum(t.latency_ns) AS latency_ns,
       hist_percentile(t.latency_histogram, 0.5) AS p50_latency_ns,
       hist_percentile(t.latency_histogram, 0.99) AS p99_latency_ns
FROM name_lookup_total t, window w WHERE t.time_ns >= w.from_ns AND w.seconds > 0
GROUP BY t.pid, t.start_ns ORDER BY sum(t.latency_ns) DESC, pid)";

constexpr std::string_view on_call[] = {"on_call"};
constexpr std::string_view on_return[] = {"on_return"};
constexpr std::string_view on_exit[] = {"on_exit"};
constexpr std::string_view on_exec[] = {"on_exec"};
// The first two are attached to files that are found later.
constexpr Moment moments[] = {
    {"call", on_call, "Calls for names are not seen.", true, true},
    {"return", on_return, "Calls for names are not seen.", true, true},
    {"exit", on_exit, "Calls in which a thread ends are not seen.", true},
    {"exec", on_exec, "Programs with a C library of their own that start while it is watched are seen late.",
     true},
};

constexpr std::uint64_t millisecond_ns = 1'000'000;
constexpr std::uint64_t look_every_ns = 30'000 * millisecond_ns;
constexpr std::uint64_t look_share = 400;  // of a processor's time, at most one part in so many
constexpr int most_looks = 11;             // at a program that has just begun: over 2 s
constexpr std::size_t most_waiting = 1024;
constexpr std::uint32_t forget_after = 30;

class NameLookup final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        utsname system{};
        ::uname(&system);
        if (returns_ask_filters(system.release))
            return Error{fmt::format(
                "on Linux {} a process under a seccomp filter can be killed where the return of its calls is "
                "watched; 6.12.14 and 6.13.3 do not do that any more",
                system.release)};
        auto probes = open_probes(name_lookup_source, name_lookup_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        auto programs = MapView::open(probes->object(), "programs");
        if (!programs) return programs.error();
        std::unique_ptr<NameLookup> running(new NameLookup(std::move(*probes), std::move(*programs)));
        if (auto prepared = running->prepare(); !prepared) return prepared.error();
        names.resolve_with("name_lookup_function", function_name);
        names.resolve_with("name_lookup_ending", ending_name);
        names.resolve_with("name_lookup_result", result_name);
        return std::unique_ptr<Running>(std::move(running));
    }

    void drain(const RecordSink& sink) override {
        ProbedRunning::drain([&](std::span<const Bytes> records) {
            for (const Bytes record : records) take(record, sink);
        });
        look_at_begun();
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        if (now_ns_ >= next_look_ns_) look_everywhere();
        ProbedRunning::snapshot([&](std::span<const Bytes> values) { sink(totals_.pack(values)); });
    }

    std::vector<HookUse> hooks() const override {
        const std::lock_guard lock(mutex_);
        return hooks_;
    }
    std::vector<std::string> problems() const override { return libraries_.problems(); }

  private:
    struct Begun {
        std::uint32_t pid;
        name_lookup_program program;
        std::uint64_t next_ns;
        int looks = 0;
    };

    NameLookup(kernel::Probes probes, MapView programs)
        : ProbedRunning(name_lookup_source, std::move(probes)),
          programs_(std::move(programs)),
          libraries_(this->probes().object()) {}

    Result<void> prepare() {
        if (auto counted = probes().count_loss("lost_map_full", "map full"); !counted) return counted;
        const auto turn = probes().object().global<std::uint64_t>("turn");
        if (!turn) return turn.error();
        turn_ = *turn;
        kernel::Snapshot::Options forgetful;
        forgetful.forget_after = forget_after;
        forgetful.adjust = [this](std::byte* record) {
            reinterpret_cast<waggle_event*>(record)->time_ns = now_ns_;
        };
        if (auto taken = probes().snapshot_map(
                "totals",
                {{offsetof(name_lookup_total_event, calls), 6},
                 {offsetof(name_lookup_total_state, latency_slots), NAME_LOOKUP_SLOTS, 4}},
                std::move(forgetful));
            !taken)
            return taken;
        look_everywhere();
        return {};
    }

    void take(Bytes record, const RecordSink& sink) {
        if (load<waggle_event>(record).kind == name_lookup_kind_began) {
            const auto began = load<name_lookup_began>(record);
            if (begun_.size() < most_waiting)
                begun_.push_back({began.header.pid, began.program, began.header.time_ns});
            return;
        }
        const auto& state = *reinterpret_cast<const name_lookup_state*>(record.data());
        const std::string_view name(state.name, ::strnlen(state.name, sizeof state.name));
        RecordWriter<name_lookup_event> writer;
        writer.fixed = state.row;
        writer.fixed.cut = name.size() >= NAME_LOOKUP_COPY - 1;
        writer.text(&name_lookup_event::name, name.substr(0, NAME_LOOKUP_COPY - 2));
        const Bytes whole = writer.finish();
        sink({&whole, 1});
    }

    // A program maps its libraries after it began: it is looked at again, less and less often. Where it ended before it was seen
    // whole, the next process of that program is told of again.
    void look_at_begun() {
        if (begun_.empty()) return;
        const std::uint64_t now_ns = SystemClock().monotonic_ns();
        const std::size_t before = libraries_.watched_count();
        std::erase_if(begun_, [&](Begun& each) {
            if (now_ns < each.next_ns) return false;
            const CLibraries::Look look = libraries_.look_at(each.pid);
            if (look == CLibraries::Look::gone) (void)programs_.erase(bytes_of(each.program));
            if (look != CLibraries::Look::none || each.looks == most_looks) return true;
            each.next_ns = now_ns + (millisecond_ns << each.looks++);
            return false;
        });
        if (libraries_.watched_count() != before) tell_hooks();
    }

    void look_everywhere() {
        const std::uint64_t began_ns = SystemClock().monotonic_ns();
        libraries_.look_everywhere();
        *turn_ = *turn_ + 1;
        const std::uint64_t now_ns = SystemClock().monotonic_ns();
        next_look_ns_ = now_ns + std::max(look_every_ns, (now_ns - began_ns) * look_share);
        tell_hooks();
    }

    // The asker reads them meanwhile.
    void tell_hooks() {
        const std::vector<std::string> watched = libraries_.watched();
        std::vector<HookUse> hooks = ProbedRunning::hooks();
        std::erase_if(hooks,
                      [](const HookUse& hook) { return hook.moment == "call" || hook.moment == "return"; });
        HookUse call{"call", "", "", ""};
        if (watched.empty()) {
            call.lost = "Calls for names are not seen.";
            call.reason = "no process has mapped a C library that is known";
        } else {
            call.hook = fmt::format("uprobe:{}:getaddrinfo and gethostbyname*", watched.front());
            if (watched.size() > 1)
                call.hook += fmt::format(" and of {}", counted(watched.size() - 1, "other file"));
        }
        hooks.insert(hooks.begin(), std::move(call));
        const std::lock_guard lock(mutex_);
        hooks_ = std::move(hooks);
    }

    HistogramPacker totals_{
        name_lookup_kind_total,
        {WAGGLE_HISTOGRAM_PLACE(name_lookup_total_state, latency_slots, row.latency_histogram,
                                NAME_LOOKUP_TIME_UNIT, NAME_LOOKUP_TIME_END)}};
    MapView programs_;
    CLibraries libraries_;
    std::vector<Begun> begun_;  // and were not seen with a C library yet
    volatile std::uint64_t* turn_ = nullptr;
    std::uint64_t now_ns_ = 0;  // of the snapshot being taken
    std::uint64_t next_look_ns_ = 0;
    mutable std::mutex mutex_;  // guards hooks_
    std::vector<HookUse> hooks_;
};

}  // namespace

constinit const Source name_lookup_source = {
    .name = "name_lookup",
    .question = "Which program waits for the addresses of which names, how long, and what comes of it?",
    .schemas = all_schemas,
    .options = all_options,
    .asked_by = &asked,
    .top_query = top_query,
    .start = NameLookup::start,
};

}  // namespace waggle::sensors
