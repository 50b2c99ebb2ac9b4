// SPDX-License-Identifier: Apache-2.0
#include "sensors/interrupt/interrupt.h"

#include "base/clock.h"
#include "base/text.h"
#include "interrupt.skel.h"
#include "model/histogram.h"
#include "sensing/probed_running.h"
#include "sensors/interrupt/interrupt.event.h"

namespace waggle::sensors {
namespace {

constexpr std::string_view covers_meaning =
    "The time this row is about: since the last snapshot. run_ns / covers_ns is the share of the processor.";

constexpr Field line_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(interrupt_event),
    WAGGLE_FIELD(interrupt_event, cpu, Unit::identifier, "The processor that ran it.", trait_key),
    WAGGLE_FIELD(interrupt_event, line, Unit::identifier, "The interrupt's number, as in /proc/interrupts.",
                 trait_key),
    WAGGLE_FIELD(interrupt_event, name, Unit::none,
                 "The handler's name, as in /proc/interrupts: virtio3-rx; where handlers share a line each "
                 "has its own row.",
                 trait_key),
    WAGGLE_FIELD(interrupt_event, times, Unit::count, "How often the handler ran.", trait_cumulative),
    WAGGLE_FIELD(interrupt_event, run_ns, Unit::nanoseconds, "How long it ran, summed.", trait_cumulative),
    WAGGLE_FIELD(interrupt_event, covers_ns, Unit::nanoseconds, covers_meaning, trait_cumulative),
    WAGGLE_FIELD(interrupt_event, duration_histogram, Unit::nanoseconds, "How long each run took.",
                 trait_cumulative),
};
constexpr Schema line_schema = {
    "interrupt",
    "A handler of an interrupt line on one processor since the last snapshot: how often and how long it ran.",
    sizeof(interrupt_event), line_fields, false};

constexpr Field softirq_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(softirq_event),
    WAGGLE_FIELD(softirq_event, cpu, Unit::identifier, "The processor that ran it.", trait_key),
    WAGGLE_FIELD(
        softirq_event, kind, Unit::none,
        "What work it was: NET_RX, NET_TX, TIMER, BLOCK, TASKLET, SCHED, HRTIMER, RCU, HI, IRQ_POLL.",
        trait_key, "softirq_kind"),
    WAGGLE_FIELD(softirq_event, times, Unit::count, "How often it ran.", trait_cumulative),
    WAGGLE_FIELD(softirq_event, run_ns, Unit::nanoseconds,
                 "How long it ran, summed; without the interrupt handlers that ran in between.",
                 trait_cumulative),
    WAGGLE_FIELD(softirq_event, thread_times, Unit::count,
                 "Of these, runs in the kernel's thread ksoftirqd, which takes over when there is too much "
                 "to do in between.",
                 trait_cumulative),
    WAGGLE_FIELD(softirq_event, thread_ns, Unit::nanoseconds, "How long those ran, summed.",
                 trait_cumulative),
    WAGGLE_FIELD(softirq_event, covers_ns, Unit::nanoseconds, covers_meaning, trait_cumulative),
    WAGGLE_FIELD(softirq_event, duration_histogram, Unit::nanoseconds, "How long each run took.",
                 trait_cumulative),
};
constexpr Schema softirq_schema = {
    "softirq",
    "One kind of softirq (the kernel's work that an interrupt leaves for right after it) on one "
    "processor since the last snapshot.",
    sizeof(softirq_event), softirq_fields, false};

constexpr Field victim_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(interrupted_event),
    WAGGLE_FIELD(interrupted_event, interrupts, Unit::count,
                 "How often an interrupt handler ran in its time.", trait_cumulative),
    WAGGLE_FIELD(interrupted_event, interrupt_ns, Unit::nanoseconds, "How long those ran, summed.",
                 trait_cumulative),
    WAGGLE_FIELD(interrupted_event, softirqs, Unit::count,
                 "How often a softirq ran in its time: because an interrupt came, or because the process's "
                 "own system call sent "
                 "packets.",
                 trait_cumulative),
    WAGGLE_FIELD(interrupted_event, softirq_ns, Unit::nanoseconds, "How long those ran, summed.",
                 trait_cumulative),
    WAGGLE_FIELD(interrupted_event, receive_ns, Unit::nanoseconds,
                 "Of softirq_ns, the time that packets were received (NET_RX).", trait_cumulative),
};
constexpr Schema victim_schema = {
    "interrupted", "A process in whose time interrupt handlers and softirqs ran since the last snapshot.",
    sizeof(interrupted_event), victim_fields, true};

