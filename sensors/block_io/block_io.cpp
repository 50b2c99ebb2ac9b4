// SPDX-License-Identifier: Apache-2.0
#include "sensors/block_io/block_io.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/clock.h"
#include "base/errno_name.h"
#include "base/text.h"
#include "block_io.skel.h"
#include "model/histogram.h"
#include "sensing/probed_running.h"
#include "sensors/block_io/block_io.event.h"

namespace waggle::sensors {
namespace {

constexpr Field device_field(std::size_t offset) {
    return make_field("device", Type::text, Unit::none, offset, BLOCK_DEVICE_LEN,
                      "The disk by its name: vda, loop0.", trait_key);
}
constexpr Field number_field(std::string_view name, std::size_t offset, std::string_view meaning) {
    return make_field(name, Type::u32, Unit::identifier, offset, 4, meaning, trait_hidden);
}
constexpr std::string_view major_meaning =
    "The disk by its number: the part before the colon in /sys/block/X/dev.";
constexpr std::string_view minor_meaning =
    "The disk by its number: the part behind the colon in /sys/block/X/dev.";

constexpr Field io_fields[] = {
    WAGGLE_HEADER_FIELDS(block_io_event),
    device_field(offsetof(block_io_event, device)),
    number_field("major", offsetof(block_io_event, major), major_meaning),
    number_field("minor", offsetof(block_io_event, minor), minor_meaning),
    WAGGLE_FIELD(block_io_event, operation, Unit::none,
                 "What was asked of the disk: READ, WRITE, FLUSH, DISCARD.", trait_none, "block_operation"),
    WAGGLE_FIELD(block_io_event, bytes, Unit::bytes, "Size of the request when it was given to the disk."),
    WAGGLE_FIELD(block_io_event, sector, Unit::none, "Where on the disk it begins, in sectors of 512 bytes."),
    WAGGLE_FIELD(block_io_event, queue_ns, Unit::nanoseconds,
                 "Time it waited in the kernel's queue before the disk got it."),
    WAGGLE_FIELD(block_io_event, device_ns, Unit::nanoseconds, "Time the disk took for it."),
    WAGGLE_FIELD(block_io_event, error, Unit::none, "Why it failed, by errno name; 0 when it did not.",
                 trait_none, "errno"),
    WAGGLE_FIELD(
        block_io_event, flags, Unit::none,
        "How it was asked: SYNC (somebody waits), META (metadata), FUA (not into the disk's cache), RAHEAD "
        "(read ahead), BACKGROUND (writeback).",
        trait_none, "block_flags"),
    WAGGLE_FLAG(block_io_event, sequential,
                "It begins where the process's last request of this operation on this disk ended."),
    WAGGLE_FLAG(
        block_io_event, direct,
        "The data goes between the disk and the process's own memory, past the page cache; no also where "
        "this cannot be seen."),
    WAGGLE_FIELD(block_io_event, depth, Unit::count,
                 "Requests the disk had, this one too, when it got this one."),
    WAGGLE_FIELD(block_io_event, requeues, Unit::count,
                 "How often the driver gave it back because it was full.", trait_hidden),
};
constexpr Schema io_schema = {"block_io", "A request to a disk, from its start to its end.",
                              sizeof(block_io_event), io_fields, true};

constexpr Field total_fields[] = {
    WAGGLE_HEADER_FIELDS(block_io_total_event),
    device_field(offsetof(block_io_total_event, device)),
    number_field("major", offsetof(block_io_total_event, major), major_meaning),
    number_field("minor", offsetof(block_io_total_event, minor), minor_meaning),
    WAGGLE_FIELD(block_io_total_event, operation, Unit::none,
                 "What was asked of the disk: READ, WRITE, FLUSH, DISCARD.", trait_key, "block_operation"),
    WAGGLE_FIELD(block_io_total_event, requests, Unit::count, "Requests that ended.", trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, bytes, Unit::bytes, "Bytes of these requests.", trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, sequential, Unit::count,
                 "Requests that began where the process's last one of this operation on this disk ended.",
                 trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, direct, Unit::count,
                 "Requests whose data went past the page cache, as far as this can be seen.",
                 trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, errors, Unit::count, "Requests that failed.", trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, queue_ns, Unit::nanoseconds,
                 "Time these requests waited in the kernel's queue, summed.", trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, device_ns, Unit::nanoseconds,
                 "Time the disk took for these requests, summed.", trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, waited_ns, Unit::nanoseconds,
                 "Queue and disk time of those requests that somebody waited for: reads, flushes and "
                 "synchronous writes; not what the kernel writes out on its own.",
                 trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, queue_histogram, Unit::nanoseconds,
                 "How many requests waited how long in the kernel's queue.", trait_cumulative),
    WAGGLE_FIELD(block_io_total_event, device_histogram, Unit::nanoseconds,
                 "For how many requests the disk took how long.", trait_cumulative),
};
constexpr Schema total_schema = {"block_io_total",
                                 "What one process asked of one disk since the last snapshot, by operation.",
                                 sizeof(block_io_total_event), total_fields, true};

constexpr Field device_fields[] = {
    make_field("time_ns", Type::u64, Unit::nanoseconds, offsetof(block_device_event, header.time_ns), 8,
               "When it was read, by the clock CLOCK_MONOTONIC."),
    device_field(offsetof(block_device_event, device)),
    number_field("major", offsetof(block_device_event, major), major_meaning),
    number_field("minor", offsetof(block_device_event, minor), minor_meaning),
    WAGGLE_FIELD(block_device_event, requests, Unit::count, "Requests that ended.", trait_cumulative),
    WAGGLE_FIELD(block_device_event, read_bytes, Unit::bytes, "Bytes read.", trait_cumulative),
    WAGGLE_FIELD(block_device_event, write_bytes, Unit::bytes, "Bytes written.", trait_cumulative),
    WAGGLE_FIELD(block_device_event, errors, Unit::count, "Requests that failed.", trait_cumulative),
    WAGGLE_FIELD(block_device_event, busy_ns, Unit::nanoseconds,
                 "Time during which the disk had at least one request.", trait_cumulative),
    WAGGLE_FIELD(
        block_device_event, depth_ns, Unit::nanoseconds,
        "Requests the disk had, times how long it had them; divided by covers_ns it is their mean number.",
        trait_cumulative),
    WAGGLE_FIELD(block_device_event, covers_ns, Unit::nanoseconds,
                 "The time this row is about: since the last snapshot. busy_ns / covers_ns is the share of "
                 "time busy."),
    WAGGLE_FIELD(block_device_event, in_flight, Unit::count, "Requests the disk had when it was read."),
};
constexpr Schema device_schema = {"block_device",
                                  "A disk since the last snapshot: what it did, how busy it was.",
                                  sizeof(block_device_event), device_fields, false};

constexpr Field dirty_fields[] = {
    WAGGLE_HEADER_FIELDS(page_dirty_total_event),
    device_field(offsetof(page_dirty_total_event, device)),
    number_field("major", offsetof(page_dirty_total_event, major), major_meaning),
    number_field("minor", offsetof(page_dirty_total_event, minor), minor_meaning),
    WAGGLE_FIELD(page_dirty_total_event, bytes, Unit::bytes,
                 "Bytes of the cached pages that became dirty: changed, and not yet written to the disk.",
                 trait_cumulative),
};
constexpr Schema dirty_schema = {
    "page_dirty_total",
    "What one process wrote into the cache of one disk since the last snapshot; the kernel writes "
    "it to the disk later.",
    sizeof(page_dirty_total_event), dirty_fields, true};

constexpr auto all_schemas = schemas_by_kind({{BLOCK_IO, &io_schema},
                                              {BLOCK_IO_TOTAL, &total_schema},
                                              {BLOCK_DEVICE, &device_schema},
                                              {BLOCK_PAGE_DIRTY, &dirty_schema}});

std::string operation_name(std::uint64_t operation) {
    // enum req_op of include/linux/blk_types.h; the numbers are the same on 6.1, 6.12 and 6.18.
    static constexpr std::pair<std::uint64_t, std::string_view> names[] = {
        {0, "READ"},         {1, "WRITE"},        {2, "FLUSH"},        {3, "DISCARD"},
        {5, "SECURE_ERASE"}, {7, "ZONE_APPEND"},  {9, "WRITE_ZEROES"}, {11, "ZONE_OPEN"},
        {13, "ZONE_CLOSE"},  {15, "ZONE_FINISH"}, {17, "ZONE_RESET"},  {19, "ZONE_RESET_ALL"},
        {34, "DRIVER_IN"},   {35, "DRIVER_OUT"}};
    for (const auto& [number, name] : names)
        if (number == operation) return std::string(name);
    return {};
}

std::string flags_name(std::uint64_t flags) {
    static constexpr std::string_view names[] = {"SYNC",   "META",       "PRIO",   "FUA",    "PREFLUSH",
                                                 "RAHEAD", "BACKGROUND", "NOWAIT", "POLLED", "SWAP"};
    std::string text;
    for (std::size_t bit = 0; bit < std::size(names); ++bit)
        if (flags >> bit & 1) text += (text.empty() ? "" : "|") + std::string(names[bit]);
    return text.empty() ? "none" : text;
}

constexpr std::string_view on_dirty[] = {"on_dirty"};
constexpr std::string_view on_allocate[] = {"on_allocate"};
constexpr std::string_view on_complete[] = {"on_complete"};
constexpr std::string_view on_requeue[] = {"on_requeue"};
constexpr std::string_view on_merge[] = {"on_merge"};
constexpr std::string_view on_insert[] = {"on_insert"};
constexpr std::string_view on_issue[] = {"on_issue"};
constexpr Moment moments[] = {
    {"allocate", on_allocate, "Flushes are put down to the kernel worker that issues them.", false},
    {"complete", on_complete, "Requests are not seen.", true},
    {"requeue", on_requeue, "Requests that the driver gave back count as if the disk had them.", false},
    {"merge", on_merge, "A request that was merged into another leaves an entry behind.", false},
    {"insert", on_insert, "Requests that wait in a queue are put down to the kernel worker that issues them.",
     false},
    {"issue", on_issue, "Requests are not seen.", true},
    {"dirty", on_dirty, "Who wrote what a kernel worker writes to the disk is not seen.", false},
};

constexpr std::uint32_t total_counter = offsetof(block_io_total_event, requests);
constexpr std::uint32_t total_counters =
    (offsetof(block_io_total_event, queue_histogram) - total_counter) / 8;
constexpr std::uint32_t forget_totals_after = 30;

constexpr std::string_view top_query =
    R"(SELECT t.device AS device, t.pid AS pid, t.comm AS comm, t.operation AS operation,
       sum(t.requests) AS requests, sum(t.bytes) AS bytes, sum(t.sequential) * 100 / sum(t.requests) AS sequential_percent,
       sum(t.direct) * 100 / sum(t.requests) AS direct_percent, sum(t.queue_ns) / sum(t.requests) AS mean_queue_ns,
       sum(t.device_ns) / sum(t.requests) AS mean_device_ns, hist_percentile(t.device_histogram, 0.99) AS p99_device_ns
FROM block_io_total t, window w WHERE t.time_ns >= w.from_ns AND t.requests > 0
GROUP BY t.device, t.pid, t.comm, t.operation ORDER BY sum(t.device_ns) DESC, device, pid, operation)";
constexpr std::string_view figures_query =
    R"(WITH d AS MATERIALIZED (
    SELECT b.device AS device, sum(b.requests) AS requests, sum(b.read_bytes) AS read_bytes,
           sum(b.write_bytes) AS write_bytes, sum(b.busy_ns) AS busy_ns, sum(b.depth_ns) AS depth_ns,
           sum(b.covers_ns) AS covers_ns
    FROM block_device b, window w WHERE b.time_ns >= w.from_ns GROUP BY b.device)
