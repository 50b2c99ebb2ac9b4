// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/drop_causes.h"

#include <algorithm>

#include "agent/drops/derived_rows.h"
#include "agent/drops/drop_cause.h"
#include "agent/drops/rewritten_flows.h"

namespace waggle::agent {
namespace {

using column::number;
using column::text;
// All may be null.
constexpr DerivedColumn cause_columns[] = {
    {"kind", text, Unit::none,
     "What dropped: firewall rule, firewall program, firewall unknown, conntrack full, "
     "conntrack clash, reverse path, forwarding off, local network, xdp, tc, cgroup program, socket filter, "
     "queue, packet queue, route, routing "
     "rule, too big, "
     "neighbour, hop limit, checksum; other: no cause is found."},
    {"severity", text, Unit::none, "warning or note; critical where all of a machine's network suffers."},
    {"confidence", text, Unit::none, "How sure that is: high, medium, low."},
    {"netns", number, Unit::identifier, "The network namespace by its number."},
    {"reason", text, Unit::none, "Why the kernel dropped them, as this kernel names the reason."},
    {"function", text, Unit::none, "The kernel function that dropped them."},
    {"hook", text, Unit::none, "netfilter's hook, where the kernel told it."},
    {"direction", text, Unit::none, "in, forward or out, where all have the same."},
    {"packets", number, Unit::count, "Packets of the whole group."},
    {"bytes", number, Unit::bytes, "Their bytes."},
    {"packets_per_second", Type::real, Unit::none,
     "Over the time in which they were lost; over all that was watched, where that time is not known."},
    {"senders", number, Unit::count, "How many addresses sent them."},
    {"source", text, Unit::none, "The sender, where it is one."},
    {"top_source", text, Unit::none, "Of several senders the one with the most packets."},
    {"top_source_packets", number, Unit::count, "Its own packets."},
    {"destinations", number, Unit::count, "How many addresses they were for."},
    {"destination", text, Unit::none, "The address they were for, where it is one."},
    {"alone_in", number, Unit::identifier,
     "Where that address means one thing: the network namespace of 127.0.0.1 and ::1; of others the lowest "
     "of "
     "those that are joined (network_namespaces.joined), 0 where that is not known."},
    {"protocol", text, Unit::none, "Their protocol, where it is one."},
    {"port", number, Unit::identifier, "The port they were for, where it is one."},
    {"original_destination", text, Unit::none,
     "The address they were sent to, before it was rewritten (DNAT); rewritten_flows has all of it."},
    {"original_port", number, Unit::identifier, "And the port."},
    {"nat_netns", number, Unit::identifier, "The network namespace of the rule that rewrites."},
    {"nat_family", text, Unit::none, "The family of that rule's table."},
    {"nat_table", text, Unit::none, "Its table."},
    {"nat_chain", text, Unit::none, "Its chain."},
    {"nat_handle", number, Unit::identifier, "Its handle, of nftables."},
    {"nat_number", number, Unit::identifier, "Or its number in its chain, of iptables-legacy."},
    {"nat_rule", text, Unit::none, "That rule as its tool prints it."},
    {"nat_packets", number, Unit::count, "What its own counter counted in that time."},
    {"ports", number, Unit::count, "How many ports, where they are several."},
    {"top_port", number, Unit::identifier, "Of several ports the one with the most packets."},
    {"top_port_packets", number, Unit::count, "Its own packets."},
    {"device", text, Unit::none,
     "The device they came by, or made here were to leave by; of what is dropped at a device, that one."},
    {"out_device", text, Unit::none, "The device they were to leave by."},
    {"pid", number, Unit::identifier, "The process they were for."},
    {"comm", text, Unit::none, "Its name."},
    {"exe", text, Unit::none, "Its executable."},
    {"sender_pid", number, Unit::identifier, "The process of this machine that sent them."},
    {"sender_comm", text, Unit::none, "Its name."},
    {"act", text, Unit::none, "What was done: dropped, rejected (the sender is told), held (tarpit)."},
    {"rule_id", text, Unit::none, "firewall_rules.id of the rule that did it."},
    {"backend", text, Unit::none, "nftables or iptables-legacy."},
    {"family", text, Unit::none, "The rule's table's family."},
    {"table_name", text, Unit::none, "Its table."},
    {"chain", text, Unit::none, "Its chain."},
    {"handle", number, Unit::identifier, "Its handle, or number in its chain; null for a policy."},
    {"rule", text, Unit::none, "The rule as its tool prints it."},
    {"gone", number, Unit::none, "1: the rule was taken away since."},
    {"rule_packets", number, Unit::count, "What the rule's own counter counted in that time."},
    {"proof", text, Unit::none,
     "decided: every comparison on the way is; counter: its own moved as the drops did; elimination: the "
     "kernel "
     "says that nftables dropped at that hook, and no other rule there can have."},
    {"set_name", text, Unit::none, "The set whose element decided."},
    {"set_element", text, Unit::none, "That element."},
    {"set_tool", text, Unit::none, "nft or ipset."},
    {"set_missed", number, Unit::none, "1: the rule is for what no element of that set fits."},
    {"whole", number, Unit::none,
     "1: the rule drops all that goes this way, whatever else is in the packets: nothing that differs from "
     "one to "
     "another is asked."},
    {"answers_too", number, Unit::none,
     "1: the rule drops the answers to these packets too, which pass this machine."},
    {"leaving_chain", text, Unit::none,
     "The chain of the rule (goto, return) that led them away from one that can let them through."},
    {"leaving_handle", number, Unit::identifier, "That rule's handle, of nftables."},
    {"leaving_number", number, Unit::identifier, "Or its number in its chain, of iptables-legacy."},
    {"leaving_rule", text, Unit::none, "That rule as its tool prints it."},
    {"passed_chain", text, Unit::none, "The chain of the rule that would have let them through."},
    {"passed_handle", number, Unit::identifier, "That rule's handle, of nftables."},
    {"passed_number", number, Unit::identifier, "Or its number in its chain, of iptables-legacy."},
    {"passed_rule", text, Unit::none, "That rule as its tool prints it."},
    {"exit_handle", number, Unit::identifier,
     "Of a policy: the handle, or number, of the first rule that can lead packets out of the chain before "
     "its "
     "end."},
    {"no_way_back", number, Unit::none,
     "1: the rule asks for a route back to the sender, and there is none."},
    {"netns_gone", number, Unit::none, "1: the network namespace has ended, and its rules with it."},
    {"rules_unread", number, Unit::none,
     "1: none of the network namespace's rules are known, and rules of some could not be read."},
    {"suspects", number, Unit::count, "How many rules or programs can have done it."},
    {"suspect_names", text, Unit::none, "Those rules, or programs."},
    {"suspect_id", number, Unit::identifier, "The BPF program, where only one can have done it."},
    {"not_by_nft", number, Unit::none, "1: the kernel says that no rule of nftables did it."},
    {"place", text, Unit::none, "xdp, tc ingress, tc egress."},
    {"program", text, Unit::none, "The BPF program's or filter's name."},
    {"program_id", number, Unit::identifier, "The BPF program by its number."},
    {"program_kind", text, Unit::none, "bpf, or the classifier of tc."},
    {"program_comm", text, Unit::none, "The process that holds it."},
    {"preference", number, Unit::identifier, "tc's pref of the filter."},
    {"cgroup", text, Unit::none, "The control group the program belongs to."},
    {"sysctl", text, Unit::none, "The setting that made the kernel drop them."},
    {"sysctl_value", text, Unit::none, "Its value."},
    {"own_sysctl", text, Unit::none, "The same setting of the device alone."},
    {"back_device", text, Unit::none, "The device by which the route back to the sender leads."},
    {"onward_device", text, Unit::none,
     "The device by which the route to the destination leads, where they came by another."},
    {"missing_address", text, Unit::none,
     "The address they were for, where it is of the network at the device they came by, or held_address."},
    {"held_address", text, Unit::none,
     "The same, where no device has it and sockets of the network namespace still do."},
    {"route", text, Unit::none, "The route that drops, or leads back."},
    {"route_kind", text, Unit::none, "blackhole, unreachable, prohibit."},
    {"routing_rule", text, Unit::none, "The rule of policy routing that drops, as ip rule takes it."},
    {"rule_priority", number, Unit::identifier, "Its priority."},
    {"route_protocol", text, Unit::none, "Who made the route."},
    {"route_table", number, Unit::identifier, "The routing table it is in."},
    {"qdisc", text, Unit::none, "The queueing discipline that dropped them."},
    {"qdisc_handle", text, Unit::none, "Its handle; null where the kernel gave it none."},
    {"qdisc_parent", text, Unit::none, "What it hangs under."},
    {"qdisc_class", text, Unit::none, "The class whose queue it is."},
    {"class_kind", text, Unit::none, "The queueing discipline whose class that is."},
    {"class_handle", text, Unit::none, "That one's handle."},
    {"queue_full", number, Unit::none, "1: nothing more had room in it."},
    {"oversized", number, Unit::none,
     "1: tbf turned them away before its queue: they are larger than its burst."},
    {"not_inner", number, Unit::none, "1: it holds other queues, and they did not count these drops."},
    {"queues", number, Unit::count, "How many queueing disciplines dropped them, where they are several."},
    {"queue_names", text, Unit::none, "Those, each with what it counted itself."},
    {"counted", number, Unit::count, "Drops that the queue, or connection tracking, counted itself."},
    {"mtu_bytes", number, Unit::bytes, "The largest packet that the device carries."},
    {"largest_bytes", number, Unit::bytes, "The largest of the samples."},
    {"neighbour", text, Unit::none, "The next machine, which does not answer."},
    {"neighbour_state", text, Unit::none, "Its state in the table of neighbours."},
    {"from_beside", number, Unit::none,
     "1: the sender itself gave them to this machine, with no router between."},
    {"tries", number, Unit::count, "The packets, where all seen are the first of a TCP connection."},
    {"cut_off", number, Unit::count,
     "The same, where no connection between these sides stands on this machine."},
    {"connection_answers", number, Unit::count,
     "The packets, where all seen are TCP's answers to the side that opened the connection."},
    {"request_answers", number, Unit::count, "The same of UDP."},
    {"answer_port", number, Unit::identifier, "The port that answered, where it is one."},
    {"answer_state", text, Unit::none,
     "What connection tracking says of these answers: established, invalid, untracked ..."},
    {"listens", number, Unit::none, "1: the process they were for takes new packets or connections there."},
};
const std::vector<Field>& cause_fields() {
    static const std::vector<Field> all = derived_fields(cause_columns);
    return all;
}

std::int64_t packets_of(const DropCause& cause) {
    const auto packets = cause.find("packets");
    return packets == cause.end() ? 0 : std::get<std::int64_t>(packets->second);
}

// Of a cause whose packets all have the one goal that was rewritten.
void put_rewriting(const TableRow& flow, DropCause& cause) {
    for (const char* column : {"netns", "port"}) {
        const auto cell = cause.find(column);
        if (cell == cause.end() || std::get<std::int64_t>(cell->second) != flow.number(column)) return;
    }
    for (const char* column : {"protocol", "destination"}) {
        const auto cell = cause.find(column);
        if (cell == cause.end() || std::get<std::string>(cell->second) != flow.text(column)) return;
    }
    for (const char* column : {"original_port", "nat_netns", "nat_handle", "nat_number", "nat_packets"})
        if (const auto value = flow.number(column)) cause[column] = *value;
    for (const char* column : {"original_destination", "nat_family", "nat_table", "nat_chain", "nat_rule"})
        cause[column] = flow.text(column);
}

}  // namespace

const Schema& DropCauses::causes_schema() {
    static const Schema schema = {
        "drop_causes",
        "What dropped packets in the window, with the evidence; what no cause is found "
        "for stands by place and reason.",
        std::size(cause_columns) * derived_cell_size, cause_fields(), false};
    return schema;
}

void DropCauses::fill(DropMoment& moment, Table& table) const {
    std::vector<DropCause> causes;
    const DropInquiry inquiry{moment.tables(), moment.scene(), moment.window().seconds};
    judge_firewall(inquiry, causes);
    judge_others(inquiry, causes);
    moment.tables().each(RewrittenFlows::flows_schema().name, [&](const TableRow& flow) {
        for (DropCause& cause : causes) put_rewriting(flow, cause);
    });
    std::stable_sort(causes.begin(), causes.end(),
                     [](const DropCause& a, const DropCause& b) { return packets_of(a) > packets_of(b); });
    for (const DropCause& cause : causes) append_derived(cause, cause_columns, table);
}

std::vector<const Schema*> drop_schemas() {
    return {&DropCauses::causes_schema(), &RewrittenFlows::flows_schema()};
}

Result<void> add_drop_causes(Store& store) {
    const auto moment = std::make_shared<DropMoment>(store);
    if (auto added = store.add_derived(std::make_unique<RewrittenFlows>(moment)); !added) return added;
    return store.add_derived(std::make_unique<DropCauses>(moment));
}

}  // namespace waggle::agent
