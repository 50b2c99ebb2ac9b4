// SPDX-License-Identifier: Apache-2.0
#include "sensors/lock/lock.h"

#include <cstring>
#include <map>
#include <tuple>

#include "base/clock.h"
#include "base/put.h"
#include "lock.skel.h"
#include "sensing/open_waits.h"
#include "sensing/probed_running.h"
#include "sensors/lock/lock.event.h"
#include "symbols/variables.h"
#include "waggle/map.h"

namespace waggle::sensors {
namespace {

constexpr Field lock_fields[] = {
    WAGGLE_HEADER_FIELDS(lock_event),
    WAGGLE_FIELD(lock_event, address, Unit::identifier, "The lock by its address in the process.", trait_key),
    WAGGLE_FIELD(lock_event, variable, Unit::none,
                 "What lies there: a variable and its file where the program's symbols are there; else the "
                 "file, heap or "
                 "stack; empty where it is not known, or nobody waits much for it."),
    WAGGLE_FIELD(lock_event, waits, Unit::count, "How often a thread slept for it and was woken.",
                 trait_cumulative),
    WAGGLE_FIELD(lock_event, wait_ns, Unit::nanoseconds,
                 "How long threads slept for it, summed; of one that still sleeps, up to now.",
                 trait_cumulative),
    WAGGLE_FIELD(lock_event, woken, Unit::count,
                 "Of these waits, ended by a thread of the process that woke the one that waited; the others "
                 "ended by a "
                 "signal or a time limit.",
                 trait_cumulative),
    WAGGLE_FIELD(lock_event, woken_by_waiters, Unit::count,
                 "Of these, by a thread whose own last wait was for this lock: it had it then, and let the "
                 "next have it.",
                 trait_cumulative),
    WAGGLE_FIELD(lock_event, waiting, Unit::count, "Threads that sleep for it at this moment."),
    WAGGLE_FIELD(lock_event, covers_ns, Unit::nanoseconds,
                 "The time this row is about: since the last snapshot.", trait_cumulative),
};
constexpr Schema lock_schema = {"lock",
                                "A lock that threads of one process slept for since the last snapshot: taken "
                                "by another thread, and waited for in futex(2).",
                                sizeof(lock_event), lock_fields, true};

constexpr Field releaser_fields[] = {
    WAGGLE_HEADER_FIELDS(lock_releaser_event),
    WAGGLE_FIELD(lock_releaser_event, address, Unit::identifier, "The lock by its address in the process.",
                 trait_key),
    WAGGLE_FIELD(lock_releaser_event, woken, Unit::count,
                 "How often this thread woke one that slept for the lock.", trait_cumulative),
    WAGGLE_FIELD(lock_releaser_event, held, Unit::count,
                 "Of these, after it had slept for the lock itself and was woken.", trait_cumulative),
    WAGGLE_FIELD(lock_releaser_event, held_ns, Unit::nanoseconds,
                 "How long it had the lock these times, summed: from being woken to waking the next.",
                 trait_cumulative),
    WAGGLE_FIELD(lock_releaser_event, covers_ns, Unit::nanoseconds,
                 "The time this row is about: since the last snapshot.", trait_cumulative),
};
constexpr Schema releaser_schema = {
    "lock_releaser", "A thread that woke others that slept for one lock since the last snapshot.",
    sizeof(lock_releaser_event), releaser_fields, true};

constexpr auto all_schemas =
    schemas_by_kind({{lock_kind_lock, &lock_schema}, {lock_kind_releaser, &releaser_schema}});

constexpr std::string_view on_switch[] = {"on_switch"};
constexpr std::string_view on_waking[] = {"on_waking"};
constexpr std::string_view on_exit[] = {"on_exit"};
constexpr Moment moments[] = {
    {"waking", on_waking, "Locks are not seen.", true},
    {"exit", on_exit, "Threads that end are kept until another has their number.", false},
    {"switch", on_switch, "Locks are not seen.", true},
};

constexpr std::string_view top_query =
    R"(SELECT l.pid AS pid, l.comm AS comm, printf('0x%x', l.address) AS address, max(nullif(l.variable, '')) AS variable,
       sum(l.wait_ns) * 1.0 / max(w.to_ns - w.from_ns, 1) AS waiting_on_average, sum(l.waits) / w.seconds AS waits_per_second,
       sum(l.wait_ns) / max(sum(l.waits), 1) AS mean_wait_ns,
       sum(l.woken_by_waiters) * 100.0 / nullif(sum(l.woken), 0) AS by_waiters_percent
FROM lock l, window w WHERE l.time_ns >= w.from_ns AND w.seconds > 0
GROUP BY l.pid, l.start_ns, l.address ORDER BY sum(l.wait_ns) DESC, l.pid, l.address)";
constexpr std::string_view figures_query =
    R"(SELECT coalesce(sum(l.waits), 0) / w.seconds AS waits_per_second,
       coalesce(sum(l.wait_ns), 0) / w.seconds / 1e9 AS waiting_on_average
FROM window w LEFT JOIN lock l ON l.time_ns >= w.from_ns WHERE w.seconds > 0)";

