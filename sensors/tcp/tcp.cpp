// SPDX-License-Identifier: Apache-2.0
#include "sensors/tcp/tcp.h"

#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/errno_name.h"
#include "base/text.h"
#include "engine/object/iterator_records.h"
#include "model/histogram.h"
#include "sensing/probed_running.h"
#include "sensors/tcp/tcp.event.h"
#include "tcp.skel.h"

namespace waggle::sensors {
namespace {

constexpr std::string_view role_meaning =
    "active: a program here called connect(); passive: it was made by the other side, for a port that "
    "listens here; unknown: it was there before waggle.";

constexpr Field connection_fields[] = {
    WAGGLE_HEADER_FIELDS(tcp_connection_event),
    WAGGLE_FIELD(tcp_connection_event, role, Unit::none, role_meaning, trait_none, "tcp_role"),
    WAGGLE_FIELD(tcp_connection_event, local_address, Unit::none, "Address on this side."),
    WAGGLE_FIELD(tcp_connection_event, local_port, Unit::identifier, "Port on this side."),
    WAGGLE_FIELD(tcp_connection_event, remote_address, Unit::none, "Address of the other side."),
    WAGGLE_FIELD(tcp_connection_event, remote_port, Unit::identifier, "Port of the other side."),
    WAGGLE_FIELD(tcp_connection_event, ended, Unit::none,
                 "How it ended: closed_here and closed_there (who began to close it), reset_by_peer, "
                 "reset_here, reset_in_closing, timed_out, destroyed; an attempt: refused, unreachable, "
                 "no_answer, gave_up (the program did), no_port (none was free on this side), not_sent, "
                 "not_accepted.",
                 trait_none, "tcp_end"),
    WAGGLE_FIELD(tcp_connection_event, lived_ns, Unit::nanoseconds,
                 "From connect(), or from when it was whole where the other side made it, to its end; 0 "
                 "where it was there before waggle."),
    WAGGLE_FIELD(tcp_connection_event, connect_ns, Unit::nanoseconds,
                 "From connect() to the answer that made it whole; 0 where there was none, and for those the "
                 "other side made."),
    WAGGLE_FIELD(tcp_connection_event, sent_bytes, Unit::bytes,
                 "Data that was sent, without what was sent again."),
    WAGGLE_FIELD(tcp_connection_event, received_bytes, Unit::bytes, "Data that arrived in order."),
    WAGGLE_FIELD(tcp_connection_event, sent_segments, Unit::count,
                 "Segments sent, those without data and those sent again too."),
    WAGGLE_FIELD(tcp_connection_event, received_segments, Unit::count, "Segments received."),
    WAGGLE_FIELD(tcp_connection_event, syn_retransmits, Unit::count,
                 "How often the segment that opens it (SYN), or the answer to it, was sent again."),
    WAGGLE_FIELD(tcp_connection_event, timeout_retransmits, Unit::count,
                 "Segments sent again because nothing was confirmed for too long."),
    WAGGLE_FIELD(tcp_connection_event, fast_retransmits, Unit::count,
                 "Segments sent again because later ones were confirmed."),
    WAGGLE_FIELD(tcp_connection_event, other_retransmits, Unit::count,
                 "Segments sent again for another reason: most are probes whether the last one was lost."),
    WAGGLE_FIELD(tcp_connection_event, rtt_ns, Unit::nanoseconds,
                 "Time to the other side and back, as the kernel smooths it; 0 where none was measured."),
    WAGGLE_FIELD(tcp_connection_event, least_rtt_ns, Unit::nanoseconds,
                 "The least of these times that the kernel still remembered; 0 where none was measured."),
    WAGGLE_FIELD(tcp_connection_event, error, Unit::none,
                 "The error that ended it, as the program gets it; 0 without.", trait_none, "errno"),
    WAGGLE_FIELD(tcp_connection_event, netns, Unit::identifier,
                 "The network namespace (an own set of devices, routes and rules) by its inode number.",
                 trait_hidden),
};
constexpr Schema connection_schema = {
    "tcp_connection",
    "A TCP connection, or an attempt to make one, at its end. The process is who called connect(); of one "
    "that the other side made it is who closed it, as far as that was seen.",
    sizeof(tcp_connection_event), connection_fields, true};

constexpr Field total_fields[] = {
    WAGGLE_HEADER_FIELDS(tcp_total_event),
    WAGGLE_FIELD(tcp_total_event, role, Unit::none, role_meaning, trait_key, "tcp_role"),
    WAGGLE_FIELD(tcp_total_event, remote_address, Unit::none, "Address of the other side.", trait_key),
    WAGGLE_FIELD(tcp_total_event, remote_port, Unit::identifier,
                 "Port that the process connects to; 0 where the other side connects.", trait_key),
    WAGGLE_FIELD(tcp_total_event, local_port, Unit::identifier,
                 "Port that listens here; 0 where the process connects.", trait_key),
    WAGGLE_FIELD(tcp_total_event, netns, Unit::identifier,
                 "The network namespace (an own set of devices, routes and rules) by its inode number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(tcp_total_event, attempts, Unit::count, "Calls of connect() that began to open one.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, opened, Unit::count, "Connections that became whole.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, opened_late, Unit::count,
                 "Those that became whole only after the SYN (the segment that opens one) was sent again.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, unanswered, Unit::count,
                 "Attempts whose SYN (the segment that opens one) had no answer when it was due, so that it "
                 "was sent again.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, refused, Unit::count, "Attempts that were answered with a reset: refused.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, unreachable, Unit::count,
                 "Attempts that ended because a machine on the way, or this one, said that there is no way.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, no_answer, Unit::count,
                 "Attempts that the kernel gave up: no answer however often the SYN was sent.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, gave_up, Unit::count,
                 "Attempts that the program gave up before there was an answer.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, no_port, Unit::count,
                 "Attempts that failed at once because the kernel found no free port on this side.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, closed, Unit::count, "Connections that ended in order.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, reset_by_peer, Unit::count,
                 "Connections, open on both sides, that ended by a reset with the other side's address.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, reset_here, Unit::count,
                 "Connections that a program here reset: it closed them with data unread, or asked for it.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, reset_in_closing, Unit::count,
                 "Connections that were reset when one side had already said that it is done.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, timed_out, Unit::count,
                 "Connections that ended because the other side confirmed nothing any more.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, other_ends, Unit::count, "Connections and attempts that ended otherwise.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(tcp_total_event, syn_retransmits, Unit::count,
                 "How often the segment that opens one (SYN), or the answer to it, was sent again.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, timeout_retransmits, Unit::count,
                 "Segments sent again because nothing was confirmed for too long.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, fast_retransmits, Unit::count,
                 "Segments sent again because later ones were confirmed.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, other_retransmits, Unit::count,
                 "Segments sent again for another reason: most are probes whether the last one was lost.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, sent_segments, Unit::count,
                 "Segments sent by connections that ended, and by others until they last had to send one "
                 "again.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, sent_bytes, Unit::bytes,
                 "Data that connections which ended had sent in their whole life.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, received_bytes, Unit::bytes,
                 "Data that connections which ended had received in their whole life.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, connect_ns, Unit::nanoseconds,
                 "Time from connect() to a whole connection, summed over those that were opened from here.",
                 trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, closed_here, Unit::count,
                 "Of those that ended in order: this side said first that it is done.", trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, reset_unread, Unit::count,
                 "Of those that a program here reset: it closed them and had not read all; what the kernel "
                 "closes of a process that ends is not among them.",
                 trait_cumulative),
    WAGGLE_FIELD(
        tcp_total_event, reset_asked, Unit::count,
        "Of those that a program here reset: it had read all, and closed them with the socket option "
        "SO_LINGER at 0, which asks for a reset; the same.",
        trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, unread_bytes, Unit::bytes,
                 "What had arrived, and was thrown away unread, when a program here reset a connection.",
                 trait_cumulative),
    WAGGLE_FIELD(
        tcp_total_event, lived_ns, Unit::nanoseconds,
        "Time from connect() to the end, or from when it was whole where the other side made it, summed "
        "over the connections that ended.",
        trait_cumulative),
    WAGGLE_FIELD(tcp_total_event, connect_histogram, Unit::nanoseconds,
                 "How many connections opened from here took how long to become whole.", trait_cumulative),
    WAGGLE_FLAG(tcp_total_event, overflow,
                "More than the kernel side holds: the rest of this network namespace, without who and where.",
                trait_key | trait_hidden),
};
constexpr Schema total_schema = {
    "tcp_total",
    "TCP since the last snapshot: of one process to one address and port; or, where the other side "
    "connects, of one listening port and one address (no process).",
    sizeof(tcp_total_event), total_fields, true};

// Single moments of a connection: one struct, of which each table shows what it has.
#define TCP_MOMENT_ENDS                                                                                      \
    WAGGLE_FIELD(tcp_moment_event, local_address, Unit::none, "Address on this side."),                      \
        WAGGLE_FIELD(tcp_moment_event, local_port, Unit::identifier,                                         \
                     "Port on this side; 0 where not chosen yet."),                                          \
        WAGGLE_FIELD(tcp_moment_event, remote_address, Unit::none, "Address of the other side."),            \
        WAGGLE_FIELD(tcp_moment_event, remote_port, Unit::identifier, "Port of the other side."),            \
        WAGGLE_FIELD(tcp_moment_event, netns, Unit::identifier,                                              \
                     "The network namespace (an own set of devices, routes and rules) by its inode number.", \
                     trait_hidden)

constexpr Field attempt_fields[] = {WAGGLE_HEADER_FIELDS(tcp_moment_event), TCP_MOMENT_ENDS};
constexpr Field opened_fields[] = {
    WAGGLE_HEADER_FIELDS(tcp_moment_event), TCP_MOMENT_ENDS,
    make_field("connect_ns", Type::u64, Unit::nanoseconds, offsetof(tcp_moment_event, took_ns), 8,
               "From connect() to the answer that made it whole.")};
constexpr Field incoming_fields[] = {WAGGLE_HEADER_FIELDS(tcp_moment_event), TCP_MOMENT_ENDS};
constexpr Field state_fields[] = {
    WAGGLE_HEADER_FIELDS(tcp_moment_event), TCP_MOMENT_ENDS,
    WAGGLE_FIELD(tcp_moment_event, before, Unit::none, "The state it was in.", trait_none, "tcp_state"),
    WAGGLE_FIELD(tcp_moment_event, after, Unit::none, "The state it is in now.", trait_none, "tcp_state"),
    make_field("state_ns", Type::u64, Unit::nanoseconds, offsetof(tcp_moment_event, took_ns), 8,
               "How long it was in the state before; 0 where that is not known, and for CLOSE.")};
constexpr Field retransmit_fields[] = {
    WAGGLE_HEADER_FIELDS(tcp_moment_event), TCP_MOMENT_ENDS,
    make_field("state", Type::u8, Unit::none, offsetof(tcp_moment_event, after), 1,
               "The state of the connection.", trait_none, "tcp_state"),
    make_field("cause", Type::u8, Unit::none, offsetof(tcp_moment_event, what), 1,
               "syn: the segment that opens it had no answer; timeout: nothing was confirmed for too long; "
               "fast: later ones were confirmed; other: for another reason, mostly a probe whether the last "
               "one was lost.",
               trait_none, "tcp_again"),
    WAGGLE_FIELD(tcp_moment_event, segments, Unit::count, "How many segments were sent again together.")};
constexpr Field reset_fields[] = {
    WAGGLE_HEADER_FIELDS(tcp_moment_event), TCP_MOMENT_ENDS,
    make_field("direction", Type::u8, Unit::none, offsetof(tcp_moment_event, what), 1,
               "sent: by this side; received: from the other one.", trait_none, "tcp_reset"),
    make_field("state", Type::u8, Unit::none, offsetof(tcp_moment_event, after), 1,
               "The state of the connection; 0 where a packet that belongs to none was answered.", trait_none,
               "tcp_state")};

consteval Schema moment_schema(std::string_view name, std::string_view meaning,
                               std::span<const Field> fields) {
    return {.name = name,
            .meaning = meaning,
            .size = sizeof(tcp_moment_event),
            .fields = fields,
            .has_subject = true,
            .memory_weight = 1,
            .only_named = true};
}
constexpr Schema attempt_schema = moment_schema(
    "tcp_attempt", "An attempt to open a TCP connection, when a program calls connect().", attempt_fields);
constexpr Schema opened_schema = moment_schema(
    "tcp_opened", "A TCP connection that a program here opened, when it has become whole.", opened_fields);
constexpr Schema incoming_schema = moment_schema(
    "tcp_incoming",
    "A TCP connection that the other side opened, when it has become whole and can be accepted. The process "
    "is "
    "who called listen(), or held the listening socket when the watching began; another one can accept it.",
    incoming_fields);
constexpr Schema state_schema = moment_schema(
    "tcp_state",
    "A change of a TCP socket's state. The process is who called connect(), or who listens on the port; none "
    "of a connection that is older than the watching.",
    state_fields);
constexpr Schema retransmit_schema = moment_schema(
    "tcp_retransmit", "A TCP segment, or several together, sent again. The process is as in tcp_state.",
    retransmit_fields);
constexpr Schema reset_schema = moment_schema(
    "tcp_reset", "A TCP reset (RST) that this machine sent or received. The process is as in tcp_state.",
    reset_fields);

constexpr auto all_schemas = schemas_by_kind({{tcp_kind_connection, &connection_schema},
                                              {tcp_kind_total, &total_schema},
                                              {tcp_kind_attempt, &attempt_schema},
                                              {tcp_kind_opened, &opened_schema},
                                              {tcp_kind_incoming, &incoming_schema},
                                              {tcp_kind_state, &state_schema},
                                              {tcp_kind_retransmit, &retransmit_schema},
                                              {tcp_kind_reset, &reset_schema}});

std::string role_name(std::uint64_t role) {
    static constexpr std::string_view names[] = {"unknown", "active", "passive"};
    return name_at(names, role);
}

std::string end_name(std::uint64_t end) {
    static constexpr std::string_view names[] = {
        "other",     "closed_here",  "closed_there", "reset_by_peer", "reset_here", "reset_in_closing",
        "timed_out", "refused",      "unreachable",  "no_answer",     "gave_up",    "not_sent",
        "destroyed", "not_accepted", "no_port"};
    return name_at(names, end);
}

// include/net/tcp_states.h
std::string state_name(std::uint64_t state) {
    static constexpr std::string_view names[] = {
        "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
        "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
    return name_at(names, state);
}

std::string again_name(std::uint64_t why) {
    static constexpr std::string_view names[] = {"other", "syn", "timeout", "fast"};
    return name_at(names, why);
}

std::string reset_name(std::uint64_t direction) {
    static constexpr std::string_view names[] = {"sent", "received"};
    return name_at(names, direction);
}

constexpr std::string_view top_query =
    R"(SELECT t.role AS role, t.pid AS pid, t.comm AS comm, nullif(t.local_port, 0) AS local_port,
       t.remote_address AS remote_address, nullif(t.remote_port, 0) AS remote_port, sum(t.attempts) AS attempts,
       sum(t.opened) AS opened, sum(t.refused) AS refused, sum(t.unanswered) AS unanswered,
       sum(t.closed) AS closed, sum(t.reset_by_peer) AS reset_by_peer, sum(t.reset_here) AS reset_here,
       sum(t.timeout_retransmits + t.fast_retransmits + t.other_retransmits) AS retransmits,
       sum(t.sent_bytes) AS sent_bytes, sum(t.received_bytes) AS received_bytes,
       hist_percentile(t.connect_histogram, 0.99) AS p99_connect_ns
FROM tcp_total t, window w WHERE t.time_ns >= w.from_ns
GROUP BY t.role, t.pid, t.comm, t.local_port, t.remote_address, t.remote_port
ORDER BY sum(t.sent_bytes + t.received_bytes) DESC, sum(t.attempts + t.opened) DESC, pid, remote_address)";
constexpr std::string_view figures_query =
    R"(SELECT sum(t.attempts) / w.seconds AS attempts_per_second, sum(t.opened) / w.seconds AS opened_per_second,
       sum(t.refused + t.unreachable + t.no_answer + t.gave_up + t.no_port) AS failed,
       sum(t.reset_by_peer + t.reset_here) AS resets,
       sum(t.timeout_retransmits + t.fast_retransmits + t.other_retransmits) AS retransmits
FROM tcp_total t, window w WHERE t.time_ns >= w.from_ns AND w.seconds > 0)";

constexpr std::string_view on_state[] = {"on_state"};
constexpr std::string_view on_retransmit[] = {"on_retransmit"};
constexpr Moment moments[] = {
    {"retransmit", on_retransmit,
     "What is sent again is not counted, and attempts without an answer are seen only at their end.", false},
    {"state", on_state, "Connections are not seen.", true},
};
constexpr std::string_view on_change[] = {"on_change"};
constexpr std::string_view on_file[] = {"on_file"};
constexpr Moment asked_moments[] = {
    {"change", on_change, "Single moments of a connection are not told.", true},
    {"listeners", on_file, "Who listens since before the watching is not seen.", false},
};
constexpr std::string_view on_reset_sent[] = {"on_reset_sent"};
constexpr std::string_view on_reset_received[] = {"on_reset_received"};
constexpr Moment reset_moments[] = {
    {"reset sent", on_reset_sent, "Resets that this machine sends are not seen.", false},
    {"reset received", on_reset_received, "Resets from the other side are not seen.", false},
};

// Those that the always-on mode watches, and what the tables need that are asked for by name.
std::vector<Moment> moments_for(std::uint64_t named) {
    std::vector<Moment> out(std::begin(moments), std::end(moments));
    constexpr std::uint64_t single = ~std::uint64_t{0} << tcp_kind_attempt;
    if (named & single) out.insert(out.end(), std::begin(asked_moments), std::end(asked_moments));
    if (named >> tcp_kind_reset & 1)
        out.insert(out.end(), std::begin(reset_moments), std::end(reset_moments));
    return out;
}

constexpr std::uint32_t first_counter = offsetof(tcp_total_event, attempts);
constexpr std::uint32_t counters = (offsetof(tcp_total_event, connect_histogram) - first_counter) / 8;
constexpr std::uint32_t forget_totals_after = 30;

class Tcp final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        auto probes = open_probes(tcp_source, tcp_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        const std::vector<Moment> wanted = moments_for(kinds_named(all_schemas, options.tables));
        if (auto loaded = probes->load(wanted); !loaded) return loaded.error();
        // It writes nothing: what it finds it keeps beside the sockets.
        if (probes->object().is_attached("on_file"))
            kernel::records_of_pass<std::uint64_t>(probes->object(), "on_file");
        std::unique_ptr<Tcp> running(new Tcp(std::move(*probes)));
        if (auto prepared = running->prepare(); !prepared) return prepared.error();
        names.resolve_with("tcp_role", role_name);
        names.resolve_with("tcp_end", end_name);
        names.resolve_with("tcp_state", state_name);
        names.resolve_with("tcp_again", again_name);
        names.resolve_with("tcp_reset", reset_name);
        names.resolve_with("errno", errno_name);
        return std::unique_ptr<Running>(std::move(running));
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        ProbedRunning::snapshot([&](std::span<const Bytes> values) { sink(totals_.pack(values)); });
    }

