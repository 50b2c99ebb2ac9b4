// SPDX-License-Identifier: Apache-2.0
#include "sensors/kernel_lock/kernel_lock.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "engine/support/kernel_symbol.h"
#include "kernel_lock.skel.h"
#include "model/histogram.h"
#include "sensing/open_waits.h"
#include "sensing/probed_running.h"
#include "sensors/kernel_lock/kernel_lock.event.h"
#include "symbols/symbols.h"
#include "waggle/map.h"

namespace waggle::sensors {
namespace {

constexpr Field fields[] = {
    WAGGLE_HEADER_FIELDS(kernel_lock_event),
    WAGGLE_FIELD(kernel_lock_event, context, Unit::none,
                 "What waited: thread, softirq, hardirq, nmi; where the kernel does not name its variables, "
                 "of those that spin only "
                 "interrupt (one of these three), or any (an interrupt of user space, or a page fault). "
                 "Where it is no thread, "
                 "no process is named: pid is 0.",
                 trait_key, "kernel_lock_context"),
    WAGGLE_FIELD(
        kernel_lock_event, type, Unit::none,
        "What kind of lock, and what for: spinlock, rwlock_read, rwlock_write, mutex, rwsem_read, "
        "rwsem_write, "
        "percpu_rwsem_read, percpu_rwsem_write, semaphore, rt_mutex, rt_rwlock_read, rt_rwlock_write.",
        trait_key, "kernel_lock_type"),
    WAGGLE_FIELD(kernel_lock_event, function, Unit::none,
                 "The function of the kernel that wants the lock: the first above those of the lock itself.",
                 trait_key | trait_nullable, "kernel_function"),
    WAGGLE_FIELD(kernel_lock_event, lock, Unit::none,
                 "Which lock: a variable of the kernel where it names its variables, or mmap_lock, siglock, "
                 "file_lock of "
                 "the process that waits; null where it has no name.",
                 trait_nullable, "kernel_lock"),
    WAGGLE_FIELD(kernel_lock_event, address, Unit::identifier,
                 "The lock by its address; 0: several, which found no row of their own.", trait_key),
    WAGGLE_FIELD(kernel_lock_event, waits, Unit::count, "Waits that ended.", trait_cumulative),
    WAGGLE_FIELD(kernel_lock_event, wait_ns, Unit::nanoseconds,
                 "How long they took, summed; of a thread that still sleeps, up to now.", trait_cumulative),
    WAGGLE_FIELD(kernel_lock_event, spin_ns, Unit::nanoseconds,
                 "Of the waits that ended, the time in which the one that waited kept its processor busy.",
                 trait_cumulative),
    WAGGLE_FIELD(
        kernel_lock_event, given_up, Unit::count,
        "Of the waits that ended, without the lock: a signal ended them, or it would have been a deadlock.",
        trait_cumulative),
    WAGGLE_FIELD(kernel_lock_event, longest_wait_ns, Unit::nanoseconds,
                 "The longest wait that ended in this time, or goes on."),
    WAGGLE_FIELD(kernel_lock_event, waiting, Unit::count, "Threads that sleep for it at this moment."),
    WAGGLE_FIELD(kernel_lock_event, covers_ns, Unit::nanoseconds,
                 "The time this row is about: since the last snapshot.", trait_cumulative),
    WAGGLE_FIELD(kernel_lock_event, wait_histogram, Unit::nanoseconds,
                 "How many of the waits that ended took how long.", trait_cumulative),
};
constexpr Schema schema = {
    "kernel_lock",
    "Waits of one process, or of interrupts, for one lock of the kernel in one of its functions "
    "since the last snapshot.",
    sizeof(kernel_lock_event),
    fields,
    true,
    1};
constexpr auto all_schemas = schemas_by_kind({{0, &schema}});

std::string type_name(std::uint64_t type) {
    switch (type) {
        case 0:
            return "semaphore";
        case kernel_lock_spins:
            return "spinlock";
        case kernel_lock_spins | kernel_lock_read:
            return "rwlock_read";
        case kernel_lock_spins | kernel_lock_write:
            return "rwlock_write";
        case kernel_lock_mutex:
            return "mutex";
        case kernel_lock_read:
            return "rwsem_read";
        case kernel_lock_write:
            return "rwsem_write";
        case kernel_lock_percpu | kernel_lock_read:
            return "percpu_rwsem_read";
        case kernel_lock_percpu | kernel_lock_write:
            return "percpu_rwsem_write";
        case kernel_lock_rt:
            return "rt_mutex";
        case kernel_lock_rt | kernel_lock_read:
            return "rt_rwlock_read";
        case kernel_lock_rt | kernel_lock_write:
            return "rt_rwlock_write";
        default:
            return {};
    }
}

std::string context_name(std::uint64_t context) {
    static constexpr std::string_view names[] = {"thread", "softirq", "hardirq", "nmi", "interrupt", "any"};
    return name_at(names, context);
}

// Where the kernel and its modules lie (Documentation/arch/x86/x86_64/mm.rst).
constexpr std::uint64_t kernel_image = 0xffffffff80000000;

std::string lock_name(kernel::SymbolFinder& variables, std::uint64_t lock) {
    switch (lock) {
        case kernel_lock_mmap:
            return "mmap_lock";
        case kernel_lock_signals:
            return "siglock";
        case kernel_lock_files:
            return "file_lock";
        default:
            return to_string(variables.find(lock));
    }
}

// Most locks lie elsewhere, and have no name.
bool can_have_name(std::uint64_t lock) {
    return lock >= kernel_image || (lock != kernel_lock_unknown && lock <= kernel_lock_files);
}

std::string function_name(kernel::SymbolFinder& functions, std::uint64_t address) {
    kernel::Symbol symbol = functions.find_return(address);
    symbol.offset = 0;
    return to_string(symbol);
}

// Without the kernel's symbols the waits are counted all the same; the error says what is missing then.
Result<void> name_locks(Names& names) {
    names.resolve_with("kernel_lock_type", type_name);
    names.resolve_with("kernel_lock_context", context_name);
    Result<OwnedFd> for_functions = kernel::Symbols::open();
    if (!for_functions) return for_functions.error();
    Result<OwnedFd> for_variables = kernel::Symbols::open();
    if (!for_variables) return for_variables.error();
    names.resolve_with("kernel_function",
                       [finder = std::make_shared<kernel::SymbolFinder>(std::move(*for_functions))](
                           std::uint64_t address) { return function_name(*finder, address); });
    constexpr int most_reads = 2;  // many kernels name no variable
    names.resolve_with("kernel_lock",
                       [finder = std::make_shared<kernel::SymbolFinder>(
                            std::move(*for_variables), kernel::SymbolKind::variables, most_reads)](
                           std::uint64_t lock) { return lock_name(*finder, lock); });
    return {};
}

constexpr std::string_view on_begin[] = {"on_begin", "on_begin_by_stack"};
constexpr std::string_view on_end[] = {"on_end"};
constexpr Moment moments[] = {
    {"end", on_end, "Waits for locks of the kernel are not seen.", true},
    {"begin", on_begin, "Waits for locks of the kernel are not seen.", true},
};

constexpr std::string_view top_query =
    R"(SELECT k.pid AS pid, CASE WHEN k.context <> 'thread' THEN k.context WHEN k.pid = 0 THEN 'idle' ELSE k.comm END AS comm,
       k.type AS type, k.lock AS lock, k.function AS function, sum(k.waits) AS waits,
       sum(k.wait_ns) / nullif(sum(k.waits), 0) AS mean_wait_ns, max(k.longest_wait_ns) AS longest_wait_ns,
       sum(k.wait_ns) AS wait_ns, sum(k.spin_ns) AS spin_ns, round(sum(k.wait_ns) * 1.0 / max(w.to_ns - w.from_ns, 1), 3) AS waiting_on_average
FROM kernel_lock k, window w WHERE k.time_ns >= w.from_ns
GROUP BY k.pid, k.start_ns, k.context, k.type, k.lock, k.function ORDER BY sum(k.wait_ns) DESC, k.pid, k.type, k.lock, k.function)";
constexpr std::string_view figures_query =
    R"(SELECT coalesce(sum(k.waits), 0) / w.seconds AS waits_per_second,
       round(coalesce(sum(k.wait_ns), 0) / w.seconds / 1e9, 3) AS waiting_on_average,
       coalesce(sum(k.spin_ns), 0) / w.seconds / 1e7 AS spinning_core_percent
FROM window w LEFT JOIN kernel_lock k ON k.time_ns >= w.from_ns WHERE w.seconds > 0)";

