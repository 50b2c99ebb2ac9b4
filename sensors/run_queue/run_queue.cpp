// SPDX-License-Identifier: Apache-2.0
#include "sensors/run_queue/run_queue.h"

#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "run_queue.skel.h"
#include "sensing/probed_running.h"
#include "sensors/run_queue/run_queue.event.h"
#include "sensors/run_queue/scheduler_reader.h"

namespace waggle::sensors {
namespace {

constexpr std::string_view covers_meaning = "The time this row is about: since the last reading.";

constexpr std::string_view session_meaning = "Its session, by the pid of who began it.";

constexpr Field wait_fields[] = {
    WAGGLE_HEADER_FIELDS(run_queue_wait_event),
    WAGGLE_FIELD(run_queue_wait_event, cpu, Unit::identifier, "The processor it got.", trait_key),
    WAGGLE_FIELD(
        run_queue_wait_event, wait_ns, Unit::nanoseconds,
        "How long the thread was ready to run and did not: since it was woken, was made, or lost the "
        "processor."),
    WAGGLE_FIELD(run_queue_wait_event, before_pid, Unit::identifier,
                 "The process that had this processor until now; 0 where it was idle."),
    WAGGLE_FIELD(run_queue_wait_event, before_comm, Unit::none, "The name of that one's thread."),
    WAGGLE_FLAG(
        run_queue_wait_event, held,
        "When it got ready its control group, or one above, had used up its quota of processor time."),
};
constexpr Schema wait_schema = {"run_queue", "A wait of a thread for a processor that has ended.",
                                sizeof(run_queue_wait_event), wait_fields, true};

constexpr Field total_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(run_queue_total_event),
    WAGGLE_FIELD(run_queue_total_event, run_ns, Unit::nanoseconds,
                 "Time its threads had a processor, summed; of one that still runs, up to now.",
                 trait_cumulative),
    WAGGLE_FIELD(
        run_queue_total_event, wait_ns, Unit::nanoseconds,
        "Time its threads were ready to run and waited for a processor, summed; of one that still waits, up "
        "to now.",
        trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, waits, Unit::count, "Waits for a processor that ended.",
                 trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, longest_wait_ns, Unit::nanoseconds,
                 "The longest wait that ended in this time, or goes on."),
    WAGGLE_FIELD(run_queue_total_event, held_ns, Unit::nanoseconds,
                 "Time its threads were ready to run, but when they got ready their control group, or one "
                 "above, had used "
                 "up its quota of processor time, summed; not in wait_ns.",
                 trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, held, Unit::count, "How often that ended.", trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, voluntary, Unit::count,
                 "How often a thread gave up its processor because it went to sleep, or ended.",
                 trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, involuntary, Unit::count,
                 "How often a thread lost its processor while it could have run on.", trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, migrations, Unit::count,
                 "How often a thread was moved to another processor.", trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, sleep_ns, Unit::nanoseconds,
                 "Time its threads slept until something wakes them, summed. A process that only sleeps has "
                 "no row; what "
                 "it slept is in its next one.",
                 trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, io_ns, Unit::nanoseconds,
                 "Time its threads slept and the kernel counted them as waiting for I/O (in_iowait), summed.",
                 trait_cumulative),
    WAGGLE_FIELD(
        run_queue_total_event, uninterruptible_ns, Unit::nanoseconds,
        "Time its threads slept so that no signal wakes them (state D), other than in io_ns, summed.",
        trait_cumulative),
    WAGGLE_FIELD(run_queue_total_event, stopped_ns, Unit::nanoseconds,
                 "Time its threads were stopped by a signal or a debugger, summed.", trait_cumulative),
    WAGGLE_FIELD(
        run_queue_total_event, unseen_ns, Unit::nanoseconds,
        "Time of which it is not known what a thread did: the kernel left the event of a switch out.",
        trait_cumulative | trait_hidden),
    WAGGLE_FIELD(run_queue_total_event, threads, Unit::count,
                 "How many threads it had in this time, those that ended with them."),
    WAGGLE_FIELD(run_queue_total_event, nice, Unit::none,
                 "The nice value of its busiest thread, -20 to 19 (19 yields to all); where the kernel "
                 "divides by session "
                 "(autogroup), that of the session if it is higher."),
    WAGGLE_FIELD(run_queue_total_event, policy, Unit::none,
                 "How its busiest thread is scheduled: OTHER (as usual), FIFO and RR (real time), BATCH, "
                 "IDLE, DEADLINE.",
                 trait_none, "sched_policy"),
    WAGGLE_FLAG(run_queue_total_event, by_session,
                "The kernel gives each session its part (autogroup), so that a nice value counts within the "
                "session alone.",
                trait_hidden),
    WAGGLE_FLAG(run_queue_total_event, kernel_thread, "A thread of the kernel itself.", trait_hidden),
    WAGGLE_FIELD(
        run_queue_total_event, cpu_group_id, Unit::identifier,
        "The control group by whose weight it gets its part of the processors, by its number; 0 where not "
        "known, and where that is its session's (by_session).",
        trait_hidden),
    WAGGLE_FLAG(run_queue_total_event, own, "It is waggle itself.", trait_hidden),
    WAGGLE_FIELD(run_queue_total_event, session_id, Unit::identifier, session_meaning, trait_hidden),
    WAGGLE_FIELD(run_queue_total_event, covers_ns, Unit::nanoseconds, covers_meaning, trait_hidden),
};
constexpr Schema total_schema = {
    "run_queue_total",
    "What the threads of one process did since the last reading: on a processor, waiting for one, asleep.",
    sizeof(run_queue_total_event), total_fields, true};

constexpr Field cpu_fields[] = {
    make_field("time_ns", Type::u64, Unit::nanoseconds, offsetof(run_queue_cpu_event, header.time_ns), 8,
               "When it was read, by the clock CLOCK_MONOTONIC."),
    WAGGLE_FIELD(run_queue_cpu_event, cpu, Unit::identifier, "The processor by its number.", trait_key),
    WAGGLE_FIELD(run_queue_cpu_event, busy_ns, Unit::nanoseconds,
                 "Time a thread had it; interrupts while it was idle are not in it.", trait_cumulative),
    WAGGLE_FIELD(
        run_queue_cpu_event, queue_ns, Unit::nanoseconds,
        "Time that threads waited for this processor, summed; divided by covers_ns it is their mean number. "
        "Waits of groups that had used up their quota are not in it.",
        trait_cumulative),
    WAGGLE_FIELD(run_queue_cpu_event, waits, Unit::count, "Waits that ended here.", trait_cumulative),
    WAGGLE_FIELD(run_queue_cpu_event, switches, Unit::count,
                 "How often one thread took the place of another, the idle one counted too.",
                 trait_cumulative),
    WAGGLE_FIELD(run_queue_cpu_event, waiting, Unit::count, "Threads that waited for it when it was read."),
    WAGGLE_FLAG(run_queue_cpu_event, isolated,
                "No thread comes to it but those that are told to run there (isolcpus).", trait_hidden),
    WAGGLE_FIELD(
        run_queue_cpu_event, covers_ns, Unit::nanoseconds,
        "The time this row is about: since the last reading. busy_ns / covers_ns is the share of time busy."),
    WAGGLE_FIELD(run_queue_cpu_event, wait_histogram, Unit::nanoseconds,
                 "How many of the waits that ended here took how long.", trait_cumulative),
};
constexpr Schema cpu_schema = {"run_queue_cpu",
                               "A processor since the last reading: how busy it was, and who waited for it.",
                               sizeof(run_queue_cpu_event), cpu_fields, false};

constexpr Field thread_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(run_queue_thread_event),
    WAGGLE_FIELD(run_queue_thread_event, name, Unit::none, "The thread's own name; comm is the process's."),
    WAGGLE_FIELD(run_queue_thread_event, cpu, Unit::identifier,
                 "The processor it had or waited for, where `stayed` is 1; else the last one.", trait_key),
    WAGGLE_FIELD(run_queue_thread_event, run_ns, Unit::nanoseconds, "Time it had a processor.",
                 trait_cumulative),
    WAGGLE_FIELD(run_queue_thread_event, wait_ns, Unit::nanoseconds,
                 "Time it was ready to run and waited for one.", trait_cumulative),
    WAGGLE_FIELD(run_queue_thread_event, waits, Unit::count, "Waits that ended.", trait_cumulative),
    WAGGLE_FIELD(run_queue_thread_event, policy, Unit::none,
                 "How it is scheduled: OTHER (as usual), FIFO and RR (real time), BATCH, IDLE, DEADLINE.",
                 trait_none, "sched_policy"),
    WAGGLE_FIELD(run_queue_thread_event, priority, Unit::none,
                 "Its priority, 1 to 99, where it is real-time (FIFO, RR); else 0."),
    WAGGLE_FIELD(run_queue_thread_event, nice, Unit::none,
                 "Its nice value or, where the kernel divides by session and that is higher, its session's.",
                 trait_hidden),
    WAGGLE_FIELD(run_queue_thread_event, cpus, Unit::none,
                 "The processors it may run on (\"0-3\"); empty where not known: they are more than 64, or "
                 "their list is long."),
    WAGGLE_FIELD(run_queue_thread_event, allowed, Unit::none,
                 "The same, a bit for each processor, where `cpus` is known.", trait_hidden),
    WAGGLE_FIELD(run_queue_thread_event, allowed_cpus, Unit::none, "How many they are.", trait_hidden),
    WAGGLE_FLAG(run_queue_thread_event, stayed,
                "It was not moved to another processor in this time, so all of it was at `cpu`.",
                trait_hidden),
    WAGGLE_FLAG(run_queue_thread_event, kernel_thread, "A thread of the kernel itself.", trait_hidden),
    WAGGLE_FIELD(run_queue_thread_event, session_id, Unit::identifier, session_meaning, trait_hidden),
    WAGGLE_FIELD(run_queue_thread_event, covers_ns, Unit::nanoseconds, covers_meaning, trait_hidden),
};
constexpr Schema thread_schema = {"run_queue_thread",
                                  "What a thread did since the last reading, of those that are real-time or "
                                  "may run on some processors alone and ran or waited 1 % "
                                  "of the time, and of those that waited 5 %.",
                                  sizeof(run_queue_thread_event), thread_fields, true};

