// SPDX-License-Identifier: Apache-2.0
#include "context/process_directory.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "host/cgroup.h"
#include "host/cgroup_paths.h"
#include "host/proc.h"

namespace waggle::context {
namespace {

// Processes that share a pid differ in their start by far more than a tick: pids are handed out in turn.
struct Key {
    std::uint32_t pid;
    std::uint64_t start_ticks;
    bool operator==(const Key&) const = default;
};
struct KeyHash {
    std::size_t operator()(const Key& key) const {
        return (std::uint64_t{key.pid} << 40 ^ key.start_ticks) * 0x9e3779b97f4a7c15u >> 7;
    }
};

// Entries are known by number; no_entry ends a chain.
constexpr std::uint32_t no_entry = UINT32_MAX;

struct Entry {
    Key key;
    std::uint32_t next_in_bucket = no_entry;
    std::uint32_t older = no_entry;  // in the order of use
    std::uint32_t newer = no_entry;
    std::unique_ptr<Subject> subject;
    std::uint64_t cgroup_id = 0;  // 0 = not known
    bool exact = false;           // subject->start_ns is exact
    bool ended = false;
    bool cgroup_stale = false;  // to be looked up when next asked for
};

void set_cgroup(Subject& subject, const CgroupIdentity& cgroup) {
    subject.cgroup = cgroup.path;
    subject.container = cgroup.container;
    subject.runtime = cgroup.runtime;
    subject.unit = cgroup.unit;
}

void inherit(Subject& child, const Subject& parent) {
    child.exe = parent.exe;
    child.cgroup = parent.cgroup;
    child.container = parent.container;
    child.runtime = parent.runtime;
    child.unit = parent.unit;
}

enum class Moment : std::uint8_t { other, exec, fork, exit };

// The fields of one schema that are learned from, looked up once.
struct Lesson {
    Moment moment = Moment::other;
    const Field* parent_pid = nullptr;
    const Field* parent_start_ns = nullptr;
    const Field* exe = nullptr;
};

Lesson lesson_of(const Schema& schema) {
    Lesson lesson;
    if (!schema.has_subject) return lesson;
    lesson.parent_pid = schema.find("parent_pid");
    lesson.parent_start_ns = schema.find("parent_start_ns");
    lesson.exe = schema.find("exe");
    if (!lesson.parent_pid || !lesson.parent_start_ns) return lesson;
    if (schema.name == "process_exec" && lesson.exe) lesson.moment = Moment::exec;
    if (schema.name == "process_fork") lesson.moment = Moment::fork;
    if (schema.name == "process_exit") lesson.moment = Moment::exit;
    return lesson;
}

}  // namespace

struct ProcessDirectory::State {
    std::mutex mutex;  // guards all but lessons

    State(Proc&& opened, const std::string& cgroup, const Clock& clock)
        : proc(std::move(opened)), paths(cgroup, clock) {}

    Proc proc;
    CgroupPaths paths;
    std::uint64_t tick_ns = Proc::tick_ns();

    // Pids are handed out in turn, so the processes of one time lie side by side, in the buckets as in the
    // entries: a machine that starts thousands a second costs few cache misses for each.
    static constexpr std::uint32_t bucket_count = capacity;  // a power of 2
    std::vector<std::uint32_t> buckets = std::vector<std::uint32_t>(bucket_count, no_entry);
    std::deque<Entry> entries;        // an Entry stays where it is
    std::vector<std::uint32_t> free;  // entries without a process
    std::uint32_t oldest = no_entry;  // used longest ago
    std::uint32_t newest = no_entry;
    std::unordered_set<Key, KeyHash> unknown;           // asked for without success
    std::unordered_map<const Schema*, Lesson> lessons;  // of the one thread that learns
    std::uint64_t evicted = 0;

    Key key_of(std::uint32_t pid, std::uint64_t start_ns) const { return {pid, start_ns / tick_ns}; }
    bool is_exact(std::uint64_t start_ns) const { return start_ns % tick_ns != 0; }

    std::size_t size() const { return entries.size() - free.size(); }

