// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct qdisc_fact {
    __u32 netns;
    __u32 ifindex;
    char interface[16];
    char kind[16];
    char handle[16];
    char parent[16];
    __s64 limit_packets;
    __s64 limit_bytes;
    __u64 packets;
    __u64 bytes;
    __u64 drops;
    __u64 overlimits;
    __u64 requeues;
    __u64 backlog_packets;
    __u64 backlog_bytes;
};

constexpr Field qdiscs_fields[] = {
    WAGGLE_FIELD(qdisc_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(qdisc_fact, interface, Unit::none, "The interface that sends by it."),
    WAGGLE_FIELD(qdisc_fact, ifindex, Unit::identifier, "That interface by its number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(qdisc_fact, kind, Unit::none, "How it queues: fq_codel, pfifo_fast, htb, tbf, netem ..."),
    WAGGLE_FIELD(qdisc_fact, handle, Unit::none,
                 "Its name on the interface, such as 8001: with its colon; 0: where the kernel made it for a "
                 "class, or "
                 "inside another one.",
                 trait_key),
    WAGGLE_FIELD(qdisc_fact, parent, Unit::none, "What it hangs under: root, or a class such as 1:10.",
                 trait_key),
    WAGGLE_FIELD(qdisc_fact, limit_packets, Unit::count,
                 "Packets that may wait; null where it has no such limit.", trait_nullable),
    WAGGLE_FIELD(qdisc_fact, limit_bytes, Unit::bytes,
                 "Bytes that may wait; null where it has no such limit.", trait_nullable | trait_hidden),
    WAGGLE_FIELD(qdisc_fact, packets, Unit::count, "Packets sent by it.", trait_cumulative),
    WAGGLE_FIELD(qdisc_fact, bytes, Unit::bytes, "Bytes sent by it.", trait_cumulative | trait_hidden),
    WAGGLE_FIELD(qdisc_fact, drops, Unit::count, "Packets it dropped.", trait_cumulative),
    WAGGLE_FIELD(qdisc_fact, overlimits, Unit::count, "How often its limit held packets back.",
                 trait_cumulative),
    WAGGLE_FIELD(qdisc_fact, requeues, Unit::count, "Packets put back because the device was busy.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(qdisc_fact, backlog_packets, Unit::count, "Packets that wait now."),
    WAGGLE_FIELD(qdisc_fact, backlog_bytes, Unit::bytes, "Bytes that wait now."),
};
constexpr Schema qdisc_schema = {
    "qdiscs", "A queueing discipline: the queue in which packets wait to be sent by an interface.",
    sizeof(qdisc_fact), qdiscs_fields, false};

std::string handle_name(std::uint32_t handle) {
    if (handle == TC_H_ROOT) return "root";
    if (handle == TC_H_INGRESS) return "ingress";
    const std::uint32_t minor = TC_H_MIN(handle);
    return minor ? fmt::format("{:x}:{:x}", TC_H_MAJ(handle) >> 16, minor)
                 : fmt::format("{:x}:", TC_H_MAJ(handle) >> 16);
}

// Where each kind keeps its limit: as the first number of its options, or in an attribute.
void read_limit(std::string_view kind, Bytes options, qdisc_fact& fact) {
    if (kind == "pfifo" || kind == "netem") {
        // netem's options begin with its delay, then the limit.
        const std::size_t at = kind == "netem" ? sizeof(__u32) : 0;
        if (options.size() >= at + 4) fact.limit_packets = load<std::uint32_t>(options, at);
    } else if (kind == "bfifo") {
        if (options.size() >= 4) fact.limit_bytes = load<std::uint32_t>(options);
    } else {
        const int attribute = kind == "fq_codel" ? int{TCA_FQ_CODEL_LIMIT}
                              : kind == "codel"  ? int{TCA_CODEL_LIMIT}
                              : kind == "fq"     ? int{TCA_FQ_PLIMIT}
                              : kind == "pie"    ? int{TCA_PIE_LIMIT}
                                                 : -1;
        each_attribute(options, [&](std::uint16_t type, Bytes value) {
            if (type == attribute) fact.limit_packets = netlink_u32(value);
            if (kind == "tbf" && type == TCA_TBF_PARMS && value.size() >= sizeof(tc_tbf_qopt))
                fact.limit_bytes = load<tc_tbf_qopt>(value).limit;
        });
    }
}

void read_statistics(Bytes attributes, qdisc_fact& fact) {
    each_attribute(attributes, [&](std::uint16_t type, Bytes value) {
        if (type == TCA_STATS_BASIC && value.size() >= 12) {
            fact.bytes = load<std::uint64_t>(value);
            fact.packets = load<std::uint32_t>(value, 8);
        }
        // Since 5.5; the 32 bits of TCA_STATS_BASIC run over within minutes.
        if (type == TCA_STATS_PKT64 && value.size() >= 8) fact.packets = load<std::uint64_t>(value);
        if (type == TCA_STATS_QUEUE && value.size() >= sizeof(gnet_stats_queue)) {
            const auto queue = load<gnet_stats_queue>(value);
            fact.backlog_packets = queue.qlen;
            fact.backlog_bytes = queue.backlog;
            fact.drops = queue.drops;
            fact.requeues = queue.requeues;
            fact.overlimits = queue.overlimits;
        }
    });
}

class Qdiscs final : public NamespaceFact {
  public:
    explicit Qdiscs(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return qdisc_schema; }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        RecordWriter<qdisc_fact> record;
        // The plain queues of classes are not shown unless asked for, and drops are counted there.
        const nlattr invisible{sizeof(nlattr), TCA_DUMP_INVISIBLE};
        return dump_routes(
            "qdiscs", RTM_GETQDISC, sizeof(tcmsg),
            [&](const InterfaceNames& names, const NetlinkMessage& message) {
                if (message.type != RTM_NEWQDISC || message.body.size() < sizeof(tcmsg)) return;
                const auto qdisc = load<tcmsg>(message.body);
                record.clear();
                qdisc_fact& fact = record.fixed;
                fact.netns = netns.inode;
                fact.ifindex = static_cast<__u32>(qdisc.tcm_ifindex);
                if (const auto name = names.find(fact.ifindex); name != names.end())
                    put(fact.interface, name->second);
                put(fact.handle, handle_name(qdisc.tcm_handle));
                put(fact.parent, handle_name(qdisc.tcm_parent));
                fact.limit_packets = fact.limit_bytes = null_i64;
                Bytes options;
                each_attribute(message.body.subspan(sizeof(tcmsg)), [&](std::uint16_t type, Bytes value) {
                    if (type == TCA_KIND) put(fact.kind, netlink_text(value));
                    if (type == TCA_OPTIONS) options = value;
                    if (type == TCA_STATS2) read_statistics(value, fact);
                });
                read_limit(fact.kind, options, fact);
                sink(Row(qdisc_schema, record.finish()));
            },
            bytes_of(invisible));
    }
};

}  // namespace

std::unique_ptr<Fact> make_qdiscs(const Roots& roots) { return std::make_unique<Qdiscs>(roots); }

}  // namespace waggle::facts
