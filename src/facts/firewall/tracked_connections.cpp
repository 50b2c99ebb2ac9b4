// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/protocols.h"
#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct tracked_connections_fact {
    waggle_address source;
    __s64 port;
    __u64 entries;
    __u64 unanswered;
    __u32 netns;
    __u32 reserved;
    char protocol[16];
};

constexpr Field tracked_connections_fields[] = {
    WAGGLE_FIELD(tracked_connections_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(tracked_connections_fact, source, Unit::none,
                 "Who opened them; null in the rows of services and in that of all.", trait_key),
    WAGGLE_FIELD(tracked_connections_fact, protocol, Unit::none,
                 "Of what protocol they are: in the rows of services.", trait_key),
    WAGGLE_FIELD(tracked_connections_fact, port, Unit::identifier,
                 "The port that they were opened to: in the rows of services.", trait_key | trait_nullable),
    WAGGLE_FIELD(tracked_connections_fact, entries, Unit::count, "How many are in the table."),
    WAGGLE_FIELD(tracked_connections_fact, unanswered, Unit::count,
                 "How many of these the other side never answered."),
};
constexpr Schema tracked_connections_schema = {"tracked_connections",
                                               "What is in a network namespace's table of tracked "
                                               "connections (conntrack): one row for all, one for each "
                                               "of the 16 senders and of the 16 services with the most.",
                                               sizeof(tracked_connections_fact), tracked_connections_fields,
                                               false};

struct Tally {
    std::uint64_t entries = 0, unanswered = 0;

    void add(bool answered) {
        ++entries;
        if (!answered) ++unanswered;
    }
};

// One entry, as it was opened.
struct Tracked {
    waggle_address source{};
    std::uint8_t protocol = 0;
    std::uint16_t port = 0;
    bool answered = false;
};

void read_tuple(Bytes tuple, std::uint8_t family, Tracked& out) {
    each_attribute(tuple, [&](std::uint16_t type, Bytes value) {
        if (type == CTA_TUPLE_IP)
            each_attribute(value, [&](std::uint16_t part, Bytes address) {
                if (part == CTA_IP_V4_SRC || part == CTA_IP_V6_SRC)
                    out.source = netlink_address(family, address);
            });
        if (type == CTA_TUPLE_PROTO)
            each_attribute(value, [&](std::uint16_t part, Bytes number) {
                if (part == CTA_PROTO_NUM && !number.empty()) out.protocol = load<std::uint8_t>(number);
                if (part == CTA_PROTO_DST_PORT && number.size() >= 2)
                    out.port = ntohs(load<std::uint16_t>(number));
            });
    });
}

std::optional<Tracked> read_entry(Bytes body) {
    if (body.size() < sizeof(nfgenmsg)) return std::nullopt;
    const std::uint8_t family = load<nfgenmsg>(body).nfgen_family;
    Tracked entry;
    each_attribute(body.subspan(sizeof(nfgenmsg)), [&](std::uint16_t type, Bytes value) {
        if (type == CTA_TUPLE_ORIG) read_tuple(value, family, entry);
        if (type == CTA_STATUS) entry.answered = ntohl(netlink_u32(value)) & IPS_SEEN_REPLY;
    });
    return entry;
}

// Those with the most entries, most first.
template <class Key>
std::vector<std::pair<Key, Tally>> most(const std::map<Key, Tally>& tallies) {
    constexpr std::size_t shown = 16;
    std::vector<std::pair<Key, Tally>> sorted(tallies.begin(), tallies.end());
    std::ranges::sort(sorted, std::ranges::greater{}, [](const auto& each) { return each.second.entries; });
    sorted.resize(std::min(sorted.size(), shown));
    return sorted;
}

struct Holdings {
    Tally all;
    std::map<std::string, Tally> senders;  // by the address's bytes
    std::map<std::pair<std::uint8_t, std::uint16_t>, Tally> services;

    void add(const Tracked& entry) {
        const std::string source(reinterpret_cast<const char*>(&entry.source), sizeof entry.source);
        all.add(entry.answered);
        senders[source].add(entry.answered);
        services[{entry.protocol, entry.port}].add(entry.answered);
    }
};

void give_rows(const Holdings& holdings, std::uint32_t netns, const RowSink& sink) {
    RecordWriter<tracked_connections_fact> record;
    const auto give = [&](const Tally& tally, const auto& name) {
        record.clear();
        record.fixed.netns = netns;
        record.fixed.port = null_i64;
        record.fixed.entries = tally.entries;
        record.fixed.unanswered = tally.unanswered;
        name();
        sink(Row(tracked_connections_schema, record.finish()));
    };
    give(holdings.all, [] {});
    for (const auto& [address, tally] : most(holdings.senders))
        give(tally, [&] { std::memcpy(&record.fixed.source, address.data(), sizeof record.fixed.source); });
    for (const auto& [service, tally] : most(holdings.services))
        give(tally, [&] {
            put(record.fixed.protocol, ip_protocol_text(service.first));
            record.fixed.port = service.second;
        });
}

class TrackedConnections final : public NamespaceFact {
  public:
    explicit TrackedConnections(const Roots& roots) : NamespaceFact(roots), proc_(roots.proc) {}
    const Schema& schema() const override { return tracked_connections_schema; }

    // No rows where nothing is tracked: the kernel is not even asked, for it would begin to. Nor where it cannot list
    // them (without the module nf_conntrack_netlink).
    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        const std::string doing = "read tracked connections";
        if (proc_.file("thread-self/net/stat/nf_conntrack").empty()) return {};
        auto netlink = Netlink::open(NETLINK_NETFILTER);
        if (!netlink) return while_doing(doing, netlink.error());
        Holdings holdings;
        const auto dumped = netlink->dump(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
                                          bytes_of(nfgenmsg{}), [&](const NetlinkMessage& message) {
                                              if (const auto entry = read_entry(message.body))
                                                  holdings.add(*entry);
                                          });
        if (!dumped && dumped.error().kind == ErrorKind::privilege) return while_doing(doing, dumped.error());
        if (holdings.all.entries > 0) give_rows(holdings, netns.inode, sink);
        return {};
    }

  private:
    Procfs proc_;
};

}  // namespace

std::unique_ptr<Fact> make_tracked_connections(const Roots& roots) {
    return std::make_unique<TrackedConnections>(roots);
}

}  // namespace waggle::facts
