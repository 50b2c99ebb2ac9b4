// SPDX-License-Identifier: Apache-2.0
#include "sensors/dns/dns.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "dns.skel.h"
#include "model/histogram.h"
#include "model/record_writer.h"
#include "sensing/probed_running.h"
#include "sensors/dns/dns.event.h"
#include "sensors/dns/dns_message.h"

namespace waggle::sensors {
namespace {

constexpr std::string_view netns_meaning =
    "The network namespace (an own set of devices, routes and rules) by its inode number.";
constexpr std::string_view name_meaning =
    "The name that was asked for, as it was sent; other than printable bytes as \\ and three digits.";
constexpr std::string_view cut_meaning = "The name is not whole: the message broke off in it.";

constexpr Field lookup_fields[] = {
    WAGGLE_HEADER_FIELDS(dns_lookup_event),
    WAGGLE_FIELD(dns_lookup_event, name, Unit::none, name_meaning),
    WAGGLE_FIELD(dns_lookup_event, type, Unit::none,
                 "What was asked for: A is an IPv4 address, AAAA an IPv6 address.", trait_none, "dns_type"),
    WAGGLE_FIELD(dns_lookup_event, server, Unit::none,
                 "The name server that answered; without an answer the one that was asked last."),
    WAGGLE_FIELD(
        dns_lookup_event, code, Unit::none,
        "What the answer says: noerror, nxdomain (there is no such name), servfail (the server could not "
        "find out), refused; no_answer where none came.",
        trait_none, "dns_code"),
    WAGGLE_FIELD(dns_lookup_event, latency_ns, Unit::nanoseconds,
                 "From the first time it was sent to the answer; 0 without one."),
    WAGGLE_FIELD(dns_lookup_event, tries, Unit::count, "How often it was sent, to whichever server."),
    WAGGLE_FIELD(dns_lookup_event, waited_ns, Unit::nanoseconds,
                 "Without an answer: from the first time it was sent to when waggle stopped to wait for one; "
                 "0 with one."),
    WAGGLE_FIELD(dns_lookup_event, answers, Unit::count, "Records in the answer."),
    WAGGLE_FIELD(dns_lookup_event, answer_bytes, Unit::bytes,
                 "Bytes of the answer; by TCP as many as came in its first segment."),
    WAGGLE_FLAG(dns_lookup_event, truncated,
                "The answer was too large for UDP, and says so: it must be asked for by TCP."),
    WAGGLE_FLAG(dns_lookup_event, tcp,
                "It was answered by TCP, or asked by it where no answer came; else by UDP.", trait_hidden),
    WAGGLE_FIELD(dns_lookup_event, server_port, Unit::identifier, "The port of the server.", trait_hidden),
    WAGGLE_FLAG(dns_lookup_event, cut, cut_meaning, trait_hidden),
    WAGGLE_FIELD(dns_lookup_event, netns, Unit::identifier, netns_meaning, trait_hidden),
};
constexpr Schema lookup_schema = {
    "dns_lookup",
    "A question that a process asked name servers, when it was answered or when no answer had come for 6 s.",
    sizeof(dns_lookup_event), lookup_fields, true};

constexpr Field total_fields[] = {
    WAGGLE_HEADER_FIELDS(dns_total_event),
    WAGGLE_FIELD(dns_total_event, server, Unit::none, "The name server.", trait_key),
    WAGGLE_FIELD(dns_total_event, server_port, Unit::identifier, "Its port.", trait_key | trait_hidden),
    WAGGLE_FIELD(dns_total_event, netns, Unit::identifier, netns_meaning, trait_key | trait_hidden),
    WAGGLE_FIELD(dns_total_event, sent, Unit::count, "Questions sent to it, those sent again too.",
                 trait_cumulative),
    WAGGLE_FIELD(
        dns_total_event, sent_again, Unit::count,
        "Questions it had not answered when they were sent again, to it or to another server; not those that "
        "were sent to several servers within 50 ms.",
        trait_cumulative),
    WAGGLE_FIELD(dns_total_event, noerror, Unit::count, "Answers without an error.", trait_cumulative),
    WAGGLE_FIELD(
        dns_total_event, empty, Unit::count,
        "Of these: without a record. The name exists, but has nothing of the type that was asked for.",
        trait_cumulative),
    WAGGLE_FIELD(dns_total_event, nxdomain, Unit::count, "Answers that say: there is no such name.",
                 trait_cumulative),
    WAGGLE_FIELD(dns_total_event, servfail, Unit::count, "Answers that say: the server could not find out.",
                 trait_cumulative),
    WAGGLE_FIELD(dns_total_event, refused, Unit::count,
                 "Answers that say: the server does not answer this asker.", trait_cumulative),
    WAGGLE_FIELD(dns_total_event, other_errors, Unit::count, "Answers with another error.", trait_cumulative),
    WAGGLE_FIELD(dns_total_event, truncated, Unit::count,
                 "Answers that were too large for UDP and say so; they are among the others too.",
                 trait_cumulative),
    WAGGLE_FIELD(dns_total_event, no_answer, Unit::count,
                 "Questions that had no answer 6 s after they were last sent.", trait_cumulative),
    WAGGLE_FIELD(dns_total_event, latency_ns, Unit::nanoseconds,
                 "Time from when a question was turned to this server to its answer, summed over the answers "
                 "of the server that was asked last.",
                 trait_cumulative),
    WAGGLE_FIELD(dns_total_event, latency_histogram, Unit::nanoseconds, "How many answers took how long.",
                 trait_cumulative),
    WAGGLE_FLAG(
        dns_total_event, overflow,
        "More than the kernel side holds: the rest of this network namespace, without who and server.",
        trait_key | trait_hidden),
};
constexpr Schema total_schema = {
    "dns_total", "What one process asked one name server since the last snapshot, and what it answered.",
    sizeof(dns_total_event), total_fields, true};

constexpr Field failure_fields[] = {
    WAGGLE_HEADER_FIELDS(dns_failure_event),
    WAGGLE_FIELD(dns_failure_event, name, Unit::none, name_meaning, trait_key),
    WAGGLE_FIELD(dns_failure_event, type, Unit::none,
                 "What was asked for: A is an IPv4 address, AAAA an IPv6 address.", trait_key, "dns_type"),
    WAGGLE_FIELD(dns_failure_event, code, Unit::none,
                 "The error: nxdomain (there is no such name), servfail, refused.", trait_key, "dns_code"),
    WAGGLE_FIELD(dns_failure_event, times, Unit::count, "How often it was answered so.", trait_cumulative),
    WAGGLE_FIELD(dns_failure_event, server, Unit::none, "The name server that answered so first."),
    WAGGLE_FIELD(dns_failure_event, server_port, Unit::identifier, "Its port.", trait_hidden),
    WAGGLE_FLAG(dns_failure_event, cut, cut_meaning, trait_hidden),
    WAGGLE_FIELD(dns_failure_event, netns, Unit::identifier, netns_meaning, trait_key | trait_hidden),
};
constexpr Schema failure_schema = {
    "dns_failure", "A name that one process asked for, with an error as the answer, since the last snapshot.",
    sizeof(dns_failure_event), failure_fields, true};

constexpr Field waiting_fields[] = {
    WAGGLE_HEADER_FIELDS(dns_waiting_event),
    WAGGLE_FIELD(dns_waiting_event, name, Unit::none, name_meaning),
    WAGGLE_FIELD(dns_waiting_event, type, Unit::none,
                 "What was asked for: A is an IPv4 address, AAAA an IPv6 address.", trait_none, "dns_type"),
    WAGGLE_FIELD(dns_waiting_event, server, Unit::none, "The name server that was asked last."),
    WAGGLE_FIELD(dns_waiting_event, waited_ns, Unit::nanoseconds,
                 "How long ago it was sent for the first time."),
    WAGGLE_FIELD(dns_waiting_event, silent_ns, Unit::nanoseconds, "How long ago it was sent last."),
    WAGGLE_FIELD(dns_waiting_event, tries, Unit::count, "How often it was sent, to whichever server."),
    WAGGLE_FLAG(dns_waiting_event, several_servers, "More than one server was asked.", trait_hidden),
    WAGGLE_FIELD(dns_waiting_event, question, Unit::identifier,
                 "A number that is the same in all rows of one question.", trait_hidden),
    WAGGLE_FLAG(dns_waiting_event, tcp, "It was asked by TCP; else by UDP.", trait_hidden),
    WAGGLE_FIELD(dns_waiting_event, server_port, Unit::identifier, "The port of the server.", trait_hidden),
    WAGGLE_FLAG(dns_waiting_event, cut, cut_meaning, trait_hidden),
    WAGGLE_FIELD(dns_waiting_event, netns, Unit::identifier, netns_meaning, trait_hidden),
};
constexpr Schema waiting_schema = {"dns_waiting",
                                   "A question that has had no answer for a second or more: a row each "
                                   "second, until it is answered, or for 6 s after "
                                   "it was last sent.",
                                   sizeof(dns_waiting_event), waiting_fields, true};

constexpr auto all_schemas = schemas_by_kind({{dns_kind_lookup, &lookup_schema},
                                              {dns_kind_total, &total_schema},
                                              {dns_kind_failure, &failure_schema},
                                              {dns_kind_waiting, &waiting_schema}});

std::string code_name(std::uint64_t code) {
    static constexpr std::string_view names[] = {"noerror", "formerr", "servfail", "nxdomain",
                                                 "notimp",  "refused", "yxdomain", "yxrrset",
                                                 "nxrrset", "notauth", "notzone"};
    if (code == dns_code_no_answer) return "no_answer";
    return name_at(names, code);
}

std::string type_name_of(std::uint64_t type) {
    static constexpr std::pair<std::uint16_t, std::string_view> names[] = {
        {1, "A"},     {2, "NS"},    {5, "CNAME"},  {6, "SOA"},   {12, "PTR"},   {15, "MX"},   {16, "TXT"},
        {28, "AAAA"}, {33, "SRV"},  {35, "NAPTR"}, {43, "DS"},   {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"},
        {52, "TLSA"}, {64, "SVCB"}, {65, "HTTPS"}, {255, "ANY"}, {257, "CAA"}};
    for (const auto& [number, name] : names)
        if (number == type) return std::string(name);
    return {};
}

constexpr std::string_view top_query =
    R"(SELECT t.pid AS pid, t.comm AS comm, t.server AS server, sum(t.sent) AS sent, sum(t.sent_again) AS sent_again,
       sum(t.noerror) AS noerror, sum(t.nxdomain) AS nxdomain,
       sum(t.servfail + t.refused + t.other_errors) AS errors, sum(t.truncated) AS truncated,
       sum(t.no_answer) AS no_answer, hist_percentile(t.latency_histogram, 0.5) AS p50_latency_ns,
       hist_percentile(t.latency_histogram, 0.99) AS p99_latency_ns
FROM dns_total t, window w WHERE t.time_ns >= w.from_ns
GROUP BY t.pid, t.comm, t.server
ORDER BY sum(t.sent) DESC, pid, server)";
constexpr std::string_view figures_query =
    R"(SELECT sum(t.sent) / w.seconds AS sent_per_second, sum(t.sent_again) AS sent_again, sum(t.nxdomain) AS nxdomain,
       sum(t.servfail + t.refused + t.other_errors) AS errors, sum(t.no_answer) AS no_answer,
       hist_percentile(t.latency_histogram, 0.99) AS p99_latency_ns
FROM dns_total t, window w WHERE t.time_ns >= w.from_ns AND w.seconds > 0)";

constexpr std::string_view on_send[] = {"on_send"};
constexpr std::string_view on_receive[] = {"on_receive"};
// They are attached where the root of the control groups is, which only the machine knows.
constexpr Moment moments[] = {
    {"question", on_send, "Questions to name servers are not seen.", true, true},
    {"answer", on_receive, "Answers of name servers are not seen.", true, true},
};

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::size_t most_questions = 4096;         // that the kernel side remembers
constexpr std::uint64_t give_up_ns = 6 * second_ns;  // resolvers wait 5 s as a rule
constexpr std::uint32_t forget_after = 30;
constexpr std::uint32_t first_counter = offsetof(dns_total_event, sent);
constexpr std::uint32_t counters = (offsetof(dns_total_event, latency_histogram) - first_counter) / 8;

// Where version 2 of the control groups is mounted whole: the root's inode is 1 on all kernels.
Result<std::string> root_group() {
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" - cgroup2 ") == std::string::npos) continue;
        std::istringstream words(line);
        std::string word;
        for (int i = 0; i < 5; ++i) words >> word;
        struct stat status{};
        if (::stat(word.c_str(), &status) == 0 && status.st_ino == 1) return word;
    }
    return Error{
        "the root of the control groups (version 2) is not mounted here: questions to name servers cannot be "
        "seen"};
}

