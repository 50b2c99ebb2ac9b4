// SPDX-License-Identifier: Apache-2.0
// The rules of policy routing, in the order in which the kernel asks them: which table, or whether to drop.
#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "model/columns.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct routing_rule_fact {
    __u32 netns;
    __u32 priority;
    __u32 place;
    __u32 route_table;
    __u32 go_to;
    __u32 mark;
    __u32 mark_mask;
    __u8 inverted;
    __u8 is_partly_known;
    __u8 reserved[2];
    __s64 uid_from;
    __s64 uid_to;
    __s64 port_from;
    __s64 port_to;
    __s64 suppressed_length;
    char family[8];
    char action[16];
    char protocol[16];
    char in_device[16];
    char out_device[16];
    waggle_text source;
    waggle_text destination;
    waggle_text rule;
};

constexpr Field routing_rules_fields[] = {
    WAGGLE_FIELD(routing_rule_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(routing_rule_fact, family, Unit::none, "ip or ip6.", trait_key),
    WAGGLE_FIELD(routing_rule_fact, priority, Unit::identifier, "The lowest is asked first.", trait_key),
    WAGGLE_FIELD(routing_rule_fact, place, Unit::identifier,
                 "Its place among all of its family: of equal priorities the first is asked first.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, rule, Unit::none, "The rule, as ip rule takes it."),
    WAGGLE_FIELD(routing_rule_fact, action, Unit::none,
                 "What it does with packets that fit: table: looks in a table; blackhole, unreachable, "
                 "prohibit: drops; "
                 "goto: goes on at another rule; nop: nothing."),
    WAGGLE_FIELD(routing_rule_fact, route_table, Unit::identifier,
                 "The table it looks in: 254 main, 255 local.", trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, source, Unit::none, "Packets from there; empty: from anywhere.",
                 trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, destination, Unit::none, "Packets to there; empty: to anywhere.",
                 trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, in_device, Unit::none,
                 "Packets that came by this device; lo: those of this machine; empty: all.", trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, out_device, Unit::none,
                 "Packets of sockets that are bound to this device; empty: all.", trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, protocol, Unit::none, "tcp, udp or a number; empty: all.", trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, port_from, Unit::none, "The first port of the destination; null: all.",
                 trait_nullable | trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, port_to, Unit::none, "The last one.", trait_nullable | trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, mark, Unit::none,
                 "The mark that packets must have, where mark_mask has bits.", trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, mark_mask, Unit::none, "Which bits of the mark are compared; 0: none.",
                 trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, uid_from, Unit::none, "The first user whose packets fit; null: all.",
                 trait_nullable | trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, uid_to, Unit::none, "The last one.", trait_nullable | trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, go_to, Unit::identifier, "The priority it goes to.", trait_hidden),
    WAGGLE_FIELD(routing_rule_fact, suppressed_length, Unit::none,
                 "Routes of its table whose prefix has no more bits than this are passed over; null: none.",
                 trait_nullable | trait_hidden),
    WAGGLE_FLAG(routing_rule_fact, inverted, "It takes what does not fit.", trait_hidden),
    WAGGLE_FLAG(routing_rule_fact, is_partly_known, "It compares more than these columns hold.",
                trait_hidden),
};
constexpr Schema routing_rule_schema = {"routing_rules",
                                        "A rule of policy routing (ip rule) of any network namespace.",
                                        sizeof(routing_rule_fact), routing_rules_fields, false};

constexpr std::uint16_t fra_dport_mask = 29;  // FRA_DPORT_MASK, Linux 6.15

constexpr std::size_t most_rules = 16384;

std::string_view action_name(std::uint8_t action) {
    switch (action) {  // fib_rules.h has these in an enum without a name
        case FR_ACT_TO_TBL:
            return "table";
        case FR_ACT_GOTO:
            return "goto";
        case FR_ACT_NOP:
            return "nop";
        case FR_ACT_BLACKHOLE:
            return "blackhole";
        case FR_ACT_UNREACHABLE:
            return "unreachable";
        case FR_ACT_PROHIBIT:
            return "prohibit";
        default:
            return "unknown";
    }
}

std::string protocol_text(std::uint8_t protocol) {
    return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : std::to_string(protocol);
}

class RoutingRules final : public NamespaceFact {
  public:
    explicit RoutingRules(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return routing_rule_schema; }

    Result<void> begin(std::span<const NetworkNamespace>, const RowSink&) override {
        count_ = 0;
        return {};
    }
    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        auto netlink = Netlink::open(NETLINK_ROUTE);
        if (!netlink) return while_doing("read routing rules", netlink.error());
        const fib_rule_hdr request{};
        const auto dumped = netlink->dump(RTM_GETRULE, bytes_of(request), [&](const NetlinkMessage& message) {
            if (message.type == RTM_NEWRULE && count_++ < most_rules)
                emit(netns.inode, static_cast<std::uint32_t>(count_), message.body, sink);
        });
        if (!dumped) return while_doing("read routing rules", dumped.error());
        return {};
    }
    Result<void> end(const RowSink&, Result<void> so_far) override {
        if (so_far && count_ > most_rules)
            return Error{
                fmt::format("read routing rules: there are {}; the first {} were taken", count_, most_rules)};
        return so_far;
    }

  private:
    void emit(std::uint32_t netns, std::uint32_t place, Bytes body, const RowSink& sink) {
        if (body.size() < sizeof(fib_rule_hdr)) return;
        const auto header = load<fib_rule_hdr>(body);
        if (header.family != AF_INET && header.family != AF_INET6) return;
        record_.clear();
        routing_rule_fact& fact = record_.fixed;
        fact.netns = netns;
        fact.place = place;
        put(fact.family, header.family == AF_INET ? "ip" : "ip6");
        put(fact.action, action_name(header.action));
        fact.route_table = header.table;
        fact.inverted = header.flags & FIB_RULE_INVERT ? 1 : 0;
        fact.is_partly_known = header.tos != 0 || action_name(header.action) == "unknown" ? 1 : 0;
        fact.uid_from = fact.uid_to = fact.port_from = fact.port_to = fact.suppressed_length = null_i64;
        std::string source, destination;
        each_attribute(body.subspan(sizeof header), [&](std::uint16_t type, Bytes value) {
            switch (type) {  // attributes of newer kernels are no error
                case FRA_SRC:
                    source = prefix(header.family, value, header.src_len);
                    break;
                case FRA_DST:
                    destination = prefix(header.family, value, header.dst_len);
                    break;
                case FRA_IIFNAME:
                    put(fact.in_device, netlink_text(value));
                    break;
                case FRA_OIFNAME:
                    put(fact.out_device, netlink_text(value));
                    break;
                case FRA_PRIORITY:
                    fact.priority = netlink_u32(value);
                    break;
                case FRA_TABLE:
                    fact.route_table = netlink_u32(value);
                    break;
                case FRA_GOTO:
                    fact.go_to = netlink_u32(value);
                    break;
                case FRA_FWMARK:
                    fact.mark = netlink_u32(value);
                    break;
                case FRA_FWMASK:
                    fact.mark_mask = netlink_u32(value);
                    break;
                case FRA_UID_RANGE:
                    if (value.size() < sizeof(fib_rule_uid_range)) break;
                    fact.uid_from = load<fib_rule_uid_range>(value).start;
                    fact.uid_to = load<fib_rule_uid_range>(value).end;
                    break;
                case FRA_IP_PROTO:
                    if (!value.empty()) put(fact.protocol, protocol_text(load<std::uint8_t>(value)));
                    break;
                case FRA_DPORT_RANGE:
                    if (value.size() < sizeof(fib_rule_port_range)) break;
                    fact.port_from = load<fib_rule_port_range>(value).start;
                    fact.port_to = load<fib_rule_port_range>(value).end;
                    break;
                case fra_dport_mask:  // comes with every port; all bits but where somebody asked for fewer
                    if (value.size() < sizeof(__u16) || load<__u16>(value) != UINT16_MAX)
                        fact.is_partly_known = 1;
                    break;
                case FRA_SUPPRESS_PREFIXLEN:
                    if (netlink_u32(value) != UINT32_MAX) fact.suppressed_length = netlink_u32(value);
                    break;
                case FRA_SUPPRESS_IFGROUP:
                    if (netlink_u32(value) != UINT32_MAX) fact.is_partly_known = 1;
                    break;
                case FRA_L3MDEV:
                    if (!value.empty() && load<std::uint8_t>(value) != 0) fact.is_partly_known = 1;
                    break;
                case FRA_PROTOCOL:  // who made it
                case FRA_PAD:
                case FRA_FLOW:
                    break;
                default:
                    fact.is_partly_known = 1;
            }
        });
        record_.text(&routing_rule_fact::source, source);
        record_.text(&routing_rule_fact::destination, destination);
        record_.text(&routing_rule_fact::rule, text_of(fact, source, destination));
        sink(Row(routing_rule_schema, record_.finish()));
    }

    static std::string prefix(std::uint8_t family, Bytes value, unsigned bits) {
        return fmt::format("{}/{}", format_address(netlink_address(family, value)), bits);
    }

    // What it compares and does, in the words of ip rule.
    static std::string text_of(const routing_rule_fact& fact, const std::string& source,
                               const std::string& destination) {
        std::string text =
            fmt::format("{}from {}", fact.inverted ? "not " : "", source.empty() ? "all" : source);
        if (!destination.empty()) text += " to " + destination;
        if (fact.mark_mask == UINT32_MAX) text += fmt::format(" fwmark {:#x}", fact.mark);
        if (fact.mark_mask != 0 && fact.mark_mask != UINT32_MAX)
            text += fmt::format(" fwmark {:#x}/{:#x}", fact.mark, fact.mark_mask);
        if (fact.in_device[0]) text += fmt::format(" iif {}", fact.in_device);
        if (fact.out_device[0]) text += fmt::format(" oif {}", fact.out_device);
        if (fact.uid_from != null_i64) text += fmt::format(" uidrange {}-{}", fact.uid_from, fact.uid_to);
        if (fact.protocol[0]) text += fmt::format(" ipproto {}", fact.protocol);
        if (fact.port_from != null_i64)
            text += fact.port_from == fact.port_to
                        ? fmt::format(" dport {}", fact.port_from)
                        : fmt::format(" dport {}-{}", fact.port_from, fact.port_to);
        const std::string_view action = fact.action;
        if (action == "table") return text + fmt::format(" lookup {}", fact.route_table);
        if (action == "goto") return text + fmt::format(" goto {}", fact.go_to);
        return text + " " + std::string(action);
    }

    std::size_t count_ = 0;
    RecordWriter<routing_rule_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_routing_rules(const Roots& roots) { return std::make_unique<RoutingRules>(roots); }

}  // namespace waggle::facts
