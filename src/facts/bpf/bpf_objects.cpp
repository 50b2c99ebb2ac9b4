// SPDX-License-Identifier: Apache-2.0
// What BPF the kernel has loaded: programs, maps and links (what attaches a program), whoever loaded them.
// Source: bpf(2), BPF_*_GET_NEXT_ID and BPF_OBJ_GET_INFO_BY_FD; owners by /proc/PID/fdinfo. CAP_SYS_ADMIN.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "base/put.h"
#include "facts/makers.h"
#include "host/procfs.h"
#include "model/record_writer.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

struct bpf_program_fact {
    __u32 id;
    __u32 uid;
    char kind[24];
    char name[16];
    char tag[24];
    __u64 loaded_ns;
    __u64 run_time_ns;
    __u64 run_count;
    __u64 recursion_misses;
    __u64 verified_instructions;
    __u64 jited_bytes;
    __u64 memory_bytes;
    __u32 pid;
    __u32 maps;
    char comm[WAGGLE_COMM_LEN];
};
constexpr Field program_fields[] = {
    WAGGLE_FIELD(bpf_program_fact, id, Unit::identifier, "The program by its number.", trait_key),
    WAGGLE_FIELD(bpf_program_fact, kind, Unit::none,
                 "What it can be attached to: tracing, kprobe, xdp, sched_cls ..."),
    WAGGLE_FIELD(bpf_program_fact, name, Unit::none, "Its name, at most 15 characters."),
    WAGGLE_FIELD(bpf_program_fact, tag, Unit::none, "A digest of its instructions.", trait_hidden),
    WAGGLE_FIELD(bpf_program_fact, pid, Unit::identifier,
                 "A process that has it open, the lowest pid; 0 where only its attachment holds it."),
    WAGGLE_FIELD(bpf_program_fact, comm, Unit::none, "That process's name, at most 15 characters."),
    WAGGLE_FIELD(bpf_program_fact, uid, Unit::identifier, "The user who loaded it.", trait_hidden),
    WAGGLE_FIELD(bpf_program_fact, loaded_ns, Unit::nanoseconds,
                 "When it was loaded, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(bpf_program_fact, run_count, Unit::count,
                 "How often it ran while kernel.bpf_stats_enabled was 1.", trait_cumulative),
    WAGGLE_FIELD(bpf_program_fact, run_time_ns, Unit::nanoseconds, "Processor time of these runs.",
                 trait_cumulative),
    WAGGLE_FIELD(bpf_program_fact, recursion_misses, Unit::count,
                 "Runs left out because the program was running already.", trait_cumulative | trait_hidden),
    WAGGLE_FIELD(bpf_program_fact, verified_instructions, Unit::count,
                 "Instructions that the verifier walked.", trait_hidden),
    WAGGLE_FIELD(bpf_program_fact, jited_bytes, Unit::bytes, "Size of its machine code.", trait_hidden),
    WAGGLE_FIELD(bpf_program_fact, memory_bytes, Unit::bytes, "Kernel memory it takes."),
    WAGGLE_FIELD(bpf_program_fact, maps, Unit::count, "How many maps it uses.", trait_hidden),
};
constexpr Schema program_schema = {"bpf_programs", "A BPF program that is loaded in the kernel.",
                                   sizeof(bpf_program_fact), program_fields, false};

struct bpf_map_fact {
    __u32 id;
    __u32 key_bytes;
    __u32 value_bytes;
    __u32 max_entries;
    char kind[32];
    char name[16];
    __u64 memory_bytes;
    __u32 pid;
    __u32 flags;
    char comm[WAGGLE_COMM_LEN];
};
constexpr Field map_fields[] = {
    WAGGLE_FIELD(bpf_map_fact, id, Unit::identifier, "The map by its number.", trait_key),
    WAGGLE_FIELD(bpf_map_fact, kind, Unit::none, "hash, array, ringbuf, lru_hash ..."),
    WAGGLE_FIELD(bpf_map_fact, name, Unit::none, "Its name, at most 15 characters."),
    WAGGLE_FIELD(bpf_map_fact, pid, Unit::identifier,
                 "A process that has it open, the lowest pid; 0 where only programs hold it."),
    WAGGLE_FIELD(bpf_map_fact, comm, Unit::none, "That process's name, at most 15 characters."),
    WAGGLE_FIELD(bpf_map_fact, key_bytes, Unit::bytes, "Size of a key."),
    WAGGLE_FIELD(bpf_map_fact, value_bytes, Unit::bytes, "Size of a value."),
    WAGGLE_FIELD(bpf_map_fact, max_entries, Unit::count, "How many entries it can hold."),
    WAGGLE_FIELD(bpf_map_fact, memory_bytes, Unit::bytes, "Kernel memory it takes."),
    WAGGLE_FIELD(bpf_map_fact, flags, Unit::none, "The flags it was made with.", trait_hidden),
};
constexpr Schema map_schema = {"bpf_maps", "A BPF map: memory that BPF programs and processes share.",
                               sizeof(bpf_map_fact), map_fields, false};