constexpr Field poll_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(net_poll_event),
    WAGGLE_FIELD(net_poll_event, cpu, Unit::identifier, "The processor that took the packets.", trait_key),
    WAGGLE_FIELD(net_poll_event, device, Unit::none,
                 "The network device they came from; empty: the processor's backlog, which loopback, veth "
                 "and RPS fill.",
                 trait_key),
    WAGGLE_FIELD(net_poll_event, netns, Unit::identifier, "The device's network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(net_poll_event, ifindex, Unit::identifier, "The device by its number there.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(net_poll_event, polls, Unit::count, "How often the device was asked for packets.",
                 trait_cumulative),
    WAGGLE_FIELD(net_poll_event, packets, Unit::count, "Packets it gave.", trait_cumulative),
    WAGGLE_FIELD(net_poll_event, full_polls, Unit::count,
                 "How often it gave as many as it was asked for: more can have waited.", trait_cumulative),
    WAGGLE_FIELD(net_poll_event, covers_ns, Unit::nanoseconds,
                 "The time this row is about: since the last snapshot.", trait_cumulative),
};
constexpr Schema poll_schema = {
    "net_poll", "Packets that one processor took from one network device since the last snapshot.",
    sizeof(net_poll_event), poll_fields, false};

constexpr auto all_schemas = schemas_by_kind({{interrupt_kind_line, &line_schema},
                                              {interrupt_kind_softirq, &softirq_schema},
                                              {interrupt_kind_victim, &victim_schema},
                                              {interrupt_kind_poll, &poll_schema}});

std::string softirq_name(std::uint64_t kind) {
    // enum of include/linux/interrupt.h; the numbers are the same on 6.1, 6.12 and 6.18.
    static constexpr std::string_view names[] = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                                 "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};
    return name_at(names, kind);
}

constexpr std::string_view on_handler_exit[] = {"on_handler_exit"};
constexpr std::string_view on_handler_entry[] = {"on_handler_entry"};
constexpr std::string_view on_softirq_exit[] = {"on_softirq_exit"};
constexpr std::string_view on_softirq_entry[] = {"on_softirq_entry"};
constexpr std::string_view on_poll[] = {"on_poll"};
constexpr Moment moments[] = {
    {"handler exit", on_handler_exit, "Interrupts are not seen.", false},
    {"handler entry", on_handler_entry, "Interrupts are not seen.", false},
    {"softirq exit", on_softirq_exit, "Softirqs are not seen.", true},
    {"softirq entry", on_softirq_entry, "Softirqs are not seen.", true},
    {"poll", on_poll, "From which device a processor takes its packets is not seen.", false},
};

constexpr std::uint32_t forget_after = 30;

constexpr std::string_view top_query =
    R"(WITH span AS MATERIALIZED (
    SELECT max(w.to_ns - w.from_ns, 1) AS ns FROM window w),
work AS MATERIALIZED (
    SELECT 'softirq' AS work, s.cpu AS cpu, NULL AS line, s.kind AS name, s.times AS times, s.run_ns AS run_ns, s.thread_ns AS thread_ns,
           s.duration_histogram AS duration_histogram FROM softirq s, window w WHERE s.time_ns >= w.from_ns
    UNION ALL
    SELECT 'interrupt', i.cpu, i.line, i.name, i.times, i.run_ns, 0, i.duration_histogram
    FROM interrupt i, window w WHERE i.time_ns >= w.from_ns)
SELECT work, cpu, line, name, sum(times) AS times, sum(run_ns) AS run_ns, sum(thread_ns) AS ksoftirqd_ns,
       sum(run_ns) * 100.0 / max(p.ns) AS cpu_percent, sum(run_ns) / sum(times) AS mean_ns,
       hist_percentile(duration_histogram, 0.99) AS p99_ns
