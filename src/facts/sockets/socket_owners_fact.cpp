// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/sockets/socket_reading.h"
#include "facts/sockets/waiting_for.h"
#include "host/cgroup.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct socket_owner_fact {
    __u32 inode;
    __u32 pid;
    __u64 start_ns;
    __u64 cpu_ns;
    __s64 ran_ns;
    __s64 open_files_limit;
    __s64 open_files_hard_limit;
    __s64 waits_for_it;
    char comm[WAGGLE_COMM_LEN];
    char state[4];
    __u32 threads;
    __u32 open_files;
    __u32 waits_on_inode;
    waggle_text exe;
    waggle_text waits_for;
    waggle_text unit;
    waggle_text container;
    waggle_text freezer;
    __u8 files_full;
    __u8 reserved[7];
};

constexpr Field socket_owners_fields[] = {
    WAGGLE_FIELD(socket_owner_fact, inode, Unit::identifier,
                 "The socket's number, as in sockets.inode: a TCP listener or a UDP socket.", trait_key),
    WAGGLE_FIELD(socket_owner_fact, pid, Unit::identifier,
                 "A process that holds it; where several do, each has a row.", trait_key),
    WAGGLE_FIELD(socket_owner_fact, start_ns, Unit::nanoseconds,
                 "When the process began, by the clock CLOCK_BOOTTIME, to 1/100 s.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(socket_owner_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(socket_owner_fact, exe, Unit::none, "Path of the process's executable.", trait_hidden),
    WAGGLE_FIELD(
        socket_owner_fact, state, Unit::none,
        "R runs, S sleeps, D waits for a device (cannot be killed), T stopped, t stopped by a debugger, "
        "Z ended but not collected by its parent."),
    WAGGLE_FIELD(socket_owner_fact, freezer, Unit::none,
                 "The file that lets it go on, where its control group is frozen, as a paused container is; "
                 "empty where it is not."),
    WAGGLE_FIELD(socket_owner_fact, threads, Unit::count, "How many threads it has."),
    WAGGLE_FIELD(socket_owner_fact, cpu_ns, Unit::nanoseconds,
                 "Processor time it has used since it began, to 1/100 s.", trait_cumulative),
    WAGGLE_FIELD(socket_owner_fact, ran_ns, Unit::nanoseconds,
                 "How long the threads that it has now had a processor since they began, exactly; null where "
                 "they are more than 256 or it cannot be read.",
                 trait_cumulative | trait_nullable | trait_hidden),
    WAGGLE_FIELD(socket_owner_fact, open_files, Unit::count, "How many files and sockets it has open."),
    WAGGLE_FIELD(socket_owner_fact, open_files_limit, Unit::count,
                 "How many it may (RLIMIT_NOFILE); null where there is no limit.", trait_nullable),
    WAGGLE_FIELD(socket_owner_fact, open_files_hard_limit, Unit::count,
                 "How far that limit can be raised without a privilege; null where without limit.",
                 trait_nullable | trait_hidden),
    WAGGLE_FLAG(socket_owner_fact, files_full,
                "Every file descriptor that it may use is in use: it can open nothing and accept nobody."),
    WAGGLE_FIELD(socket_owner_fact, waits_for_it, Unit::none,
                 "1 where a thread waits for this socket's connections or packets, 0 where all wait for "
                 "something else, null where that cannot be told.",
                 trait_nullable),
    WAGGLE_FIELD(socket_owner_fact, waits_for, Unit::none,
                 "What its threads wait for at this moment; empty where that is not known."),
    WAGGLE_FIELD(socket_owner_fact, waits_on_inode, Unit::identifier,
                 "The socket that it reads from, writes to or connects meanwhile; 0 where none.",
                 trait_hidden),
    WAGGLE_FIELD(socket_owner_fact, unit, Unit::none, "The systemd unit it belongs to; empty where to none."),
    WAGGLE_FIELD(socket_owner_fact, container, Unit::none,
                 "The container it runs in, the first 12 characters of its id; empty where in none."),
};
// Of a process that holds more, as a name server does while it asks others, it is not looked up what it waits
// for: that is a look for each socket and thread.
constexpr std::size_t most_sockets = 64;
constexpr std::size_t most_timed_threads = 256;

constexpr Schema schema_of_owners = {
    "socket_owners", "A process that holds a TCP listener or a UDP socket, and what it does at this moment.",
    sizeof(socket_owner_fact), socket_owners_fields, false};

std::string_view line_after(std::string_view text, std::string_view start) {
    const std::size_t at = text.starts_with(start) ? 0 : text.find("\n" + std::string(start));
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + start.size() + (at ? 1 : 0));
    text = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.find_first_not_of(" \t:"), text.size()));
    return text;
}