struct bpf_link_fact {
    __u32 id;
    __u32 program_id;
    char kind[24];
    char attached_to[64];
    __u32 pid;
    __u32 reserved;
    char comm[WAGGLE_COMM_LEN];
};
constexpr Field link_fields[] = {
    WAGGLE_FIELD(bpf_link_fact, id, Unit::identifier, "The link by its number.", trait_key),
    WAGGLE_FIELD(bpf_link_fact, kind, Unit::none, "tracing, raw_tracepoint, perf_event, cgroup, xdp ..."),
    WAGGLE_FIELD(bpf_link_fact, program_id, Unit::identifier, "The program it attaches: bpf_programs.id."),
    WAGGLE_FIELD(
        bpf_link_fact, attached_to, Unit::none,
        "What to, where the kernel tells: a tracepoint, an interface, a cgroup's or namespace's number."),
    WAGGLE_FIELD(bpf_link_fact, pid, Unit::identifier,
                 "A process that has it open, the lowest pid; 0 where it is pinned."),
    WAGGLE_FIELD(bpf_link_fact, comm, Unit::none, "That process's name, at most 15 characters."),
};
constexpr Schema link_schema = {"bpf_links", "What attaches a BPF program to its place.",
                                sizeof(bpf_link_fact), link_fields, false};

struct BpfOwner {
    std::uint32_t pid = 0;
    std::string comm;
};
using BpfOwners = std::map<std::uint64_t, BpfOwner>;  // by id

// `file` as /proc/PID/fd shows such descriptors, `key` as /proc/PID/fdinfo names the id.
BpfOwners find_owners(Procfs& proc, std::string_view file, std::string_view key) {
    BpfOwners owners;
    for (const std::uint32_t pid : proc.pids()) {
        std::vector<int> fds;
        proc.each_fd(pid, [&](int fd, std::string_view target) {
            if (target == file) fds.push_back(fd);
        });
        if (fds.empty()) continue;
        const std::string comm(proc.comm(pid));
        for (const int fd : fds)
            if (const auto id =
                    number_behind<std::uint64_t>(proc.file(pid, fmt::format("fdinfo/{}", fd)), key))
                owners.try_emplace(id, BpfOwner{pid, comm});
    }
    return owners;
}

std::string name_or_number(const char* name, std::uint32_t number) {
    return name ? name : fmt::format("type {}", number);
}

// Walks the ids of one kind; `visit` gets each that could be opened.
Result<void> each_object(std::string_view what, int (*next)(__u32, __u32*), int (*open)(__u32),
                         const std::function<void(int fd)>& visit) {
    for (__u32 id = 0; next(id, &id) == 0;) {
        const OwnedFd fd(open(id));
        if (fd)
            visit(fd.get());
        else if (errno == EPERM || errno == EACCES)
            return Error{fmt::format("read {}: {}", what, std::strerror(errno)), ErrorKind::privilege};
    }
    if (errno == ENOENT) return {};
    return Error{fmt::format("read {}: {}", what, std::strerror(errno)),
                 errno == EPERM ? ErrorKind::privilege : ErrorKind::failed};
}

// An object of the kernel as one of our own descriptors shows it.
std::uint64_t memory_of(int fd) {
    Procfs own("/proc");
    return number_behind<std::uint64_t>(own.file(fmt::format("self/fdinfo/{}", fd).c_str()), "memlock:");
}

template <class Record>
void put_owner(const BpfOwners& owners, Record& fact) {
    const auto owner = owners.find(fact.id);
    if (owner == owners.end()) return;
    fact.pid = owner->second.pid;
    put(fact.comm, owner->second.comm);
}

class BpfPrograms final : public Fact {
  public:
    explicit BpfPrograms(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return program_schema; }

    Result<void> read(const RowSink& sink) override {
        const BpfOwners owners = find_owners(proc_, "anon_inode:bpf-prog", "prog_id:");
        RecordWriter<bpf_program_fact> record;
        return each_object("BPF programs", bpf_prog_get_next_id, bpf_prog_get_fd_by_id, [&](int fd) {
            bpf_prog_info info{};
            __u32 size = sizeof info;
            if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return;
            record.clear();
            bpf_program_fact& fact = record.fixed;
            fact.id = info.id;
            fact.uid = info.created_by_uid;
            put(fact.kind,
                name_or_number(libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(info.type)), info.type));
            put(fact.name, std::string_view(info.name, ::strnlen(info.name, sizeof info.name)));
            std::string tag;
            for (const __u8 byte : info.tag) tag += fmt::format("{:02x}", byte);
            put(fact.tag, tag);
            fact.loaded_ns = info.load_time;
            fact.run_time_ns = info.run_time_ns;
            fact.run_count = info.run_cnt;
            fact.recursion_misses = info.recursion_misses;
            fact.verified_instructions = info.verified_insns;
            fact.jited_bytes = info.jited_prog_len;
            fact.maps = info.nr_map_ids;
            fact.memory_bytes = memory_of(fd);
            put_owner(owners, fact);
            sink(Row(program_schema, record.finish()));
        });
    }

  private:
    Procfs proc_;
};

