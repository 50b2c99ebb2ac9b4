// SPDX-License-Identifier: Apache-2.0
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct address_fact {
    __u32 netns;
    __u32 ifindex;
    char interface[16];
    waggle_address address;
    waggle_address peer;
    char scope[8];
    char state[12];
    __u8 prefix_length;
    __u8 reserved[3];
};

constexpr Field addresses_fields[] = {
    WAGGLE_FIELD(address_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(address_fact, interface, Unit::none, "The interface that has it."),
    WAGGLE_FIELD(address_fact, ifindex, Unit::identifier, "That interface by its number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(address_fact, address, Unit::none, "The IP address.", trait_key),
    WAGGLE_FIELD(address_fact, prefix_length, Unit::none,
                 "How many of its bits name the network it is in: 24 of 192.0.2.7/24.", trait_key),
    WAGGLE_FIELD(address_fact, peer, Unit::none,
                 "The other end's address, where only two machines are connected; null elsewhere.",
                 trait_hidden),
    WAGGLE_FIELD(address_fact, scope, Unit::none,
                 "global: known everywhere; link: on this network alone; host: in this machine alone."),
    WAGGLE_FIELD(
        address_fact, state, Unit::none,
        "usable; tentative: being looked whether another machine has it, and not used until then; "
        "duplicate: another machine has it, so it is not used; deprecated: not for new connections."),
};
constexpr Schema address_schema = {"addresses", "An IP address of an interface, of any network namespace.",
                                   sizeof(address_fact), addresses_fields, false};

std::string_view scope_name(std::uint8_t scope) {
    switch (scope) {
        case RT_SCOPE_UNIVERSE:
            return "global";
        case RT_SCOPE_SITE:
            return "site";
        case RT_SCOPE_LINK:
            return "link";
        case RT_SCOPE_HOST:
            return "host";
        default:
            return "other";
    }
}

std::string_view address_state(std::uint32_t flags) {
    if (flags & IFA_F_DADFAILED) return "duplicate";
    if ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC)) return "tentative";
    return flags & IFA_F_DEPRECATED ? "deprecated" : "usable";
}

class Addresses final : public NamespaceFact {
  public:
    explicit Addresses(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return address_schema; }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        RecordWriter<address_fact> record;
        return dump_routes("addresses", RTM_GETADDR, sizeof(ifaddrmsg),
                           [&](const InterfaceNames& names, const NetlinkMessage& message) {
                               if (message.type != RTM_NEWADDR || message.body.size() < sizeof(ifaddrmsg))
                                   return;
                               const auto head = load<ifaddrmsg>(message.body);
                               if (head.ifa_family != AF_INET && head.ifa_family != AF_INET6) return;
                               record.clear();
                               address_fact& fact = record.fixed;
                               fact.netns = netns.inode;
                               fact.ifindex = head.ifa_index;
                               fact.prefix_length = head.ifa_prefixlen;
                               if (const auto name = names.find(fact.ifindex); name != names.end())
                                   put(fact.interface, name->second);
                               put(fact.scope, scope_name(head.ifa_scope));
                               std::uint32_t flags = head.ifa_flags;
                               waggle_address own{}, other{};
                               each_attribute(message.body.subspan(sizeof(ifaddrmsg)),
                                              [&](std::uint16_t type, Bytes value) {
                                                  if (type == IFA_LOCAL)
                                                      own = netlink_address(head.ifa_family, value);
                                                  if (type == IFA_ADDRESS)
                                                      other = netlink_address(head.ifa_family, value);
                                                  if (type == IFA_FLAGS) flags = netlink_u32(value);
                                              });
                               put(fact.state, address_state(flags));
                               // The address alone, or both ends' of a pair.
                               fact.address = own.family ? own : other;
                               if (own.family && std::memcmp(&own, &other, sizeof own) != 0)
                                   fact.peer = other;
                               sink(Row(address_schema, record.finish()));
                           });
    }
};

}  // namespace

std::unique_ptr<Fact> make_addresses(const Roots& roots) { return std::make_unique<Addresses>(roots); }

}  // namespace waggle::facts