// How much must be waited for a lock, of the time of a snapshot, that its variable is looked for: that reads files.
constexpr std::uint64_t named_from_part = 10;
constexpr int most_named_at_once = 4;
constexpr std::uint32_t forget_after = 30;

class Lock final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names&) {
        auto probes = open_probes(lock_source, lock_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        auto waiters = MapView::open(probes->object(), "waiters");
        if (!waiters) return waiters.error();
        std::unique_ptr<Lock> running(new Lock(std::move(*probes), std::move(*waiters)));
        if (auto prepared = running->prepare(); !prepared) return prepared.error();
        return std::unique_ptr<Running>(std::move(running));
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        named_ = 0;
        read_waiters();
        ProbedRunning::snapshot(sink);
        waits_.end();
        known_ = std::move(next_known_);
        next_known_.clear();
        last_ns_ = now_ns_;
    }

  private:
    using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>;  // the process's start, address, pid
    struct Known {
        std::string variable;
        bool looked = false;
    };

    Lock(kernel::Probes probes, MapView waiters)
        : ProbedRunning(lock_source, std::move(probes)),
          waiters_(std::move(waiters)),
          last_ns_(SystemClock().monotonic_ns()) {}

    Result<void> prepare() {
        if (auto counted = probes().count_loss("lost_map_full", "map full"); !counted) return counted;
        kernel::Snapshot::Options of_locks;
        of_locks.forget_after = forget_after;
        of_locks.adjust = [this](std::byte* record) { complete(*reinterpret_cast<lock_event*>(record)); };
        if (auto map =
                probes().snapshot_map("locks", {{offsetof(lock_event, waits), 4}}, std::move(of_locks));
            !map)
            return map;
        kernel::Snapshot::Options of_releasers;
        of_releasers.forget_after = forget_after;
        of_releasers.adjust = [this](std::byte* record) {
            auto& row = *reinterpret_cast<lock_releaser_event*>(record);
            row.header.time_ns = now_ns_;
            row.covers_ns = now_ns_ - last_ns_;
        };
        return probes().snapshot_map("releasers", {{offsetof(lock_releaser_event, woken), 3}},
                                     std::move(of_releasers));
    }

    void read_waiters() {
        waits_.begin();
        // A walk that ends early misses sleepers of this moment; the next snapshot has them.
        (void)waiters_.each([&](Bytes, Bytes value) {
            lock_waiter waiter;
            std::memcpy(&waiter, value.data(), sizeof waiter);
            if (waiter.since_ns == 0 || waiter.since_ns > now_ns_) return true;
            waits_.add({waiter.start_ns, waiter.address, waiter.pid}, now_ns_ - waiter.since_ns);
            return true;
        });
    }

    void complete(lock_event& row) {
        const Key key{row.header.start_ns, row.address, row.header.pid};
        row.header.time_ns = now_ns_;
        row.covers_ns = now_ns_ - last_ns_;
        const auto before = known_.find(key);
        Known known = before == known_.end() ? Known{} : std::move(before->second);
        const auto whole = waits_.complete(key, row.waits, row.wait_ns);
        row.waiting = whole.waiting;
        row.wait_ns = whole.wait_ns;
        if (!known.looked && whole.added_ns >= row.covers_ns / named_from_part &&
            named_ < most_named_at_once) {
            known.looked = true;
            ++named_;
            known.variable = kernel::variable_at(row.header.pid, row.address);
        }
        facts::put(row.variable, known.variable);
        next_known_.insert_or_assign(key, std::move(known));
    }

    MapView waiters_;
    OpenWaits<Key> waits_;
    std::map<Key, Known> known_;  // of the last snapshot
    std::map<Key, Known> next_known_;
    std::uint64_t now_ns_ = 0;   // of the snapshot being taken
    std::uint64_t last_ns_ = 0;  // of the one before
    int named_ = 0;              // in this snapshot
};

}  // namespace

constinit const Source lock_source = {
    .name = "lock",
    .question = "Which locks do the threads of a program wait for, and who lets them have them?",
    .schemas = all_schemas,
    .only_for = "cpu",
    .top_query = top_query,
    .figures_query = figures_query,
    .start = Lock::start,
};

}  // namespace waggle::sensors