class BpfMaps final : public Fact {
  public:
    explicit BpfMaps(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return map_schema; }

    Result<void> read(const RowSink& sink) override {
        const BpfOwners owners = find_owners(proc_, "anon_inode:bpf-map", "map_id:");
        RecordWriter<bpf_map_fact> record;
        return each_object("BPF maps", bpf_map_get_next_id, bpf_map_get_fd_by_id, [&](int fd) {
            bpf_map_info info{};
            __u32 size = sizeof info;
            if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return;
            record.clear();
            bpf_map_fact& fact = record.fixed;
            fact.id = info.id;
            put(fact.kind,
                name_or_number(libbpf_bpf_map_type_str(static_cast<bpf_map_type>(info.type)), info.type));
            put(fact.name, std::string_view(info.name, ::strnlen(info.name, sizeof info.name)));
            fact.key_bytes = info.key_size;
            fact.value_bytes = info.value_size;
            fact.max_entries = info.max_entries;
            fact.flags = info.map_flags;
            fact.memory_bytes = memory_of(fd);
            put_owner(owners, fact);
            sink(Row(map_schema, record.finish()));
        });
    }

  private:
    Procfs proc_;
};

std::string attached_to(const bpf_link_info& info, const char* text) {
    const auto attach_type = [](__u32 type) {
        const char* name = libbpf_bpf_attach_type_str(static_cast<bpf_attach_type>(type));
        return name_or_number(name, type);
    };
    switch (info.type) {  // kernels grow kinds that this header does not know
        case BPF_LINK_TYPE_RAW_TRACEPOINT:
            return std::string("tracepoint ") + text;
        case BPF_LINK_TYPE_ITER:
            return std::string("iterator ") + text;
        case BPF_LINK_TYPE_TRACING:
            return attach_type(info.tracing.attach_type);
        case BPF_LINK_TYPE_CGROUP:
            return fmt::format("cgroup {} {}", info.cgroup.cgroup_id, attach_type(info.cgroup.attach_type));
        case BPF_LINK_TYPE_NETNS:
            return fmt::format("netns {} {}", info.netns.netns_ino, attach_type(info.netns.attach_type));
        case BPF_LINK_TYPE_XDP:
            return fmt::format("ifindex {}", info.xdp.ifindex);
        default:
            return {};
    }
}

class BpfLinks final : public Fact {
  public:
    explicit BpfLinks(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return link_schema; }

    Result<void> read(const RowSink& sink) override {
        const BpfOwners owners = find_owners(proc_, "anon_inode:bpf_link", "link_id:");
        RecordWriter<bpf_link_fact> record;
        return each_object("BPF links", bpf_link_get_next_id, bpf_link_get_fd_by_id, [&](int fd) {
            bpf_link_info info{};
            __u32 size = sizeof info;
            if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return;
            // Names are written to where the caller says, once the kind is known; both kinds have them here.
            char text[64] = "";
            if (info.type == BPF_LINK_TYPE_RAW_TRACEPOINT || info.type == BPF_LINK_TYPE_ITER) {
                info = {};
                size = sizeof info;
                info.raw_tracepoint.tp_name = reinterpret_cast<std::uintptr_t>(text);
                info.raw_tracepoint.tp_name_len = sizeof text;
                if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) text[0] = '\0';
            }
            record.clear();
            bpf_link_fact& fact = record.fixed;
            fact.id = info.id;
            fact.program_id = info.prog_id;
            put(fact.kind,
                name_or_number(libbpf_bpf_link_type_str(static_cast<bpf_link_type>(info.type)), info.type));
            put(fact.attached_to, attached_to(info, text));
            put_owner(owners, fact);
            sink(Row(link_schema, record.finish()));
        });
    }

  private:
    Procfs proc_;
};

}  // namespace

std::unique_ptr<Fact> make_bpf_programs(const Roots& roots) { return std::make_unique<BpfPrograms>(roots); }
std::unique_ptr<Fact> make_bpf_maps(const Roots& roots) { return std::make_unique<BpfMaps>(roots); }
std::unique_ptr<Fact> make_bpf_links(const Roots& roots) { return std::make_unique<BpfLinks>(roots); }

}  // namespace waggle::facts