constexpr Field slice_fields[] = {
    make_field("time_ns", Type::u64, Unit::nanoseconds, offsetof(run_queue_slice_event, header.time_ns), 8,
               "When it was read, by the clock CLOCK_MONOTONIC."),
    WAGGLE_FIELD(run_queue_slice_event, cpu, Unit::identifier, "The processor by its number.", trait_key),
    WAGGLE_FIELD(run_queue_slice_event, run_histogram, Unit::nanoseconds,
                 "How many times a thread had the processor for how long, until it left it.",
                 trait_cumulative),
};
constexpr Schema slice_schema = {
    .name = "run_queue_slice",
    .meaning = "How long threads had a processor each time, of those that left it since the last reading.",
    .size = sizeof(run_queue_slice_event),
    .fields = slice_fields,
    .has_subject = false,
    .memory_weight = 1,
    .only_named = true,
};

constexpr auto all_schemas = schemas_by_kind({{RUN_QUEUE_WAIT, &wait_schema},
                                              {RUN_QUEUE_TOTAL, &total_schema},
                                              {RUN_QUEUE_CPU, &cpu_schema},
                                              {RUN_QUEUE_THREAD, &thread_schema},
                                              {RUN_QUEUE_SLICE, &slice_schema}});

constexpr SourceOption least_option = {
    "run-queue-least", OptionType::duration, "TIME",
    "Of single waits for a processor (waggle trace), tell those that took so long.", "0s"};
