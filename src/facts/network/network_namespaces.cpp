// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/joined_namespaces.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct network_namespace_fact {
    __u32 netns;
    __u32 pid;
    __u32 processes;
    char comm[WAGGLE_COMM_LEN];
    waggle_text path;
    waggle_text name;
    __u32 joined;
    __u8 own;
    __u8 reserved[7];
};

constexpr Field network_namespaces_fields[] = {
    WAGGLE_FIELD(network_namespace_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FLAG(network_namespace_fact, own, "The one waggle runs in: commands need no nsenter."),
    WAGGLE_FIELD(network_namespace_fact, path, Unit::none, "How to enter it: nsenter --net=PATH COMMAND."),
    WAGGLE_FIELD(network_namespace_fact, name, Unit::none,
                 "Its name as ip netns lists it; empty where it has none."),
    WAGGLE_FIELD(network_namespace_fact, pid, Unit::identifier,
                 "The lowest pid in it: a container's first process; 0 where no process is in it."),
    WAGGLE_FIELD(network_namespace_fact, comm, Unit::none, "That process's name, at most 15 characters."),
    WAGGLE_FIELD(network_namespace_fact, processes, Unit::count, "How many processes are in it."),
    WAGGLE_FIELD(
        network_namespace_fact, joined, Unit::identifier,
        "The lowest number of those that devices join with it (veth, macvlan ...), itself among them: "
        "within them an address means one thing. 0 where that could not be read.",
        trait_hidden),
};
constexpr Schema network_namespace_schema = {
    "network_namespaces",
    "A network stack of its own: the machine's, a container's, or one made by ip netns.",
    sizeof(network_namespace_fact), network_namespaces_fields, false};

class NetworkNamespaces final : public NamespaceFact {
  public:
    explicit NetworkNamespaces(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return network_namespace_schema; }

    Result<void> begin(std::span<const NetworkNamespace> all, const RowSink&) override {
        all_.assign(all.begin(), all.end());
        joined_.begin(all, roots_.proc);
        return {};
    }
    Result<void> read_in(const NetworkNamespace& netns, const RowSink&) override {
        (void)joined_.read_in(netns);  // what could not be read is said by 0
        return {};
    }
    // The list needs no namespace to be entered.
    Result<void> end(const RowSink& sink, Result<void>) override {
        Procfs proc(roots_.proc);
        RecordWriter<network_namespace_fact> record;
        for (const NetworkNamespace& netns : all_) {
            record.clear();
            record.fixed.netns = netns.inode;
            record.fixed.own = netns.own ? 1 : 0;
            record.fixed.pid = netns.pid;
            record.fixed.processes = netns.processes;
            record.fixed.joined = joined_.group(netns.inode);
            if (netns.pid) put(record.fixed.comm, proc.comm(netns.pid));
            record.text(&network_namespace_fact::path,
                        netns.pid ? fmt::format("{}/{}/ns/net", roots_.proc, netns.pid) : netns.path);
            record.text(&network_namespace_fact::name, netns.name);
            sink(Row(network_namespace_schema, record.finish()));
        }
        return {};
    }

  private:
    std::vector<NetworkNamespace> all_;
    JoinedNamespaces joined_;
};

}  // namespace

std::unique_ptr<Fact> make_network_namespaces(const Roots& roots) {
    return std::make_unique<NetworkNamespaces>(roots);
}

}  // namespace waggle::facts
