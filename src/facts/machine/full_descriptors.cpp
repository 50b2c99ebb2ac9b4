// SPDX-License-Identifier: Apache-2.0
// Processes that can open nothing more. The kernel gives the lowest free number below RLIMIT_NOFILE and fails with EMFILE
// where there is none.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/put.h"
#include "facts/looks_in_a_row.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct full_descriptors_fact {
    __u32 pid;
    __u32 looks;
    __u64 start_ns;
    __u64 full_ns;
    __s64 open_files_limit;
    __s64 open_files_hard_limit;
    __s64 sockets;
    __s64 pipes;
    __s64 files;
    __s64 others;
    char comm[WAGGLE_COMM_LEN];
    waggle_text exe;
    waggle_text unit;
    waggle_text container;
};

constexpr Field full_descriptors_fields[] = {
    WAGGLE_FIELD(full_descriptors_fact, pid, Unit::identifier, "The process.", trait_key),
    WAGGLE_FIELD(full_descriptors_fact, start_ns, Unit::nanoseconds,
                 "When it began, by the clock CLOCK_BOOTTIME, to 1/100 s.", trait_key | trait_hidden),
    WAGGLE_FIELD(full_descriptors_fact, comm, Unit::none, "Its name, at most 15 characters."),
    WAGGLE_FIELD(full_descriptors_fact, exe, Unit::none, "Path of its executable.", trait_hidden),
    WAGGLE_FIELD(full_descriptors_fact, open_files_limit, Unit::count,
                 "How many it may have open (RLIMIT_NOFILE): as many as it has."),
    WAGGLE_FIELD(full_descriptors_fact, open_files_hard_limit, Unit::count,
                 "How far that limit can be raised without a privilege; null where without limit.",
                 trait_nullable | trait_hidden),
    WAGGLE_FIELD(full_descriptors_fact, sockets, Unit::count,
                 "Sockets among them; null where they are too many "
                 "to look at each.",
                 trait_nullable),
    WAGGLE_FIELD(full_descriptors_fact, pipes, Unit::count, "Ends of pipes.", trait_nullable),
    WAGGLE_FIELD(full_descriptors_fact, files, Unit::count, "Files, folders and devices.", trait_nullable),
    WAGGLE_FIELD(full_descriptors_fact, others, Unit::count, "Others: eventfd, epoll, inotify ...",
                 trait_nullable),
    WAGGLE_FIELD(full_descriptors_fact, looks, Unit::count,
                 "At how many looks in a row it was so, this one with them."),
    WAGGLE_FIELD(full_descriptors_fact, full_ns, Unit::nanoseconds,
                 "From the first of these looks to this one."),
    WAGGLE_FIELD(full_descriptors_fact, unit, Unit::none,
                 "The systemd unit it belongs to; empty where to none."),
    WAGGLE_FIELD(full_descriptors_fact, container, Unit::none,
                 "The container it runs in, the first 12 characters of its id; empty where in none."),
};
constexpr Schema full_descriptors_schema = {
    "full_descriptors",
    "A process that has every file descriptor in use that it may: what it opens next fails with EMFILE.",
    sizeof(full_descriptors_fact), full_descriptors_fields, false};

constexpr std::int64_t most_looked_at = 16384;  // descriptors of one process

class FullDescriptors final : public Fact {
  public:
    explicit FullDescriptors(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return full_descriptors_schema; }
    bool looks_back() const override { return true; }

    Result<void> read(const RowSink& sink) override {
        const std::uint64_t now_ns = clock_.monotonic_ns();
        full_.begin(now_ns);
        for (const std::uint32_t pid : proc_.pids()) {
            const ResourceLimit limit = proc_.limit(pid, RLIMIT_NOFILE, "Max open files");
            if (!limit.soft || !can_be_full(pid, *limit.soft) || !is_full(pid, *limit.soft)) continue;
            ProcessStat stat;
            if (!parse_stat(proc_.file(pid, "stat"), stat)) continue;  // ended since it was listed
            emit(pid, stat, limit, full_.saw({pid, stat.start_ns}), now_ns, sink);
        }
        return {};
    }

  private:
    using Identity = std::pair<std::uint32_t, std::uint64_t>;
    // Cheap, and wrong only on one side: by the size of the folder, which is the count since 6.2 ("proc: report open files
    // as size in stat() for /proc/pid/fd"); before that by the size of the table.
    bool can_be_full(std::uint32_t pid, std::int64_t limit) {
        struct stat status{};
        if (::stat(fmt::format("{}/{}/fd", proc_.root(), pid).c_str(), &status) != 0) return false;
        if (status.st_size > 0) return status.st_size >= limit;
        const std::int64_t size = number_behind(proc_.file(pid, "status"), "\nFDSize:");
        return size > 0 && size >= limit;
    }
    // What was opened before the limit was lowered can lie above it.
    bool is_full(std::uint32_t pid, std::int64_t limit) const {
        std::int64_t below = 0;
        proc_.each_fd_number(pid, [&](int fd) { below += fd < limit; });
        return below >= limit;
    }

    void emit(std::uint32_t pid, const ProcessStat& stat, const ResourceLimit& limit, const Since& since,
              std::uint64_t now_ns, const RowSink& sink) {
        record_.clear();
        full_descriptors_fact& fact = record_.fixed;
        fact.pid = pid;
        fact.start_ns = stat.start_ns;
        put(fact.comm, stat.comm);
        fact.open_files_limit = *limit.soft;
        fact.open_files_hard_limit = limit.hard.value_or(null_i64);
        fact.looks = since.looks;
        fact.full_ns = now_ns - since.first_ns;
        if (*limit.soft > most_looked_at) {
            fact.sockets = fact.pipes = fact.files = fact.others = null_i64;
        } else {
            proc_.each_fd(pid, [&](int, std::string_view target) {
                ++(target.starts_with("socket:") ? fact.sockets
                   : target.starts_with("pipe:") ? fact.pipes
                   : target.starts_with('/')     ? fact.files
                                                 : fact.others);
            });
        }
        record_.text(&full_descriptors_fact::exe, proc_.link(pid, "exe"));
        const context::CgroupIdentity group = context::identify_proc_cgroup(proc_.file(pid, "cgroup"));
        record_.text(&full_descriptors_fact::unit, group.unit);
        record_.text(&full_descriptors_fact::container, group.container);
        sink(Row(full_descriptors_schema, record_.finish()));
    }

    Procfs proc_;
    SystemClock clock_;
    RecordWriter<full_descriptors_fact> record_;
    LooksInARow<Identity> full_;
};

}  // namespace

std::unique_ptr<Fact> make_full_descriptors(const Roots& roots) {
    return std::make_unique<FullDescriptors>(roots);
}

}  // namespace waggle::facts
