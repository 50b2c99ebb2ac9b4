// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/put.h"
#include "facts/makers.h"
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
    __u8 own;
    __u8 reserved[3];
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
};
constexpr Schema network_namespace_schema = {
    "network_namespaces",
    "A network stack of its own: the machine's, a container's, or one made by ip netns.",
    sizeof(network_namespace_fact), network_namespaces_fields, false};

class NetworkNamespaces final : public NamespaceFact {
  public:
    explicit NetworkNamespaces(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return network_namespace_schema; }

    bool enters() const override { return false; }
    Result<void> begin(std::span<const NetworkNamespace> all, const RowSink& sink) override {
        Procfs proc(roots_.proc);
        RecordWriter<network_namespace_fact> record;
        for (const NetworkNamespace& netns : all) {
            record.clear();
            record.fixed.netns = netns.inode;
            record.fixed.own = netns.own ? 1 : 0;
            record.fixed.pid = netns.pid;
            record.fixed.processes = netns.processes;
            if (netns.pid) put(record.fixed.comm, proc.comm(netns.pid));
            record.text(&network_namespace_fact::path,
                        netns.pid ? fmt::format("{}/{}/ns/net", roots_.proc, netns.pid) : netns.path);
            record.text(&network_namespace_fact::name, netns.name);
            sink(Row(network_namespace_schema, record.finish()));
        }
        return {};
    }
    Result<void> read_in(const NetworkNamespace&, const RowSink&) override { return {}; }
};

}  // namespace

std::unique_ptr<Fact> make_network_namespaces(const Roots& roots) {
    return std::make_unique<NetworkNamespaces>(roots);
}

}  // namespace waggle::facts
