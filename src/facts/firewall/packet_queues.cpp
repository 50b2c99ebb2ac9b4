// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <sstream>

#include "facts/makers.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct packet_queue_fact {
    __u64 dropped;
    __u64 reader_dropped;
    __u32 netns;
    __u32 number;
    __u32 reader;
    __u32 waiting;
};

constexpr Field packet_queues_fields[] = {
    WAGGLE_FIELD(packet_queue_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(packet_queue_fact, number, Unit::identifier,
                 "The queue's number, as rules name it (queue num, --queue-num).", trait_key),
    WAGGLE_FIELD(packet_queue_fact, reader, Unit::identifier,
                 "The netlink port of the program that reads it: most programs take their pid.", trait_key),
    WAGGLE_FIELD(packet_queue_fact, waiting, Unit::count, "Packets that wait for that program's verdict."),
    WAGGLE_FIELD(packet_queue_fact, dropped, Unit::count, "Packets dropped because the queue was full.",
                 trait_cumulative),
    WAGGLE_FIELD(
        packet_queue_fact, reader_dropped, Unit::count,
        "Packets dropped because they could not be given to the program: it did not read what it was sent.",
        trait_cumulative),
};
constexpr Schema packet_queue_schema = {
    "packet_queues",
    "A queue (NFQUEUE) that a program has open: rules of the firewall can hand packets to it.",
    sizeof(packet_queue_fact), packet_queues_fields, false};

class PacketQueues final : public NamespaceFact {
  public:
    explicit PacketQueues(const Roots& roots) : NamespaceFact(roots), proc_(roots.proc) {}
    const Schema& schema() const override { return packet_queue_schema; }

    // Without the file the kernel has no such queues (the module nfnetlink_queue makes it).
    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        if (proc_.file("thread-self/net/snmp").empty())
            return Error{fmt::format("cannot read {}/thread-self/net/snmp", roots_.proc)};
        std::istringstream lines{std::string(proc_.file("thread-self/net/netfilter/nfnetlink_queue"))};
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words{line};
            packet_queue_fact& queue = record_.fixed;
            record_.clear();
            std::uint32_t copy_mode = 0, copy_range = 0;
            if (!(words >> queue.number >> queue.reader >> queue.waiting >> copy_mode >> copy_range >>
                  queue.dropped >> queue.reader_dropped))
                continue;
            queue.netns = netns.inode;
            sink(Row(packet_queue_schema, record_.finish()));
        }
        return {};
    }

  private:
    Procfs proc_;
    RecordWriter<packet_queue_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_packet_queues(const Roots& roots) { return std::make_unique<PacketQueues>(roots); }

}  // namespace waggle::facts