constexpr SourceOption all_options[] = {least_option};

// include/uapi/linux/sched.h
std::string policy_name(std::uint64_t policy) {
    static constexpr std::string_view names[] = {"OTHER", "FIFO", "RR",       "BATCH",
                                                 "",      "IDLE", "DEADLINE", "EXT"};
    return name_at(names, policy);
}

constexpr std::string_view on_switch[] = {"on_switch"};
constexpr std::string_view on_wakeup[] = {"on_wakeup"};
constexpr std::string_view on_new[] = {"on_new"};
constexpr std::string_view on_migrate[] = {"on_migrate"};
constexpr std::string_view on_exec[] = {"on_exec"};
constexpr std::string_view on_task[] = {"on_task"};
constexpr Moment moments[] = {
    {"switch", on_switch, "Who runs is not seen.", true},
    {"wakeup", on_wakeup, "Waits for a processor are not seen.", true},
    {"new", on_new, "The first wait of a new thread is not seen.", false},
    {"migrate", on_migrate, "Moves between processors are not seen.", false},
    {"exec", on_exec, "A program that was just started goes by the name of who started it.", false},
    {"task", on_task, "Threads are not seen before they run for the first time.", false},
};

constexpr std::string_view top_query =
    R"(SELECT pid, comm, sum(t.run_ns) * 100.0 / max(w.to_ns - w.from_ns, 1) AS cpu_percent,
       sum(t.wait_ns) * 100.0 / max(w.to_ns - w.from_ns, 1) AS waiting_percent, sum(t.waits) AS waits,
       CASE WHEN sum(t.waits) > 0 THEN sum(t.wait_ns) / sum(t.waits) END AS mean_wait_ns, max(t.longest_wait_ns) AS longest_wait_ns,
       sum(t.held_ns) AS held_ns, sum(t.voluntary) AS voluntary, sum(t.involuntary) AS involuntary, sum(t.migrations) AS migrations,
       sum(t.io_ns) AS io_ns