  private:
    explicit Tcp(kernel::Probes probes) : ProbedRunning(tcp_source, std::move(probes)) {}

    Result<void> prepare() {
        if (auto counted = probes().count_loss("lost_map_full", "map full"); !counted) return counted;
        for (const char* map : {"totals", "overflow"}) {
            kernel::Snapshot::Options forgetful;
            forgetful.forget_after = forget_totals_after;
            forgetful.adjust = [this](std::byte* record) {
                reinterpret_cast<waggle_event*>(record)->time_ns = now_ns_;
            };
            if (auto taken = probes().snapshot_map(
                    map,
                    {{first_counter, counters}, {offsetof(tcp_total_state, connect_slots), TCP_SLOTS, 4}},
                    std::move(forgetful));
                !taken)
                return taken;
        }
        return {};
    }

    HistogramPacker totals_{tcp_kind_total,
                            {WAGGLE_HISTOGRAM_PLACE(tcp_total_state, connect_slots, row.connect_histogram,
                                                    TCP_TIME_UNIT, TCP_TIME_END)}};
    std::uint64_t now_ns_ = 0;  // of the snapshot being taken
};

}  // namespace

constinit const Source tcp_source = {
    .name = "tcp",
    .question = "Who connects to whom, how long does it take, and how does it end?",
    .schemas = all_schemas,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = Tcp::start,
};

}  // namespace waggle::sensors
