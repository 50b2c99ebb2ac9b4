// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct neighbour_fact {
    __u32 netns;
    __u32 ifindex;
    char interface[16];
    waggle_address address;
    char link_address[24];
    char state[16];
};

constexpr Field neighbours_fields[] = {
    WAGGLE_FIELD(neighbour_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(neighbour_fact, interface, Unit::none, "The interface behind which it is."),
    WAGGLE_FIELD(neighbour_fact, ifindex, Unit::identifier, "That interface by its number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(neighbour_fact, address, Unit::none, "The neighbour's IP address.", trait_key),
    WAGGLE_FIELD(neighbour_fact, link_address, Unit::none,
                 "Its hardware (MAC) address; empty where it has not answered."),
    WAGGLE_FIELD(
        neighbour_fact, state, Unit::none,
        "REACHABLE, STALE and DELAY are good; INCOMPLETE and FAILED: it does not answer, packets to it "
        "are dropped."),
};
constexpr Schema neighbour_schema = {
    "neighbours",
    "A machine on the same network whose hardware address was asked for (ARP, "
    "neighbour discovery).",
    sizeof(neighbour_fact), neighbours_fields, false};

std::string_view state_name(std::uint16_t state) {
    struct Name {
        std::uint16_t bit;
        std::string_view name;
    };
    static constexpr Name names[] = {
        {NUD_INCOMPLETE, "INCOMPLETE"}, {NUD_REACHABLE, "REACHABLE"}, {NUD_STALE, "STALE"},
        {NUD_DELAY, "DELAY"},           {NUD_PROBE, "PROBE"},         {NUD_FAILED, "FAILED"},
        {NUD_NOARP, "NOARP"},           {NUD_PERMANENT, "PERMANENT"},
    };
    for (const Name& one : names)
        if (state & one.bit) return one.name;
    return "NONE";
}

std::string hardware_address(Bytes value) {
    std::string text;
    for (const std::byte b : value.first(std::min<std::size_t>(value.size(), 8)))
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", std::to_integer<unsigned>(b));
    return text;
}

class Neighbours final : public NamespaceFact {
  public:
    explicit Neighbours(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return neighbour_schema; }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        RecordWriter<neighbour_fact> record;
        return dump_routes(
            "neighbours", RTM_GETNEIGH, sizeof(ndmsg),
            [&](const InterfaceNames& names, const NetlinkMessage& message) {
                if (message.type != RTM_NEWNEIGH || message.body.size() < sizeof(ndmsg)) return;
                const auto neighbour = load<ndmsg>(message.body);
                if (neighbour.ndm_family != AF_INET && neighbour.ndm_family != AF_INET6) return;
                record.clear();
                record.fixed.netns = netns.inode;
                record.fixed.ifindex = static_cast<__u32>(neighbour.ndm_ifindex);
                if (const auto name = names.find(record.fixed.ifindex); name != names.end())
                    put(record.fixed.interface, name->second);
                put(record.fixed.state, state_name(neighbour.ndm_state));
                each_attribute(message.body.subspan(sizeof(ndmsg)), [&](std::uint16_t type, Bytes value) {
                    if (type == NDA_DST) record.fixed.address = netlink_address(neighbour.ndm_family, value);
                    if (type == NDA_LLADDR) put(record.fixed.link_address, hardware_address(value));
                });
                sink(Row(neighbour_schema, record.finish()));
            });
    }
};

}  // namespace

std::unique_ptr<Fact> make_neighbours(const Roots& roots) { return std::make_unique<Neighbours>(roots); }

}  // namespace waggle::facts