SELECT sum(requests) * 1e9 / max(covers_ns) AS requests_per_second,
       sum(read_bytes) * 1e9 / max(covers_ns) AS read_bytes_per_second,
       sum(write_bytes) * 1e9 / max(covers_ns) AS written_bytes_per_second,
       max(busy_ns * 100.0 / covers_ns) AS busiest_disk_percent FROM d WHERE covers_ns > 0)";

class BlockIo final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        auto probes = open_probes(block_io_source, block_io_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        std::unique_ptr<BlockIo> running(new BlockIo(std::move(*probes)));
        if (auto prepared = running->prepare(); !prepared) return prepared.error();
        names.resolve_with("block_operation", operation_name);
        names.resolve_with("block_flags", flags_name);
        names.resolve_with("errno", errno_name);
        return std::unique_ptr<Running>(std::move(running));
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        ProbedRunning::snapshot([&](std::span<const Bytes> values) { sink(totals_.pack(values)); });
        last_ns_ = now_ns_;
    }

  private:
    struct Counted {
        __u64 busy_ns = 0;
        __u64 depth_ns = 0;
        bool has_old = false;  // requests from before the start
        __u64 old = 0;         // how many, where the disk has no other
        __u64 old_busy_ns = 0;
        __u64 old_depth_ns = 0;
    };

    explicit BlockIo(kernel::Probes probes) : ProbedRunning(block_io_source, std::move(probes)) {}

    Result<void> prepare() {
        kernel::Probes& probes = this->probes();
        for (const auto& [variable, cause] : {std::pair{"lost_map_full", "map full"},
                                              std::pair{"lost_began_before", "began before waggle started"},
                                              std::pair{"lost_start_missed", "start not seen"}})
            if (auto counted = probes.count_loss(variable, cause); !counted) return counted;
        kernel::Snapshot::Options forgetful;
        forgetful.forget_after = forget_totals_after;
        if (auto map =
                probes.snapshot_map("totals",
                                    {{total_counter, total_counters},
                                     {offsetof(block_io_total_state, queue_slots), 2 * BLOCK_SLOTS, 4}},
                                    std::move(forgetful));
            !map)
            return map;
        kernel::Snapshot::Options forgetful_too;
        forgetful_too.forget_after = forget_totals_after;
        forgetful_too.adjust = [this](std::byte* record) {
            reinterpret_cast<waggle_event*>(record)->time_ns = now_ns_;
        };
        if (auto map = probes.snapshot_map("dirtied", {{offsetof(page_dirty_total_event, bytes)}},
                                           std::move(forgetful_too));
            !map)
            return map;
        kernel::Snapshot::Options standing;
        standing.keep_unchanged = true;
        standing.adjust = [this](std::byte* record) { count_until_now(record); };
        constexpr std::uint32_t first = offsetof(block_device_event, requests);
        constexpr std::uint32_t counters = (offsetof(block_device_event, covers_ns) - first) / 8;
        if (auto map = probes.snapshot_map("devices", {{first, counters}}, std::move(standing)); !map)
            return map;
        const Result<int> fd = probes.object().map_fd("devices");
        if (!fd) return fd.error();
        devices_fd_ = *fd;
        auto since = probes.object().global<std::uint64_t>("watching_since_ns");
        if (!since) return since.error();
        now_ns_ = last_ns_ = SystemClock().monotonic_ns();
        **since = last_ns_;
        note_old_requests();
        return {};
    }

    // A disk that stands still already gives no event at all. So disks that have requests now are known from
    // the start, and asked at each snapshot until they have none.
    void note_old_requests() {
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator("/sys/block", none)) {
            block_device_state state{};
            block_device_event& row = state.row;
            const auto number = read_file(entry.path().string() + "/dev", 64);
            if (!number || std::sscanf(number->c_str(), "%u:%u", &row.major, &row.minor) != 2) continue;
            if (in_flight_by_kernel(row).value_or(0) == 0) continue;
            row.header.kind = BLOCK_DEVICE;
            row.header.size = sizeof row;
            const std::string name = entry.path().filename().string();
            std::memcpy(row.device, name.data(), std::min(name.size(), sizeof row.device - 1));
            const std::uint32_t key = key_of(row);
            bpf_map_update_elem(devices_fd_, &key, &state, BPF_NOEXIST);
            devices_[key].has_old = true;
        }
    }

    // The kernel side counts time when a request comes or goes. Here is added what has run since then, so
    // that a disk that is busy with one long request is busy in every snapshot.
    void count_until_now(std::byte* record) {
        auto& state = *reinterpret_cast<block_device_state*>(record);
        block_device_event& row = state.row;
        row.header.time_ns = now_ns_;
        row.covers_ns = now_ns_ - last_ns_;
        if (static_cast<std::int64_t>(row.in_flight) < 0) row.in_flight = 0;
        if (row.in_flight > 0 && state.changed_ns < last_ns_ && in_flight_by_kernel(row) == 0u)
            forget_in_flight(state);
        const __u64 running =
            row.in_flight > 0 && now_ns_ > state.changed_ns ? now_ns_ - state.changed_ns : 0;
        Counted& counted = devices_[key_of(row)];
        count_old(row, counted);
        // The record was copied while it changed, so it can be ahead by one interval; what is cut off here
        // comes with the next snapshot.
        const __u64 busy = row.busy_ns + running + counted.old_busy_ns;
        const __u64 depth = row.depth_ns + running * (row.in_flight - counted.old) + counted.old_depth_ns;
        row.busy_ns = std::clamp(busy, counted.busy_ns, counted.busy_ns + row.covers_ns);
        row.depth_ns = std::max(depth, counted.depth_ns);
        counted.busy_ns = row.busy_ns;
        counted.depth_ns = row.depth_ns;
    }

    // Requests from before the start, on a disk that has no other: it had them all the time since the last
    // snapshot.
    void count_old(block_device_event& row, Counted& counted) const {
        counted.old = 0;
        if (!counted.has_old || row.in_flight > 0) return;
        counted.old = in_flight_by_kernel(row).value_or(0);
        counted.has_old = counted.old > 0;
        if (!counted.has_old) return;
        row.in_flight = counted.old;
        // What the kernel side counted in this time is part of it.
        counted.old_busy_ns = counted.busy_ns + row.covers_ns > row.busy_ns
                                  ? counted.busy_ns + row.covers_ns - row.busy_ns
                                  : counted.old_busy_ns;
        counted.old_depth_ns += row.covers_ns * counted.old;
    }

    static std::uint32_t key_of(const block_device_event& row) { return row.major << 20 | row.minor; }

    // How many requests the kernel says the disk has; empty where it does not say.
    static std::optional<std::uint64_t> in_flight_by_kernel(const block_device_event& row) {
        const auto text = read_file(fmt::format("/sys/dev/block/{}:{}/inflight", row.major, row.minor), 256);
        unsigned reads = 0, writes = 0;
        if (!text || std::sscanf(text->c_str(), "%u %u", &reads, &writes) != 2) return {};
        return std::uint64_t{reads} + writes;
    }

    // An end that was missed leaves a request in flight for good. When the disk stood still for a whole
    // snapshot with requests in flight, the kernel's own count decides.
    void forget_in_flight(block_device_state& state) const {
        const std::uint32_t key = key_of(state.row);
        block_device_state now{};
        if (bpf_map_lookup_elem(devices_fd_, &key, &now) != 0 || now.changed_ns != state.changed_ns) return;
        now.row.in_flight = 0;
        bpf_map_update_elem(devices_fd_, &key, &now, BPF_EXIST);
        state.row.in_flight = 0;
    }

    HistogramPacker totals_{1,
                            {WAGGLE_HISTOGRAM_PLACE(block_io_total_state, queue_slots, row.queue_histogram,
                                                    BLOCK_TIME_UNIT, BLOCK_TIME_END),
                             WAGGLE_HISTOGRAM_PLACE(block_io_total_state, device_slots, row.device_histogram,
                                                    BLOCK_TIME_UNIT, BLOCK_TIME_END)}};
    int devices_fd_ = -1;
    std::uint64_t now_ns_ = 0;   // of the snapshot being taken
    std::uint64_t last_ns_ = 0;  // of the one before
    std::map<std::uint32_t, Counted> devices_;
};

}  // namespace

constinit const Source block_io_source = {
    .name = "block_io",
    .question = "Who makes the disks work, and how long does the work take?",
    .schemas = all_schemas,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = BlockIo::start,
};

}  // namespace waggle::sensors