FROM work, span p WHERE times > 0 GROUP BY work, cpu, line, name ORDER BY sum(run_ns) DESC, work, cpu, line, name)";
constexpr std::string_view figures_query =
    R"(WITH handled AS MATERIALIZED (
    SELECT sum(i.times) AS times, sum(i.run_ns) AS run_ns FROM interrupt i, window w WHERE i.time_ns >= w.from_ns),
done AS MATERIALIZED (
    SELECT sum(s.times) AS times, sum(s.run_ns) AS run_ns FROM softirq s, window w WHERE s.time_ns >= w.from_ns)
SELECT coalesce(h.times, 0) / w.seconds AS interrupts_per_second, coalesce(d.times, 0) / w.seconds AS softirqs_per_second,
       (coalesce(h.run_ns, 0) + coalesce(d.run_ns, 0)) / w.seconds / 1e7 AS core_percent
FROM handled h, done d, window w WHERE w.seconds > 0)";

class Interrupt final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        auto probes = open_probes(interrupt_source, interrupt_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        std::unique_ptr<Interrupt> running(new Interrupt(std::move(*probes)));
        if (auto prepared = running->prepare(); !prepared) return prepared.error();
        names.resolve_with("softirq_kind", softirq_name);
        return std::unique_ptr<Running>(std::move(running));
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        ProbedRunning::snapshot(
            [&](std::span<const Bytes> values) { sink(softirqs_.pack(lines_.pack(values))); });
        last_ns_ = now_ns_;
    }

  private:
    explicit Interrupt(kernel::Probes probes)
        : ProbedRunning(interrupt_source, std::move(probes)), last_ns_(SystemClock().monotonic_ns()) {}

    Result<void> prepare() {
        if (auto counted = probes().count_loss("lost_map_full", "map full"); !counted) return counted;
        const kernel::Snapshot::Counter slots{offsetof(interrupt_state, slots), INTERRUPT_SLOTS, 4};
        static_assert(offsetof(interrupt_state, slots) == sizeof(interrupt_event) &&
                      offsetof(softirq_state, slots) == sizeof(softirq_event));
        if (auto map = snapshot_of<interrupt_event>("lines", {{offsetof(interrupt_event, times), 2}, slots});
            !map)
            return map;
        if (auto map = snapshot_of<softirq_event>(
                "softirqs",
                {{offsetof(softirq_event, times), 4}, {offsetof(softirq_state, slots), INTERRUPT_SLOTS, 4}});
            !map)
            return map;
        if (auto map =
                snapshot_of<interrupted_event>("victims", {{offsetof(interrupted_event, interrupts), 5}});
            !map)
            return map;
        return snapshot_of<net_poll_event>("polls", {{offsetof(net_poll_event, polls), 3}});
    }

    template <class Record>
    Result<void> snapshot_of(std::string_view map, std::vector<kernel::Snapshot::Counter> counters) {
        kernel::Snapshot::Options options;
        options.forget_after = forget_after;
        options.adjust = [this](std::byte* record) {
            auto& row = *reinterpret_cast<Record*>(record);
            row.header.time_ns = now_ns_;
            if constexpr (requires { row.covers_ns; }) row.covers_ns = now_ns_ - last_ns_;
        };
        return probes().snapshot_map(map, std::move(counters), std::move(options));
    }

    HistogramPacker lines_{interrupt_kind_line,
                           {WAGGLE_HISTOGRAM_PLACE(interrupt_state, slots, row.duration_histogram,
                                                   INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END)}};
    HistogramPacker softirqs_{interrupt_kind_softirq,
                              {WAGGLE_HISTOGRAM_PLACE(softirq_state, slots, row.duration_histogram,
                                                      INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END)}};
    std::uint64_t now_ns_ = 0;   // of the snapshot being taken
    std::uint64_t last_ns_ = 0;  // of the one before
};

}  // namespace

constinit const Source interrupt_source = {
    .name = "interrupt",
    .question = "What do interrupts and softirqs cost, on which processor, and in whose time?",
    .schemas = all_schemas,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = Interrupt::start,
};

}  // namespace waggle::sensors