FROM run_queue_total t, window w WHERE t.time_ns > w.from_ns
GROUP BY t.pid, t.start_ns ORDER BY sum(t.run_ns) + sum(t.wait_ns) DESC, t.pid)";
constexpr std::string_view figures_query =
    R"(WITH c AS MATERIALIZED (
    SELECT cpu, sum(busy_ns) AS busy_ns, sum(queue_ns) AS queue_ns, sum(covers_ns) AS covers_ns, sum(switches) AS switches,
           sum(waits) AS waits, hist_merge(wait_histogram) AS histogram
    FROM run_queue_cpu, window w WHERE time_ns > w.from_ns GROUP BY cpu HAVING sum(covers_ns) > 0)
SELECT sum(busy_ns) * 100.0 / sum(covers_ns) AS busy_percent, max(busy_ns * 100.0 / covers_ns) AS busiest_cpu_percent,
       sum(queue_ns) * 1.0 / max(covers_ns) AS waiting_threads, sum(switches) * 1e9 / max(covers_ns) AS switches_per_second,
       hist_percentile(histogram, 0.99) AS p99_wait_ns FROM c)";

// An array that the kernel side has mapped too.
template <class Value>
class SharedArray {
  public:
    static Result<SharedArray> map(int fd, std::size_t count) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t bytes = (sizeof(Value) * count + page - 1) / page * page;
        void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED)
            return Error{fmt::format("cannot map an array of the kernel: {}", std::strerror(errno))};
        SharedArray array;
        array.at_ = static_cast<Value*>(at);
        array.count_ = count;
        array.bytes_ = bytes;
        return array;
    }
    SharedArray() = default;
    SharedArray(SharedArray&& other) noexcept { *this = std::move(other); }
    SharedArray& operator=(SharedArray&& other) noexcept {
        std::swap(at_, other.at_);
        std::swap(count_, other.count_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    SharedArray(const SharedArray&) = delete;
    SharedArray& operator=(const SharedArray&) = delete;
    ~SharedArray() {
        if (at_) ::munmap(at_, bytes_);
    }
    std::span<Value> values() const { return {at_, count_}; }

  private:
    Value* at_ = nullptr;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

std::vector<int> isolated_processors() {
    const Result<std::string> list = read_file("/sys/devices/system/cpu/isolated", 4096);
    return list && !trim(*list).empty() ? numbers_of_list(*list) : std::vector<int>{};
}

// As the host numbers it, where /proc is the host's; 0 where there is none.
std::uint32_t own_pid() {
    std::error_code none;
    const std::string name = std::filesystem::read_symlink("/proc/self", none).string();
    return static_cast<std::uint32_t>(std::atoi(name.c_str()));
}

class RunQueue final : public ProbedRunning {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        auto probes = open_probes(run_queue_source, run_queue_bpf__elf_bytes, options);
        if (!probes) return probes.error();
        const int possible = libbpf_num_possible_cpus();
        if (possible <= 0) return Error{"cannot tell how many processors there can be"};
        const auto processors = static_cast<std::uint32_t>(possible);
        Object& object = probes->object();
        if (auto set = object.set_max_entries("processors", processors); !set) return set.error();
        if (auto set =
                object.set_constant("least_wait_ns", std::uint64_t{options.values.number(least_option)});
            !set)
            return set.error();
        if (auto loaded = probes->load(moments); !loaded) return loaded.error();
        std::unique_ptr<RunQueue> running(new RunQueue(std::move(*probes)));
        const bool slices = (kinds_named(all_schemas, options.tables) >> RUN_QUEUE_SLICE & 1) != 0;
        if (auto prepared = running->prepare(processors, slices); !prepared) return prepared.error();
        names.resolve_with("sched_policy", policy_name);
        return std::unique_ptr<Running>(std::move(running));
    }

    void snapshot(const RecordSink& sink) override {
        const std::uint32_t ended = *epoch_;
        *epoch_ = ended + 1;
        reader_->read(SystemClock().monotonic_ns(), ended, sink);
    }

  private:
    explicit RunQueue(kernel::Probes probes) : ProbedRunning(run_queue_source, std::move(probes)) {}

    Result<void> prepare(std::uint32_t processors, bool slices) {
        Object& object = probes().object();
        for (const auto& [variable, cause] : {std::pair{"lost_table_full", "table of threads full"},
                                              std::pair{"lost_replaced", "end of a thread not seen"}})
            if (auto counted = probes().count_loss(variable, cause); !counted) return counted;
        const auto epoch = object.global<std::uint32_t>("epoch");
        if (!epoch) return epoch.error();
        epoch_ = *epoch;
        const Result<int> threads_fd = object.map_fd("threads");
        if (!threads_fd) return threads_fd.error();
        const Result<int> processors_fd = object.map_fd("processors");
        if (!processors_fd) return processors_fd.error();
        auto threads = SharedArray<run_queue_bucket>::map(*threads_fd, RUN_QUEUE_BUCKETS);
        if (!threads) return threads.error();
        threads_ = std::move(*threads);
        auto mapped = SharedArray<run_queue_processor>::map(*processors_fd, processors);
        if (!mapped) return mapped.error();
        processors_ = std::move(*mapped);
        const auto watching = object.global<std::uint32_t>("watching");
        if (!watching) return watching.error();
        const std::uint64_t began_ns = SystemClock().monotonic_ns();
        **watching = 1;
        read_present_threads();
        reader_ = std::make_unique<SchedulerReader>(
            threads_.values(), processors_.values(),
            SchedulerReader::Machine{began_ns, isolated_processors(), own_pid(), slices});
        return {};
    }

    // The hooks see a thread when something happens to it; one that runs, waits or sleeps already is read once.
    void read_present_threads() {
        if (const Result<OwnedFd> pass = probes().object().iterate("on_task")) {
            char nothing[64];
            for (;;) {
                const ssize_t got = ::read(pass->get(), nothing, sizeof nothing);
                if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))) continue;
                break;
            }
        } else {
            return;  // what each processor does is known from its first switch on
        }
        // A processor that had no switch since the hooks are in place, and none of the threads, is idle.
        const std::uint64_t idle = (SystemClock().monotonic_ns() & ~std::uint64_t{7}) | 1;
        const Result<std::string> online = read_file("/sys/devices/system/cpu/online", 4096);
        if (!online) return;
        for (const int cpu : numbers_of_list(*online)) {
            const auto at = static_cast<std::size_t>(cpu);
            if (at >= processors_.values().size()) continue;
            __u64 unknown = 0;
            std::atomic_ref<__u64>(processors_.values()[at].word).compare_exchange_strong(unknown, idle);
        }
    }

    SharedArray<run_queue_bucket> threads_;
    SharedArray<run_queue_processor> processors_;
    volatile std::uint32_t* epoch_ = nullptr;
    std::unique_ptr<SchedulerReader> reader_;
};

}  // namespace

constinit const Source run_queue_source = {
    .name = "run_queue",
    .question = "Who waits for a processor, who has it, and why do threads leave it?",
    .schemas = all_schemas,
    .options = all_options,
    .top_query = top_query,
    .figures_query = figures_query,
    .start = RunQueue::start,
};

}  // namespace waggle::sensors