    std::uint32_t& bucket_of(std::uint32_t pid) { return buckets[pid & (bucket_count - 1)]; }

    std::uint32_t search(const Key& key) {
        std::uint32_t number = bucket_of(key.pid);
        while (number != no_entry && entries[number].key != key) number = entries[number].next_in_bucket;
        return number;
    }

    // When the last process that is known to have had the pid started, in ticks.
    std::optional<std::uint64_t> latest_start(std::uint32_t pid) {
        std::optional<std::uint64_t> latest;
        for (std::uint32_t number = bucket_of(pid); number != no_entry;
             number = entries[number].next_in_bucket)
            if (const Key& key = entries[number].key; key.pid == pid)
                latest = std::max(latest.value_or(0), key.start_ticks);
        return latest;
    }

    void leave_order(std::uint32_t number) {
        const Entry& entry = entries[number];
        (entry.older == no_entry ? oldest : entries[entry.older].newer) = entry.newer;
        (entry.newer == no_entry ? newest : entries[entry.newer].older) = entry.older;
    }

    void become_newest(std::uint32_t number) {
        Entry& entry = entries[number];
        entry.older = newest;
        entry.newer = no_entry;
        (newest == no_entry ? oldest : entries[newest].newer) = number;
        newest = number;
    }

    void touch(std::uint32_t number) {
        if (number == newest) return;
        leave_order(number);
        become_newest(number);
    }

    std::uint32_t make(const Key& key) {
        std::uint32_t number;
        if (free.empty()) {
            number = static_cast<std::uint32_t>(entries.size());
            entries.emplace_back();
        } else {
            number = free.back();
            free.pop_back();
        }
        Entry& entry = entries[number];
        entry.key = key;
        entry.next_in_bucket = bucket_of(key.pid);
        bucket_of(key.pid) = number;
        become_newest(number);
        return number;
    }

    void forget_oldest() {
        const std::uint32_t number = oldest;
        Entry& entry = entries[number];
        leave_order(number);
        std::uint32_t* link = &bucket_of(entry.key.pid);
        while (*link != number) link = &entries[*link].next_in_bucket;
        *link = entry.next_in_bucket;
        entry = Entry{};
        free.push_back(number);
    }

    // The entry of that process, never of another one with the same pid.
    Entry* known(std::uint32_t pid, std::uint64_t start_ns) {
        const std::uint32_t number = search(key_of(pid, start_ns));
        if (number == no_entry) return nullptr;
        Entry& entry = entries[number];
        if (is_exact(start_ns)) {
            if (entry.exact && entry.subject->start_ns != start_ns) return nullptr;
            entry.subject->start_ns = start_ns;
            entry.exact = true;
        }
        touch(number);
        return &entry;
    }

    Entry& insert(Subject subject) {
        const Key key = key_of(subject.pid, subject.start_ns);
        std::uint32_t number = search(key);
        if (number == no_entry)
            number = make(key);
        else
            touch(number);
        Entry& entry = entries[number];
        entry.subject = std::make_unique<Subject>(std::move(subject));
        entry.cgroup_id = 0;
        entry.exact = is_exact(entry.subject->start_ns);
        entry.ended = entry.cgroup_stale = false;
        if (!unknown.empty()) unknown.erase(key);
        return entry;
    }

    void trim() {
        for (; size() > capacity; ++evicted) forget_oldest();
    }

    // Reads the process that has the pid now; null where there is none or where it is not the one meant.
    Entry* read(std::uint32_t pid, std::optional<std::uint64_t> start_ns) {
        std::optional<ProcStat> stat = proc.stat(pid);
        if (!stat || stat->pid != pid) return nullptr;
        if (start_ns && *start_ns / tick_ns != stat->start_ticks) return nullptr;
        Subject subject;
        subject.pid = pid;
        subject.start_ns = start_ns ? *start_ns : stat->start_ticks * tick_ns;
        subject.parent_pid = stat->parent_pid;
        subject.comm = std::move(stat->comm);
        subject.exe = proc.exe(pid);
        set_cgroup(subject, identify_proc_cgroup(proc.cgroup(pid)));
        return &insert(std::move(subject));
    }

