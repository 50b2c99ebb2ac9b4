// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <span>
#include <vector>

#include "base/put.h"
#include "facts/makers.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct net_counter_fact {
    __s64 value;
    __u32 netns;
    __u32 reserved;
    waggle_text name;
};

constexpr Field net_counters_fields[] = {
    WAGGLE_FIELD(net_counter_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(
        net_counter_fact, name, Unit::none,
        "The counter as nstat spells it: UdpRcvbufErrors, TcpExtListenOverflows, Ip6InDiscards; of "
        "connection tracking: ConntrackDrop, ConntrackInsertFailed; of the machine's neighbour tables, "
        "in its first network namespace alone: ArpCacheTableFulls, NdiscCacheTableFulls.",
        trait_key),
    WAGGLE_FIELD(net_counter_fact, value, Unit::count, "Its count since the namespace exists.",
                 trait_cumulative),
};
constexpr Schema net_counter_schema = {
    "net_counters", "A counter of the kernel's network protocols in one network namespace.",
    sizeof(net_counter_fact), net_counters_fields, false};

std::string_view next_word(std::string_view& line) {
    const std::size_t start = std::min(line.find_first_not_of(" \t"), line.size());
    line.remove_prefix(start);
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(word.size());
    return word;
}

std::string_view next_line(std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
}

using Emit = std::function<void(std::string_view prefix, std::string_view name, std::string_view value)>;

// snmp and netstat: a line of names after "Tcp:", then a line of values after the same word.
void read_paired_lines(std::string_view text, const Emit& emit) {
    while (!text.empty()) {
        std::string_view names = next_line(text);
        std::string_view values = next_line(text);
        std::string_view prefix = next_word(names);
        if (prefix != next_word(values) || !prefix.ends_with(':')) return;
        prefix.remove_suffix(1);
        for (;;) {
            const std::string_view name = next_word(names);
            const std::string_view value = next_word(values);
            if (name.empty() || value.empty()) break;
            emit(prefix, name, value);
        }
    }
}

struct Known {
    std::string_view column, name;
};
constexpr Known conntrack_counters[] = {
    {"drop", "Drop"}, {"early_drop", "EarlyDrop"}, {"insert_failed", "InsertFailed"}, {"invalid", "Invalid"}};
constexpr Known neighbour_counters[] = {{"table_fulls", "TableFulls"}};

// A file of net/stat: one line of names, then one of hexadecimal numbers for each processor. Only what is lost.
void read_stat(std::string_view text, std::string_view prefix, std::span<const Known> wanted,
               const Emit& emit) {
    std::vector<std::string_view> names;
    std::string_view heading = next_line(text);
    for (std::string_view name; !(name = next_word(heading)).empty();) names.push_back(name);
    std::vector<std::uint64_t> sums(names.size());
    while (!text.empty()) {
        std::string_view line = next_line(text);
        for (std::uint64_t& sum : sums) {
            const std::string_view word = next_word(line);
            std::uint64_t value = 0;
            std::from_chars(word.data(), word.data() + word.size(), value, 16);
            sum += value;
        }
    }
    for (const Known& known : wanted)
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == known.column) emit(prefix, known.name, std::to_string(sums[i]));
}

class NetCounters final : public NamespaceFact {
  public:
    explicit NetCounters(const Roots& roots) : NamespaceFact(roots), proc_(roots.proc) {}
    const Schema& schema() const override { return net_counter_schema; }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        const Emit emit = [&](std::string_view prefix, std::string_view name, std::string_view value) {
            record_.clear();
            record_.fixed.netns = netns.inode;
            record_.fixed.value = number_of(value);
            whole_.assign(prefix).append(name);
            record_.text(&net_counter_fact::name, whole_);
            sink(Row(net_counter_schema, record_.finish()));
        };
        const std::string_view snmp = proc_.file("thread-self/net/snmp");
        if (snmp.empty()) return Error{fmt::format("cannot read {}/thread-self/net/snmp", roots_.proc)};
        read_paired_lines(snmp, emit);
        read_paired_lines(proc_.file("thread-self/net/netstat"), emit);
        read_stat(proc_.file("thread-self/net/stat/nf_conntrack"), "Conntrack", conntrack_counters, emit);
        read_stat(proc_.file("thread-self/net/stat/arp_cache"), "ArpCache", neighbour_counters, emit);
        read_stat(proc_.file("thread-self/net/stat/ndisc_cache"), "NdiscCache", neighbour_counters, emit);
        std::string_view snmp6 = proc_.file("thread-self/net/snmp6");
        while (!snmp6.empty()) {
            std::string_view line = next_line(snmp6);
            const std::string_view name = next_word(line);
            emit({}, name, next_word(line));
        }
        return {};
    }

  private:
    Procfs proc_;
    RecordWriter<net_counter_fact> record_;
    std::string whole_;
};

}  // namespace

std::unique_ptr<Fact> make_net_counters(const Roots& roots) { return std::make_unique<NetCounters>(roots); }

}  // namespace waggle::facts