constexpr std::uint32_t forget_after = 30;
constexpr auto unknown = static_cast<std::uint64_t>(null_i64);

class KernelLock final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        auto probes = open_probes(kernel_lock_source, kernel_lock_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        for (const std::string name :
             {"lock_text_start", "lock_text_end", "sched_text_start", "sched_text_end"})
            if (const auto address = kernel::symbol_address("__" + name); address)
                if (auto set = probes->object().set_constant(name, *address); !set) return set.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        auto sleepers = MapView::open(probes->object(), "sleepers");
        if (!sleepers) return sleepers.error();
        const auto reading = probes->object().global<std::uint32_t>("reading");
        if (!reading) return reading.error();
        std::unique_ptr<KernelLock> running(
            new KernelLock(names, std::move(*probes), std::move(*sleepers), *reading));
        if (auto prepared = running->prepare(); !prepared) return prepared.error();
        if (auto named = name_locks(names); !named) running->problem_ = named.error().message;
        return std::unique_ptr<Running>(std::move(running));
    }

    void snapshot(const RecordSink& sink) override {
        now_ns_ = SystemClock().monotonic_ns();
        ended_reading_ = *reading_;
        *reading_ = ended_reading_ + 1;
        read_sleepers();
        ProbedRunning::snapshot([&](std::span<const Bytes> values) { sink(packer_.pack(values)); });
        waits_.end();
        last_ns_ = now_ns_;
    }

    std::vector<std::string> problems() const override {
        if (problem_.empty()) return {};
        return {"the functions that wait for locks have no names: " + problem_};
    }

  private:
    using Key = std::array<std::uint64_t, sizeof(kernel_lock_key) / 8>;

    KernelLock(const Names& names, kernel::Probes probes, MapView sleepers, volatile std::uint32_t* reading)
        : ProbedRunning(kernel_lock_source, std::move(probes)),
          names_(names),
          sleepers_(std::move(sleepers)),
          reading_(reading),
          last_ns_(SystemClock().monotonic_ns()) {}

    Result<void> prepare() {
        if (auto counted = probes().count_loss("lost_map_full", "map full"); !counted) return counted;
        for (const char* map : {"rows", "rows_of_the_rest"}) {
            kernel::Snapshot::Options options;
            options.forget_after = forget_after;
            options.adjust = [this](std::byte* record) {
                complete(*reinterpret_cast<kernel_lock_state*>(record));
            };
            if (auto opened =
                    probes().snapshot_map(map,
                                          {{offsetof(kernel_lock_event, waits), 4},
                                           {offsetof(kernel_lock_state, slots), KERNEL_LOCK_SLOTS, 4}},
                                          std::move(options));
                !opened)
                return opened;
        }
        return {};
    }

    static Key key_of(const kernel_lock_key& key) {
        Key out;
        std::memcpy(out.data(), &key, sizeof out);
        return out;
    }

    void read_sleepers() {
        waits_.begin();
        // A walk that ends early misses sleepers of this moment; the next snapshot has them.
        (void)sleepers_.each([&](Bytes, Bytes value) {
            kernel_lock_wait wait;
            std::memcpy(&wait, value.data(), sizeof wait);
            if (wait.since_ns < now_ns_) waits_.add(key_of(wait.row), now_ns_ - wait.since_ns);
            return true;
        });
    }

    void complete(kernel_lock_state& state) {
        kernel_lock_event& row = state.row;
        const kernel_lock_key key{row.header.start_ns,
                                  row.function,
                                  row.address,
                                  row.header.pid,
                                  static_cast<__u16>(row.type),
                                  static_cast<__u16>(row.context)};
        row.header.time_ns = now_ns_;
        row.covers_ns = now_ns_ - last_ns_;
        const auto whole = waits_.complete(key_of(key), row.waits, row.wait_ns);
        row.waiting = whole.waiting;
        row.wait_ns = whole.wait_ns;
        const std::uint64_t longest = state.longest[ended_reading_ & 1];
        const bool is_of_this = longest >> KERNEL_LOCK_READING_SHIFT == (ended_reading_ & 0xff);
        if (names_.find("kernel_function", row.function).empty()) row.function = unknown;
        if (!can_have_name(row.lock) || names_.find("kernel_lock", row.lock).empty()) row.lock = unknown;
        row.longest_wait_ns =
            std::max<std::uint64_t>(whole.longest_ns, is_of_this ? longest & KERNEL_LOCK_LONGEST_MASK : 0);
    }

    const Names& names_;
    MapView sleepers_;
    volatile std::uint32_t* reading_;  // the kernel side's own
    std::uint32_t ended_reading_ = 0;
    OpenWaits<Key> waits_;
    HistogramPacker packer_{0,
                            {WAGGLE_HISTOGRAM_PLACE(kernel_lock_state, slots, row.wait_histogram,
                                                    KERNEL_LOCK_UNIT, KERNEL_LOCK_END)}};
    std::string problem_;
    std::uint64_t now_ns_ = 0;   // of the snapshot being taken
    std::uint64_t last_ns_ = 0;  // of the one before
};

}  // namespace

constinit const Source kernel_lock_source = {
    .name = "kernel_lock",
    .question = "For which locks of the kernel does who wait, and in which function?",
    .schemas = all_schemas,
    .only_named = true,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = KernelLock::start,
};

}  // namespace waggle::sensors