class Dns final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        const Result<std::string> root = root_group();
        if (!root) return root.error();
        auto probes = open_probes(dns_source, dns_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        std::unique_ptr<Dns> running(new Dns(std::move(*probes)));
        if (auto prepared = running->prepare(*root); !prepared) return prepared.error();
        names.resolve_with("dns_code", code_name);
        names.resolve_with("dns_type", type_name_of);
        return std::unique_ptr<Running>(std::move(running));
    }

    void drain(const RecordSink& sink) override {
        ProbedRunning::drain([&](std::span<const Bytes> records) {
            for (const Bytes record : records)
                tell_with_name<dns_lookup_event, dns_lookup_state>(record, sink);
        });
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        ProbedRunning::snapshot([&](std::span<const Bytes> values) {
            for (const Bytes value : values)
                if (reinterpret_cast<const waggle_event*>(value.data())->kind == dns_kind_failure)
                    tell_with_name<dns_failure_event, dns_failure_state>(value, sink);
                else
                    sink(totals_.pack({&value, 1}));
        });
        tell_waiting(sink);
    }

  private:
    explicit Dns(kernel::Probes probes) : ProbedRunning(dns_source, std::move(probes)) {}

    Result<void> prepare(const std::string& root) {
        if (auto counted = probes().count_loss("lost_map_full", "map full"); !counted) return counted;
        if (auto counted = probes().count_loss("lost_desks", "hook busy"); !counted) return counted;
        if (auto counted = probes().count_loss("lost_names_full", "names full"); !counted) return counted;
        for (const char* map : {"totals", "overflow"})
            if (auto taken = take(map, {{first_counter, counters},
                                        {offsetof(dns_total_state, latency_slots), DNS_SLOTS, 4}});
                !taken)
                return taken;
        if (auto taken = take("failures", {{offsetof(dns_failure_event, times)}}); !taken) return taken;
        const auto questions = probes().object().map_fd("questions");
        if (!questions) return questions.error();
        questions_fd_ = *questions;
        for (const auto& [program, ingress] : {std::pair{"on_receive", true}, std::pair{"on_send", false}}) {
            AttachSpec spec;
            spec.kind = AttachKind::cgroup_skb;
            spec.path = root;
            spec.ingress = ingress;
            if (auto attached = probes().object().attach(program, spec); !attached) return attached.error();
        }
        return {};
    }

    Result<void> take(const char* map, std::vector<kernel::Snapshot::Counter> growing) {
        kernel::Snapshot::Options forgetful;
        forgetful.forget_after = forget_after;
        forgetful.adjust = [this](std::byte* record) {
            reinterpret_cast<waggle_event*>(record)->time_ns = now_ns_;
        };
        return probes().snapshot_map(map, std::move(growing), std::move(forgetful));
    }

    // The kernel side hands the question's bytes along; the row has its name and type.
    template <class Event>
    static void name_it(RecordWriter<Event>& record, const __u8 (&message)[DNS_COPY]) {
        const DnsQuestion question = read_dns_question(bytes_of(message));
        record.fixed.type = question.type;
        record.fixed.cut = question.cut;
        record.text(&Event::name, question.name);
    }
    template <class Event, class State>
    static void tell_with_name(Bytes value, const RecordSink& sink) {
        if (value.size() < sizeof(State)) return;
        const auto& state = *reinterpret_cast<const State*>(value.data());
        RecordWriter<Event> record;
        record.fixed = state.row;
        name_it(record, state.message);
        const Bytes whole = record.finish();
        sink({&whole, 1});
    }

    void tell_waiting(const RecordSink& sink) {
        // The walk begins anew where the key it stands at was answered meanwhile: so it has an end, and no key counts twice.
        std::vector<dns_question_key> keys;
        dns_question_key key{};
        for (int more = ::bpf_map_get_next_key(questions_fd_, nullptr, &key);
             more == 0 && keys.size() < 2 * most_questions;
             more = ::bpf_map_get_next_key(questions_fd_, &keys.back(), &key))
            keys.push_back(key);
        const auto as_bytes = [](const dns_question_key& one) {
            return std::string_view(reinterpret_cast<const char*>(&one), sizeof one);
        };
        std::ranges::sort(keys, {}, as_bytes);
        keys.erase(std::ranges::unique(keys, {}, as_bytes).begin(), keys.end());
        dns_question_state question{};
        for (const dns_question_key& each : keys) {
            if (::bpf_map_lookup_elem(questions_fd_, &each, &question) != 0) continue;
            if (now_ns_ < question.last_ns || now_ns_ - question.first_ns < second_ns) continue;
            if (now_ns_ - question.last_ns < give_up_ns)
                tell_waiting(each, question, sink);
            else if (::bpf_map_lookup_and_delete_elem(questions_fd_, &each, &question) == 0 &&
                     now_ns_ - question.last_ns >= give_up_ns)  // not sent again meanwhile
                tell_without_answer(question, sink);
        }
    }

    void tell_waiting(const dns_question_key& key, const dns_question_state& question,
                      const RecordSink& sink) {
        RecordWriter<dns_waiting_event> record;
        record.fixed.header = head_of(question, dns_kind_waiting);
        record.fixed.server = question.server;
        record.fixed.waited_ns = now_ns_ - question.first_ns;
        record.fixed.silent_ns = now_ns_ - question.last_ns;
        record.fixed.question = question.first_ns ^ std::uint64_t{key.name_hash} << 32;
        record.fixed.netns = question.netns;
        record.fixed.tries = question.tries;
        record.fixed.server_port = question.server_port;
        record.fixed.tcp = question.tcp;
        record.fixed.several_servers = question.several_servers;
        name_it(record, question.message);
        const Bytes whole = record.finish();
        sink({&whole, 1});
    }

    void tell_without_answer(const dns_question_state& question, const RecordSink& sink) {
        RecordWriter<dns_lookup_event> lookup;
        lookup.fixed.header = head_of(question, dns_kind_lookup);
        lookup.fixed.server = question.server;
        lookup.fixed.waited_ns = now_ns_ - question.first_ns;
        lookup.fixed.netns = question.netns;
        lookup.fixed.tries = question.tries;
        lookup.fixed.server_port = question.server_port;
        lookup.fixed.code = dns_code_no_answer;
        lookup.fixed.tcp = question.tcp;
        name_it(lookup, question.message);
        RecordWriter<dns_total_event> total;
        total.fixed.header = head_of(question, dns_kind_total);
        total.fixed.server = question.server;
        total.fixed.netns = question.netns;
        total.fixed.server_port = question.server_port;
        total.fixed.no_answer = 1;
        const Bytes both[] = {lookup.finish(), total.finish()};
        sink(both);
    }

    waggle_event head_of(const dns_question_state& question, dns_kind kind) const {
        waggle_event head = question.who;
        head.kind = static_cast<__u16>(kind);
        head.time_ns = now_ns_;
        return head;
    }

    HistogramPacker totals_{dns_kind_total,
                            {WAGGLE_HISTOGRAM_PLACE(dns_total_state, latency_slots, row.latency_histogram,
                                                    DNS_TIME_UNIT, DNS_TIME_END)}};
    std::uint64_t now_ns_ = 0;  // of the snapshot being taken
    int questions_fd_ = -1;     // the object's
};

}  // namespace

constinit const Source dns_source = {
    .name = "dns",
    .question = "Who asks which name server, for which names, how long does it take, and what is the answer?",
    .schemas = all_schemas,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = Dns::start,
};

}  // namespace waggle::sensors
