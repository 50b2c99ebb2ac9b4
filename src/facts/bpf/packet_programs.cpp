// SPDX-License-Identifier: Apache-2.0
// What can drop packets besides rules: BPF programs and classifiers at devices (XDP, tc), at netfilter's
// hooks and at control groups, each with its place. Source: RTM_GETLINK, RTM_GETTFILTER, bpf(2)
// BPF_PROG_QUERY and BPF_LINK_GET_NEXT_ID.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/network/rtnetlink.h"
#include "host/cgroup_tree.h"
#include "host/netlink.h"
#include "host/procfs.h"
#include "model/record_writer.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

struct packet_program_fact {
    __u32 netns;
    __u32 ifindex;
    char place[16];
    char interface[16];
    char kind[16];
    char name[16];
    char family[8];
    char hook[16];
    __u64 cgroup_id;
    __u32 program_id;
    __u32 preference;
    __s32 priority;
    __u32 pid;
    char comm[WAGGLE_COMM_LEN];
    __s64 drops;
    waggle_text cgroup;
};

constexpr Field packet_programs_fields[] = {
    WAGGLE_FIELD(packet_program_fact, netns, Unit::identifier,
                 "The network namespace by its number; 0 for control groups, and where it is not known.",
                 trait_key),
    WAGGLE_FIELD(
        packet_program_fact, place, Unit::none,
        "Where it looks at packets: xdp, tc ingress, tc egress, netfilter, socket lookup, cgroup ingress, "
        "cgroup egress.",
        trait_key),
    WAGGLE_FIELD(packet_program_fact, interface, Unit::none, "The interface it hangs at."),
    WAGGLE_FIELD(packet_program_fact, ifindex, Unit::identifier, "That interface by its number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(packet_program_fact, kind, Unit::none,
                 "bpf; or the classifier of tc: flower, u32, matchall ..."),
    WAGGLE_FIELD(packet_program_fact, program_id, Unit::identifier,
                 "The BPF program: bpf_programs.id; 0 where it is none, or an old one without a number.",
                 trait_key),
    WAGGLE_FIELD(packet_program_fact, name, Unit::none, "Its name; empty where it has none."),
    WAGGLE_FIELD(packet_program_fact, preference, Unit::identifier,
                 "tc: its place among the filters, as tc takes it behind pref.", trait_key | trait_hidden),
    WAGGLE_FIELD(packet_program_fact, family, Unit::none, "netfilter: whose packets: ip, ip6, bridge.",
                 trait_hidden),
    WAGGLE_FIELD(packet_program_fact, hook, Unit::none, "netfilter: the hook, as in firewall_rules."),
    WAGGLE_FIELD(packet_program_fact, priority, Unit::none,
                 "netfilter: what hangs at one hook runs from low to high.", trait_hidden),
    WAGGLE_FIELD(packet_program_fact, cgroup_id, Unit::identifier,
                 "The control group it belongs to, by its number.", trait_key | trait_hidden),
    WAGGLE_FIELD(packet_program_fact, cgroup, Unit::none,
                 "That control group's path; what is below it is meant too."),
    WAGGLE_FIELD(packet_program_fact, pid, Unit::identifier,
                 "A process that holds it, the lowest pid; 0 where none is known.", trait_hidden),
    WAGGLE_FIELD(packet_program_fact, comm, Unit::none, "That process's name, at most 15 characters."),
    WAGGLE_FIELD(packet_program_fact, drops, Unit::count,
                 "tc: packets that its actions dropped; null where they are not counted.",
                 trait_cumulative | trait_nullable),
};
constexpr Schema schema_of_all = {
    "packet_programs", "A BPF program or tc classifier that sees packets on their way and can drop them.",
    sizeof(packet_program_fact), packet_programs_fields, false};