    // What a cgroup's number tells; null where it tells nothing. In a hybrid tree everybody is in the v2
    // root, which says nothing of the v1 groups.
    const CgroupIdentity* cgroup_of(std::uint64_t cgroup_id) {
        const CgroupIdentity* found = paths.find(cgroup_id);
        return found && (paths.unified() || found->path != "/") ? found : nullptr;
    }

    void place(Entry& entry, const CgroupIdentity& cgroup) {
        if (cgroup.path == entry.subject->cgroup) return;
        set_cgroup(*entry.subject, cgroup);
    }

    // A process seen in another cgroup than the one it was known in.
    void move(Entry& entry, std::uint64_t cgroup_id) {
        if (cgroup_id == 0 || entry.cgroup_id == cgroup_id) return;
        const bool was_elsewhere = entry.cgroup_id != 0;
        entry.cgroup_id = cgroup_id;
        if (const CgroupIdentity* cgroup = cgroup_of(cgroup_id)) {
            place(entry, *cgroup);
        } else if (paths.unified() && was_elsewhere) {
            place(entry, {});  // better nothing than the wrong one
            entry.cgroup_stale = true;
        }
    }

    void refresh_cgroup(Entry& entry) {
        const CgroupIdentity* cgroup = cgroup_of(entry.cgroup_id);
        if (cgroup) place(entry, *cgroup);
        if (!cgroup && entry.ended) return;
        entry.cgroup_stale = false;
        if (cgroup) return;
        const std::string text = proc.cgroup(entry.key.pid);
        const std::optional<ProcStat> stat = proc.stat(entry.key.pid);
        if (!stat || stat->start_ticks != entry.key.start_ticks) return;  // the pid has passed on
        place(entry, identify_proc_cgroup(text));
    }

    const Subject* find(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id) {
        if (pid == 0) return nullptr;
        Entry* entry = start_ns == 0 ? find_current(pid) : find_exact(pid, start_ns, cgroup_id);
        if (!entry) return nullptr;
        if (!entry->ended) move(*entry, cgroup_id);
        if (entry->cgroup_stale) refresh_cgroup(*entry);
        return entry->subject.get();
    }

    Entry* find_current(std::uint32_t pid) {
        if (const std::optional<ProcStat> stat = proc.stat(pid)) {
            if (Entry* entry = known(pid, stat->start_ticks * tick_ns)) return entry;
            return read(pid, std::nullopt);
        }
        const std::optional<std::uint64_t> last = latest_start(pid);
        return last ? known(pid, *last * tick_ns) : nullptr;
    }

    Entry* find_exact(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id) {
        if (Entry* entry = known(pid, start_ns)) return entry;
        const Key key = key_of(pid, start_ns);
        if (unknown.contains(key)) return nullptr;
        // Another process, exactly known, has this key: /proc could not tell the two apart.
        const bool taken = search(key) != no_entry;
        if (!taken)
            if (Entry* entry = read(pid, start_ns)) return entry;
        if (const CgroupIdentity* cgroup = cgroup_of(cgroup_id); cgroup && !taken) {
            Subject subject;
            subject.pid = pid;
            subject.start_ns = start_ns;
            set_cgroup(subject, *cgroup);
            Entry& entry = insert(std::move(subject));
            entry.cgroup_id = cgroup_id;
            entry.ended = true;
            return &entry;
        }
        if (unknown.size() >= capacity) unknown.clear();
        if (!taken) unknown.insert(key);
        return nullptr;
    }

    // The entry that a row is about, made from its parent where the process is new.
    Entry& learned(const waggle_event& who, std::uint32_t parent_pid, std::uint64_t parent_start_ns) {
        if (Entry* entry = known(who.pid, who.start_ns)) return *entry;
        Subject subject;
        subject.pid = who.pid;
        subject.start_ns = who.start_ns;
        const Entry* parent = parent_pid ? known(parent_pid, parent_start_ns) : nullptr;
        if (!parent && parent_pid) parent = read(parent_pid, parent_start_ns);
        std::uint64_t cgroup_id = 0;
        if (parent) {
            inherit(subject, *parent->subject);
            cgroup_id = parent->cgroup_id;
        }
        Entry& entry = insert(std::move(subject));
        entry.cgroup_id = cgroup_id;
        return entry;
    }

