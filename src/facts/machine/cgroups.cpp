// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include "base/put.h"
#include "base/text.h"
#include "facts/machine/flat_keyed.h"
#include "facts/makers.h"
#include "host/cgroup_tree.h"
#include "model/record_writer.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

struct cgroup_fact {
    __u64 cgroup_id;
    waggle_text path;
    __s64 cpu_ns;
    __s64 throttled_ns;
    __s64 throttled_times;
    double cpu_limit;
    __s64 memory_bytes;
    __s64 memory_limit_bytes;
    __s64 memory_high_bytes;
    __s64 oom_kills;
    __s64 limit_ooms;
    __s64 processes;
    __s64 processes_limit;
};

constexpr unsigned counter = trait_cumulative | trait_nullable;
constexpr Field cgroups_fields[] = {
    WAGGLE_FIELD(cgroup_fact, path, Unit::none, "Its path: /system.slice/nginx.service.", trait_key),
    WAGGLE_FIELD(cgroup_fact, cgroup_id, Unit::identifier, "Its number, as events carry it.", trait_hidden),
    WAGGLE_FIELD(cgroup_fact, cpu_ns, Unit::nanoseconds, "Processor time used.", counter),
    WAGGLE_FIELD(cgroup_fact, cpu_limit, Unit::none,
                 "How many processors it is allowed (cpu.max); 0 = no limit of its own."),
    WAGGLE_FIELD(cgroup_fact, throttled_times, Unit::count,
                 "How often its processes were held back because the limit was reached.", counter),
    WAGGLE_FIELD(cgroup_fact, throttled_ns, Unit::nanoseconds, "How long they were held back.", counter),
    WAGGLE_FIELD(cgroup_fact, memory_bytes, Unit::bytes, "Memory in use, with the page cache.",
                 trait_nullable),
    WAGGLE_FIELD(cgroup_fact, memory_limit_bytes, Unit::bytes,
                 "Memory it is allowed (memory.max); null = no limit of its own.", trait_nullable),
    WAGGLE_FIELD(cgroup_fact, memory_high_bytes, Unit::bytes,
                 "Above this its processes are slowed down (memory.high); null = no such limit.",
                 trait_nullable | trait_hidden),
    WAGGLE_FIELD(cgroup_fact, oom_kills, Unit::count,
                 "Processes of it, or of a group below it, that the kernel killed for memory.", counter),
    WAGGLE_FIELD(cgroup_fact, limit_ooms, Unit::count,
                 "How often it wanted more memory than its own limit and nothing could be freed (oom in "
                 "memory.events.local).",
                 counter),
    WAGGLE_FIELD(cgroup_fact, processes, Unit::count, "Processes and threads in it.", trait_nullable),
    WAGGLE_FIELD(cgroup_fact, processes_limit, Unit::count,
                 "How many it is allowed (pids.max); null = no limit of its own.",
                 trait_nullable | trait_hidden),
};
constexpr Schema cgroup_schema = {"cgroups",
                                  "A control group (the kernel's unit of resource accounting: a service, a "
                                  "container) of version 2 with its "
                                  "limits and use.",
                                  sizeof(cgroup_fact), cgroups_fields, false};

// The files of one directory, read relative to it.
class Directory {
  public:
    explicit Directory(int fd) : fd_(fd) {}

    bool read(const char* name) {
        const std::string_view text = read_cgroup_file(fd_, name, buffer_);
        text_ = trim(text);
        return !text.empty();
    }
    // A file that holds one number, or "max".
    std::int64_t number(const char* name) {
        return read(name) && text_ != "max" ? number_of(text_) : null_i64;
    }
    // A line "KEY NUMBER" of the file read last.
    std::int64_t value(std::string_view key) const { return value_of_key(text_, key); }
    std::string_view text() const { return text_; }

  private:
    int fd_;
    char buffer_[4096];
    std::string_view text_;
};

class Cgroups final : public Fact {
  public:
    explicit Cgroups(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return cgroup_schema; }

    // A machine without cgroup version 2 has no rows.
    Result<void> read(const RowSink& sink) override {
        each_cgroup(roots_, [&](int fd, const std::string& path) { emit(fd, path, sink); });
        return {};
    }

  private:
    void emit(int fd, const std::string& path, const RowSink& sink) {
        record_.clear();
        cgroup_fact& fact = record_.fixed;
        struct stat status{};
        if (::fstat(fd, &status) == 0) fact.cgroup_id = status.st_ino;
        Directory files(fd);
        files.read("cpu.stat");
        fact.cpu_ns = ns_of_us(files.value("usage_usec"));
        fact.throttled_times = files.value("nr_throttled");
        fact.throttled_ns = ns_of_us(files.value("throttled_usec"));
        if (files.read("cpu.max") && !files.text().starts_with("max")) {
            const auto words = split(files.text(), ' ');
            const double period = words.size() > 1 ? static_cast<double>(number_of(words[1])) : 0;
            if (period > 0) fact.cpu_limit = static_cast<double>(number_of(words[0])) / period;
        }
        fact.memory_bytes = files.number("memory.current");
        fact.memory_limit_bytes = files.number("memory.max");
        fact.memory_high_bytes = files.number("memory.high");
        fact.oom_kills = files.read("memory.events") ? files.value("oom_kill") : null_i64;
        fact.limit_ooms = files.read("memory.events.local") ? files.value("oom") : null_i64;
        fact.processes = files.number("pids.current");
        fact.processes_limit = files.number("pids.max");
        record_.text(&cgroup_fact::path, path);
        sink(Row(cgroup_schema, record_.finish()));
    }

    Roots roots_;
    RecordWriter<cgroup_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_cgroups(const Roots& roots) { return std::make_unique<Cgroups>(roots); }

}  // namespace waggle::facts