// The first word of "24    1024    files", or null for "unlimited"; takes it off.
std::int64_t next_limit(std::string_view& line) {
    const std::string_view word = line.substr(0, line.find(' '));
    const std::int64_t limit = word.empty() || word == "unlimited" ? null_i64 : number_of(word);
    line.remove_prefix(word.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return limit;
}

// Where a frozen process's control group is thawed: version 2's cgroup.freeze, version 1's freezer.state.
class Freezers {
  public:
    explicit Freezers(const Roots& roots) : sys_(roots.sys) {}

    // `cgroups`: /proc/PID/cgroup.
    const std::string& of(std::string_view cgroups) {
        const auto [known, fresh] = files_.try_emplace(std::string(cgroups));
        if (fresh) known->second = look(cgroups);
        return known->second;
    }

  private:
    std::string look(std::string_view cgroups) {
        while (!cgroups.empty()) {
            const std::string_view line = cgroups.substr(0, cgroups.find('\n'));
            cgroups.remove_prefix(std::min(cgroups.size(), line.size() + 1));
            const std::size_t controllers = line.find(':');
            const std::size_t path = line.find(':', controllers + 1);
            if (controllers == std::string_view::npos || path == std::string_view::npos) continue;
            std::string group(line.substr(path + 1));
            if (!group.starts_with('/')) continue;
            const std::string_view names = line.substr(controllers + 1, path - controllers - 1);
            // The group itself or one above it: each is tried from the innermost out.
            for (; group.size() > 1; group.resize(group.rfind('/'))) {
                std::string file;
                if (names.empty()) file = version2(group);
                if (names == "freezer") file = version1(group);
                if (!file.empty()) return file;
            }
        }
        return {};
    }
    std::string version2(const std::string& group) const {
        for (const char* mount : {"/fs/cgroup", "/fs/cgroup/unified"}) {
            const std::string file = sys_ + mount + group + "/cgroup.freeze";
            if (starts_with(file, "1")) return file;
        }
        return {};
    }
    std::string version1(const std::string& group) const {
        const std::string folder = sys_ + "/fs/cgroup/freezer" + group;
        return starts_with(folder + "/freezer.self_freezing", "1") ? folder + "/freezer.state" : "";
    }
    static bool starts_with(const std::string& path, std::string_view text) {
        return Procfs("/").file(path.c_str() + 1).starts_with(text);
    }

    std::string sys_;
    std::map<std::string, std::string> files_;
};

class SocketOwnersFact final : public Fact {
  public:
    SocketOwnersFact(const Roots& roots, std::shared_ptr<SocketReading> reading)
        : roots_(roots), proc_(roots.proc), reading_(std::move(reading)) {}
    const Schema& schema() const override { return schema_of_owners; }

    Result<void> read(const RowSink& sink) override {
        Freezers freezers(roots_);
        RecordWriter<socket_owner_fact> record;
        socket_owner_fact process{};
        bool lives = false;
        std::string exe, cgroups;
        context::CgroupIdentity group;
        SystemCalls calls;
        // By ascending pid: what is the same for all its sockets is read once.
        const Result<std::vector<SocketOwners::Held>> all = reading_->owners.all_that_wait(roots_, proc_);
        if (!all) return all.error();
        std::map<std::uint32_t, std::size_t> sockets_of;  // by pid
        for (const SocketOwners::Held& held : *all) ++sockets_of[held.pid];
        for (const SocketOwners::Held& held : *all) {
            if (held.pid != process.pid) {
                process = {};
                lives = read_process(held.pid, process);
                exe = proc_.link(held.pid, "exe");
                cgroups = proc_.file(held.pid, "cgroup");
                group = context::identify_proc_cgroup(cgroups);
                calls.clear();
                if (sockets_of[held.pid] <= most_sockets) calls = system_calls_of(proc_, held.pid);
            }
            if (!lives) continue;
            record.clear();
            record.fixed = process;
            record.fixed.inode = held.inode;
            const Waiting waiting = waiting_for(proc_, held.pid, calls, held.inode);
            record.fixed.waits_for_it = waiting.for_socket ? *waiting.for_socket : null_i64;
            record.fixed.waits_on_inode = waiting.inode;
            record.text(&socket_owner_fact::exe, exe);
            record.text(&socket_owner_fact::waits_for, waiting.words);
            record.text(&socket_owner_fact::unit, group.unit);
            record.text(&socket_owner_fact::container, group.container);
            record.text(&socket_owner_fact::freezer, freezers.of(cgroups));
            sink(Row(schema_of_owners, record.finish()));
        }
        return {};
    }

  private:
    std::int64_t ran_ns(std::uint32_t pid) {
        const std::vector<std::uint32_t> threads = proc_.threads(pid);
        if (threads.empty() || threads.size() > most_timed_threads) return null_i64;
        std::int64_t sum = 0;
        for (const std::uint32_t thread : threads) {
            const std::string_view line = proc_.file(pid, fmt::format("task/{}/schedstat", thread));
            // A kernel that does not count says 0 for all; a thread that lives has run.
            if (line.empty() || line.starts_with("0 ")) return null_i64;
            sum += number_of(line.substr(0, line.find(' ')));
        }
        return sum;
    }

    // False where it has ended.
    bool read_process(std::uint32_t pid, socket_owner_fact& out) {
        out.pid = pid;
        ProcessStat stat;
        if (!parse_stat(proc_.file(pid, "stat"), stat)) return false;
        out.start_ns = stat.start_ns;
        out.cpu_ns = stat.cpu_ns;
        out.threads = stat.threads;
        out.state[0] = stat.state;
        put(out.comm, stat.comm);  // it borrows from what is read next
        out.ran_ns = ran_ns(pid);
        std::string_view limits = line_after(proc_.file(pid, "limits"), "Max open files");
        out.open_files_limit = next_limit(limits);
        out.open_files_hard_limit = next_limit(limits);
        const std::int64_t most = out.open_files_limit == null_i64 ? INT64_MAX : out.open_files_limit;
        std::int64_t below = 0;
        proc_.each_fd_number(pid, [&](int fd) {
            ++out.open_files;
            below += fd < most;
        });
        out.files_full = below >= most ? 1 : 0;
        return true;
    }

    Roots roots_;
    Procfs proc_;
    std::shared_ptr<SocketReading> reading_;
};

}  // namespace

std::unique_ptr<Fact> make_socket_owners(const Roots& roots, std::shared_ptr<SocketReading> reading) {
    return std::make_unique<SocketOwnersFact>(roots, std::move(reading));
}

}  // namespace waggle::facts