    void learn(const Row& row, const Lesson& lesson) {
        const waggle_event who = row.header();
        const auto parent_pid = static_cast<std::uint32_t>(row.u64(*lesson.parent_pid));
        Entry& entry = learned(who, parent_pid, row.u64(*lesson.parent_start_ns));
        move(entry, who.cgroup_id);
        Subject& subject = *entry.subject;
        subject.parent_pid = parent_pid;
        subject.comm.assign(who.comm, ::strnlen(who.comm, sizeof who.comm));
        switch (lesson.moment) {
            case Moment::exec:
                subject.exe = row.text(*lesson.exe);
                if (std::string path = whole_path(entry); !path.empty()) subject.exe = std::move(path);
                // Without v2 alone only /proc tells where whoever started it has put it just before.
                if (!paths.unified()) entry.cgroup_stale = true;
                break;
            case Moment::exit:
                entry.ended = true;
                if (!paths.unified()) entry.cgroup_stale = false;
                break;
            case Moment::fork:
            case Moment::other:
                break;
        }
    }

    // Where the name under which a process was executed means nothing elsewhere: what it stands for. Relative
    // names do, and those by which runc and fexecve execute an open file. Empty where it cannot be found.
    std::string whole_path(const Entry& entry) const {
        const std::string& exe = entry.subject->exe;
        const bool relative = !exe.starts_with('/');
        if (!relative && !exe.starts_with("/proc/") && !exe.starts_with("/dev/fd/")) return {};
        std::string path = proc.exe(entry.key.pid);
        const std::optional<ProcStat> stat = proc.stat(entry.key.pid);
        if (stat && stat->start_ticks == entry.key.start_ticks) return path;
        // It is gone. Its parent's directory was its own unless it changed it; that the file is there tells.
        path = relative && !exe.empty() ? proc.cwd(entry.subject->parent_pid) : std::string();
        if (path.empty()) return {};
        std::string_view name = exe;
        while (name.starts_with("./")) name.remove_prefix(2);
        if (!path.ends_with('/')) path += '/';
        path += name;
        return ::access(path.c_str(), X_OK) == 0 ? path : std::string();
    }
};

ProcessDirectory::ProcessDirectory(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProcessDirectory::ProcessDirectory(ProcessDirectory&&) noexcept = default;
ProcessDirectory& ProcessDirectory::operator=(ProcessDirectory&&) noexcept = default;
ProcessDirectory::~ProcessDirectory() = default;

Result<ProcessDirectory> ProcessDirectory::open(const Roots& roots, const Clock& clock) {
    Result<Proc> proc = Proc::open(roots.proc);
    if (!proc) return proc.error();
    auto state = std::make_unique<State>(std::move(*proc), roots.cgroup, clock);
    state->proc.each([&](std::uint32_t pid) { state->read(pid, std::nullopt); });
    state->trim();
    return ProcessDirectory(std::move(state));
}

void ProcessDirectory::learn(const Row& row) {
    auto lesson = state_->lessons.find(&row.schema());
    if (lesson == state_->lessons.end())
        lesson = state_->lessons.emplace(&row.schema(), lesson_of(row.schema())).first;
    if (lesson->second.moment == Moment::other || row.header().pid == 0) return;
    const std::lock_guard lock(state_->mutex);
    state_->learn(row, lesson->second);
    state_->trim();
}

bool ProcessDirectory::look_up(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id,
                               Visitor visit, void* to) const {
    const std::lock_guard lock(state_->mutex);
    const Subject* found = state_->find(pid, start_ns, cgroup_id);
    if (found) visit(to, *found);
    return found != nullptr;
}

std::size_t ProcessDirectory::size() const {
    const std::lock_guard lock(state_->mutex);
    return state_->size();
}
std::uint64_t ProcessDirectory::evicted() const {
    const std::lock_guard lock(state_->mutex);
    return state_->evicted;
}

}  // namespace waggle::context