std::string program_name(std::uint32_t id) {
    const OwnedFd fd(::bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (!fd || ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) return {};
    return std::string(info.name, ::strnlen(info.name, sizeof info.name));
}

// Which programs are waggle's own: held by a process that runs the same file as this one. They let every packet pass, and are
// nobody's business. Looked up once a program, at the first reading that sees it.
class OwnPrograms {
  public:
    explicit OwnPrograms(const Roots& roots) : proc_(roots.proc) {}

    bool has(std::uint32_t id) {
        if (!own_.contains(id) && others_.insert(id).second) {
            look();
            if (own_.contains(id)) others_.erase(id);
        }
        return own_.contains(id);
    }

  private:
    void look() {
        const std::string self(proc_.link("self/exe"));
        if (self.empty()) return;
        for (const std::uint32_t pid : proc_.pids()) {
            if (proc_.link(pid, "exe") != self) continue;
            std::vector<int> fds;
            proc_.each_fd(pid, [&](int fd, std::string_view target) {
                if (target == "anon_inode:bpf-prog") fds.push_back(fd);
            });
            for (const int fd : fds)
                own_.insert(
                    number_behind<std::uint32_t>(proc_.file(pid, fmt::format("fdinfo/{}", fd)), "prog_id:"));
        }
    }

    Procfs proc_;
    std::set<std::uint32_t> own_, others_;
};

class ProgramReader {
  public:
    ProgramReader(const Roots& roots, const RowSink& sink) : roots_(roots), sink_(sink) {}

    void read_devices(const NetworkNamespace& netns) {
        auto netlink = Netlink::open(NETLINK_ROUTE);
        if (!netlink) return;
        const InterfaceNames names = interface_names(*netlink);
        read_xdp(*netlink, netns.inode, names);
        read_tc(*netlink, netns.inode, names);
        read_socket_lookup(netns.inode);
    }

    void read_cgroups(OwnPrograms& own) {
        each_cgroup(roots_, [&](int fd, const std::string& path) {
            struct stat status{};
            if (::fstat(fd, &status) != 0) return;
            read_cgroup(fd, path, status.st_ino, BPF_CGROUP_INET_INGRESS, "cgroup ingress", own);
            read_cgroup(fd, path, status.st_ino, BPF_CGROUP_INET_EGRESS, "cgroup egress", own);
        });
    }

    void read_netfilter() {
        Procfs proc(roots_.proc);
        for (__u32 id = 0; ::bpf_link_get_next_id(id, &id) == 0;) {
            const OwnedFd fd(::bpf_link_get_fd_by_id(id));
            if (!fd) continue;
            // libbpf 1.1 and its headers do not know such links: four numbers behind the common three.
            struct {
                __u32 type, id, program_id, reserved;
                __u32 pf, hook;
                __s32 priority;
                __u32 flags;
                char rest[64];
            } info{};
            __u32 size = sizeof info;
            if (::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0 || info.type != link_type_netfilter)
                continue;
            begin("netfilter", info.program_id);
            packet_program_fact& fact = record_.fixed;
            fact.priority = info.priority;
            put(fact.family, info.pf == NFPROTO_IPV4 ? "ip" : info.pf == NFPROTO_IPV6 ? "ip6" : "bridge");
            static constexpr std::string_view hooks[] = {"prerouting", "input", "forward", "output",
                                                         "postrouting"};
            if (info.hook < std::size(hooks)) put(fact.hook, hooks[info.hook]);
            find_holder(proc, id, fact);
            emit();
        }
    }

  private:
    static constexpr __u32 link_type_netfilter = 10;

    void begin(std::string_view place, std::uint32_t program_id) {
        record_.clear();
        record_.fixed.drops = null_i64;
        record_.fixed.program_id = program_id;
        put(record_.fixed.place, place);
        put(record_.fixed.kind, "bpf");
        if (program_id) put(record_.fixed.name, program_name(program_id));
    }
    void emit() { sink_(Row(schema_of_all, record_.finish())); }

    // The kernel attaches such a link in the network namespace of the process that asks for it, and does not
    // say afterwards which that was: it is that of the process that holds the link.
    static void find_holder(Procfs& proc, __u32 link_id, packet_program_fact& fact) {
        const std::string key = fmt::format("link_id:\t{}\n", link_id);
        for (const std::uint32_t pid : proc.pids()) {
            std::vector<int> fds;
            proc.each_fd(pid, [&](int fd, std::string_view target) {
                if (target == "anon_inode:bpf_link" || target == "anon_inode:bpf-link") fds.push_back(fd);
            });
            for (const int fd : fds) {
                if (proc.file(pid, fmt::format("fdinfo/{}", fd)).find(key) == std::string_view::npos)
                    continue;
                fact.pid = pid;
                put(fact.comm, proc.comm(pid));
                fact.netns = static_cast<__u32>(inode_of_link(proc.link(pid, "ns/net"), "net"));
                return;
            }
        }
    }

    void put_interface(std::uint32_t netns, std::uint32_t ifindex, const InterfaceNames& names) {
        record_.fixed.netns = netns;
        record_.fixed.ifindex = ifindex;
        if (const auto name = names.find(ifindex); name != names.end())
            put(record_.fixed.interface, name->second);
    }

    void read_xdp(Netlink& netlink, std::uint32_t netns, const InterfaceNames& names) {
        const ifinfomsg request{};
        const auto done = netlink.dump(RTM_GETLINK, bytes_of(request), [&](const NetlinkMessage& message) {
            if (message.body.size() < sizeof(ifinfomsg)) return;
            const auto link = load<ifinfomsg>(message.body);
            std::uint32_t program = 0;
            each_attribute(message.body.subspan(sizeof link), [&](std::uint16_t type, Bytes value) {
                if ((type & NLA_TYPE_MASK) != IFLA_XDP) return;
                each_attribute(value, [&](std::uint16_t inner, Bytes number) {
                    if (inner == IFLA_XDP_PROG_ID) program = netlink_u32(number);
                });
            });
            if (!program) return;
            begin("xdp", program);
            put_interface(netns, static_cast<std::uint32_t>(link.ifi_index), names);
            emit();
        });
        (void)done;  // no privilege is needed for what is read here
    }

    void read_tc(Netlink& netlink, std::uint32_t netns, const InterfaceNames& names) {
        std::set<std::uint32_t> devices;  // that have a place for such filters
        const tcmsg request{};
        const auto done = netlink.dump(RTM_GETQDISC, bytes_of(request), [&](const NetlinkMessage& message) {
            if (message.body.size() < sizeof(tcmsg)) return;
            const auto qdisc = load<tcmsg>(message.body);
            each_attribute(message.body.subspan(sizeof qdisc), [&](std::uint16_t type, Bytes value) {
                const auto kind = type == TCA_KIND ? netlink_text(value) : std::string_view();
                if (kind == "clsact" || kind == "ingress")
                    devices.insert(static_cast<std::uint32_t>(qdisc.tcm_ifindex));
            });
        });
        (void)done;
        for (const std::uint32_t device : devices) {
            read_filters(netlink, netns, device, names, TC_H_MIN_INGRESS, "tc ingress");
            read_filters(netlink, netns, device, names, TC_H_MIN_EGRESS, "tc egress");
        }
        for (const auto& [device, name] : names) {
            read_tcx(netns, device, names, 46, "tc ingress");  // BPF_TCX_INGRESS, 6.6
            read_tcx(netns, device, names, 47, "tc egress");   // BPF_TCX_EGRESS
        }
    }

    void read_filters(Netlink& netlink, std::uint32_t netns, std::uint32_t device,
                      const InterfaceNames& names, std::uint32_t side, std::string_view place) {
        tcmsg request{};
        request.tcm_ifindex = static_cast<int>(device);
        request.tcm_parent = TC_H_MAKE(TC_H_CLSACT, side);
        const auto done = netlink.dump(RTM_GETTFILTER, bytes_of(request), [&](const NetlinkMessage& message) {
            if (message.body.size() < sizeof(tcmsg)) return;
            const auto filter = load<tcmsg>(message.body);
            if (static_cast<std::uint32_t>(filter.tcm_ifindex) != device || filter.tcm_handle == 0) return;
            std::string kind, name;
            std::uint32_t program = 0;
            std::int64_t drops = null_i64;
            each_attribute(message.body.subspan(sizeof filter), [&](std::uint16_t type, Bytes value) {
                if (type == TCA_KIND) kind = netlink_text(value);
                if ((type & NLA_TYPE_MASK) == TCA_OPTIONS) read_options(kind, value, name, program, drops);
            });
            begin(place, program);
            put(record_.fixed.kind, kind);
            if (!program) put(record_.fixed.name, name);
            record_.fixed.preference = filter.tcm_info >> 16;
            record_.fixed.drops = drops;
            put_interface(netns, device, names);
            emit();
        });
        (void)done;
    }

    static void read_options(std::string_view kind, Bytes options, std::string& name, std::uint32_t& program,
                             std::int64_t& drops) {
        each_attribute(options, [&](std::uint16_t type, Bytes value) {
            type &= NLA_TYPE_MASK;
            if (kind == "bpf" && type == TCA_BPF_NAME) name = netlink_text(value);
            if (kind == "bpf" && type == TCA_BPF_ID) program = netlink_u32(value);
            const bool actions =
                (kind == "flower" && type == TCA_FLOWER_ACT) || (kind == "u32" && type == TCA_U32_ACT) ||
                (kind == "matchall" && type == TCA_MATCHALL_ACT) || (kind == "bpf" && type == TCA_BPF_ACT);
            if (actions)
                each_attribute(value, [&](std::uint16_t, Bytes action) { add_drops(action, drops); });
        });
    }

    static void add_drops(Bytes action, std::int64_t& drops) {
        each_attribute(action, [&](std::uint16_t type, Bytes value) {
            if ((type & NLA_TYPE_MASK) != TCA_ACT_STATS) return;
            each_attribute(value, [&](std::uint16_t inner, Bytes queue) {
                if (inner != TCA_STATS_QUEUE || queue.size() < sizeof(gnet_stats_queue)) return;
                drops = std::max<std::int64_t>(drops, 0) + load<gnet_stats_queue>(queue).drops;
            });
        });
    }

    void read_socket_lookup(std::uint32_t netns) {
        const OwnedFd fd(::open((roots_.proc + "/thread-self/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
        __u32 ids[64];
        __u32 count = std::size(ids);
        if (!fd || ::bpf_prog_query(fd.get(), BPF_SK_LOOKUP, 0, nullptr, ids, &count) != 0) return;
        for (__u32 i = 0; i < std::min<__u32>(count, std::size(ids)); ++i) {
            begin("socket lookup", ids[i]);
            record_.fixed.netns = netns;
            emit();
        }
    }

    void read_tcx(std::uint32_t netns, std::uint32_t device, const InterfaceNames& names, int type,
                  std::string_view place) {
        __u32 ids[64];
        __u32 count = std::size(ids);
        if (::bpf_prog_query(static_cast<int>(device), static_cast<bpf_attach_type>(type), 0, nullptr, ids,
                             &count) != 0)
            return;
        for (__u32 i = 0; i < std::min<__u32>(count, std::size(ids)); ++i) {
            begin(place, ids[i]);
            put_interface(netns, device, names);
            emit();
        }
    }

    void read_cgroup(int fd, const std::string& path, std::uint64_t id, bpf_attach_type type,
                     std::string_view place, OwnPrograms& own) {
        __u32 ids[64];
        __u32 count = std::size(ids);
        if (::bpf_prog_query(fd, type, 0, nullptr, ids, &count) != 0) return;
        for (__u32 i = 0; i < std::min<__u32>(count, std::size(ids)); ++i) {
            if (own.has(ids[i])) continue;
            begin(place, ids[i]);
            record_.fixed.cgroup_id = id;
            record_.text(&packet_program_fact::cgroup, path);
            emit();
        }
    }

    const Roots& roots_;
    const RowSink& sink_;
    RecordWriter<packet_program_fact> record_;
};

class PacketPrograms final : public NamespaceFact {
  public:
    explicit PacketPrograms(const Roots& roots) : NamespaceFact(roots), own_(roots) {}
    const Schema& schema() const override { return schema_of_all; }

    Result<void> begin(std::span<const NetworkNamespace>, const RowSink& sink) override {
        ProgramReader reader(roots_, sink);
        reader.read_netfilter();
        reader.read_cgroups(own_);
        return {};
    }
    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        ProgramReader(roots_, sink).read_devices(netns);
        return {};
    }

  private:
    OwnPrograms own_;
};

}  // namespace

std::unique_ptr<Fact> make_packet_programs(const Roots& roots) {
    return std::make_unique<PacketPrograms>(roots);
}

}  // namespace waggle::facts
