// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>

#include "facts/makers.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct softnet_fact {
    __u32 cpu;
    __u32 reserved;
    __u64 processed;
    __u64 dropped;
    __u64 squeezed;
    __u64 passed_on;
    __u64 flow_limited;
    __u64 backlog;
};

constexpr Field softnet_fields[] = {
    WAGGLE_FIELD(softnet_fact, cpu, Unit::identifier, "The processor.", trait_key),
    WAGGLE_FIELD(softnet_fact, processed, Unit::count,
                 "Received packets that it took through the network stack.", trait_cumulative),
    WAGGLE_FIELD(softnet_fact, dropped, Unit::count,
                 "Received packets that found no room in its backlog (net.core.netdev_max_backlog).",
                 trait_cumulative),
    WAGGLE_FIELD(softnet_fact, squeezed, Unit::count,
                 "How often it stopped receiving with packets left, because the budget of one go was used up "
                 "(net.core.netdev_budget, netdev_budget_usecs).",
                 trait_cumulative),
    WAGGLE_FIELD(softnet_fact, passed_on, Unit::count,
                 "How often another processor passed packets on to it (RPS).", trait_cumulative),
    WAGGLE_FIELD(softnet_fact, flow_limited, Unit::count,
                 "Of dropped: packets of one flow that filled half of the backlog alone "
                 "(net.core.flow_limit_cpu_bitmap).",
                 trait_cumulative),
    WAGGLE_FIELD(softnet_fact, backlog, Unit::count,
                 "Packets that wait in its backlog now; 0 also before Linux 5.10."),
};
constexpr Schema softnet_schema = {
    "softnet", "What one processor did with received packets, of all devices and network namespaces.",
    sizeof(softnet_fact), softnet_fields, false};

class Softnet final : public Fact {
  public:
    explicit Softnet(const Roots& roots) : root_(roots.proc), proc_(roots.proc) {}
    const Schema& schema() const override { return softnet_schema; }

    // A line for each processor that is online, of hexadecimal numbers; which one it is stands in it since 5.10.
    Result<void> read(const RowSink& sink) override {
        std::string_view text = proc_.file("thread-self/net/softnet_stat");
        if (text.empty()) return Error{fmt::format("cannot read {}/thread-self/net/softnet_stat", root_)};
        RecordWriter<softnet_fact> record;
        for (__u32 line_number = 0; !text.empty(); ++line_number) {
            const std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(text.size(), line.size() + 1));
            std::uint64_t columns[14] = {};
            std::size_t have = 0;
            for (const char* at = line.data(); have < std::size(columns); ++have) {
                const char* end = line.data() + line.size();
                while (at != end && *at == ' ') ++at;
                const auto [next, error] = std::from_chars(at, end, columns[have], 16);
                if (error != std::errc{}) break;
                at = next;
            }
            if (have < 11)
                return Error{
                    fmt::format("{}/thread-self/net/softnet_stat: a line with {} numbers", root_, have)};
            record.clear();
            record.fixed.cpu = have > 12 ? static_cast<__u32>(columns[12]) : line_number;
            record.fixed.processed = columns[0];
            record.fixed.dropped = columns[1];
            record.fixed.squeezed = columns[2];
            record.fixed.passed_on = columns[9];
            record.fixed.flow_limited = columns[10];
            record.fixed.backlog = columns[11];
            sink(Row(softnet_schema, record.finish()));
        }
        return {};
    }

  private:
    std::string root_;
    Procfs proc_;
};

}  // namespace

std::unique_ptr<Fact> make_softnet(const Roots& roots) { return std::make_unique<Softnet>(roots); }

}  // namespace waggle::facts
