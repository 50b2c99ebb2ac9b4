// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "model/record_writer.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

struct sysctl_fact {
    __s64 number;
    __u32 netns;
    __u32 reserved;
    waggle_text name;
    waggle_text value;
};

constexpr Field sysctls_fields[] = {
    WAGGLE_FIELD(sysctl_fact, netns, Unit::identifier,
                 "The network namespace it holds in, by its number; 0 for settings of the whole machine.",
                 trait_key),
    WAGGLE_FIELD(sysctl_fact, name, Unit::none, "The setting as sysctl(8) spells it: net.core.rmem_max.",
                 trait_key),
    WAGGLE_FIELD(sysctl_fact, value, Unit::none, "Its value now."),
    WAGGLE_FIELD(sysctl_fact, number, Unit::none, "The value's first number; null where it has none.",
                 trait_nullable),
};
constexpr Schema sysctl_schema = {"sysctls", "A setting of the running kernel (/proc/sys).",
                                  sizeof(sysctl_fact), sysctls_fields, false};

// What the rules and the knowledge base name. Those of net.* are read in every network namespace; where the
// namespace has none of its own, the machine's holds there too.
constexpr std::string_view network_names[] = {
    "net.core.bpf_jit_enable",
    "net.core.default_qdisc",
    "net.core.dev_weight",
    "net.core.flow_limit_table_len",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.netdev_max_backlog",
    "net.core.optmem_max",
    "net.core.rmem_default",
    "net.core.rmem_max",
    "net.core.rps_sock_flow_entries",
    "net.core.somaxconn",
    "net.core.wmem_default",
    "net.core.wmem_max",
    "net.ipv4.conf.all.accept_local",
    "net.ipv4.conf.all.log_martians",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.icmp_ratelimit",
    "net.ipv4.ip_default_ttl",
    "net.ipv4.ip_forward",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_no_pmtu_disc",
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.ipfrag_high_thresh",
    "net.ipv4.ipfrag_max_dist",
    "net.ipv4.ipfrag_time",
    "net.ipv4.neigh.default.gc_thresh1",
    "net.ipv4.neigh.default.gc_thresh2",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.ipv4.neigh.default.unres_qlen_bytes",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_moderate_rcvbuf",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_window_scaling",
    "net.ipv4.tcp_wmem",
    "net.ipv4.udp_l3mdev_accept",
    "net.ipv4.udp_mem",
    "net.ipv4.udp_rmem_min",
    "net.ipv4.udp_wmem_min",
    "net.ipv6.bindv6only",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.ip6frag_high_thresh",
    "net.ipv6.ip6frag_time",
    "net.ipv6.neigh.default.gc_thresh3",
    "net.netfilter.nf_conntrack_checksum",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_be_liberal",
    "net.netfilter.nf_conntrack_tcp_loose",
    "net.unix.max_dgram_qlen",
};
constexpr std::string_view machine_names[] = {
    "debug.exception-trace",
    "fs.aio-max-nr",
    "fs.aio-nr",
    "fs.file-max",
    "fs.file-nr",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "fs.nr_open",
    "fs.pipe-max-size",
    "fs.pipe-user-pages-soft",
    "kernel.bpf_stats_enabled",
    "kernel.core_pattern",
    "kernel.core_uses_pid",
    "kernel.dmesg_restrict",
    "kernel.hung_task_timeout_secs",
    "kernel.kptr_restrict",
    "kernel.msgmax",
    "kernel.nmi_watchdog",
    "kernel.numa_balancing",
    "kernel.panic_on_oops",
    "kernel.perf_event_max_sample_rate",
    "kernel.perf_event_paranoid",
    "kernel.pid_max",
    "kernel.printk",
    "kernel.randomize_va_space",
    "kernel.sched_rt_runtime_us",
    "kernel.shmmax",
    "kernel.tainted",
    "kernel.threads-max",
    "kernel.unprivileged_bpf_disabled",
    "kernel.watchdog_thresh",
    "kernel.yama.ptrace_scope",
    "vm.dirty_background_bytes",
    "vm.dirty_background_ratio",
    "vm.dirty_bytes",
    "vm.dirty_expire_centisecs",
    "vm.dirty_ratio",
    "vm.dirty_writeback_centisecs",
    "vm.max_map_count",
    "vm.min_free_kbytes",
    "vm.nr_hugepages",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.panic_on_oom",
    "vm.swappiness",
    "vm.vfs_cache_pressure",
    "vm.watermark_scale_factor",
    "vm.zone_reclaim_mode",
};

bool starts_with_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && is_digit(text.front());
}

// Settings read by way of their folders, each opened once, from the one above. In /proc/sys the ways to one folder or
// setting in all network namespaces lie in one list, which the kernel goes through; behind a folder that is a namespace's
// own there is no such list.
class SettingFolders {
  public:
    explicit SettingFolders(const std::string& proc) : root_(proc + "/sys/") {}

    // False where this kernel has no such setting, or it cannot be read.
    bool read(std::string_view name, std::string& value) {
        path_ = name;
        std::replace(path_.begin(), path_.end(), '.', '/');
        const std::size_t slash = path_.rfind('/') + 1;
        const OwnedFd& folder = folder_of(std::string_view(path_).substr(0, slash));
        if (!folder) return false;
        const OwnedFd fd(::openat(folder.get(), path_.c_str() + slash, O_RDONLY | O_CLOEXEC));
        if (!fd) return false;
        char text[4096];  // the kernel gives a setting at once, and none is longer
        const ssize_t got = ::read(fd.get(), text, sizeof text);
        if (got <= 0) return false;
        value = trim(std::string_view(text, static_cast<std::size_t>(got)));
        std::replace(value.begin(), value.end(), '\t', ' ');
        return !value.empty();
    }

  private:
    // `path` ends with a slash, but for that of all.
    const OwnedFd& folder_of(std::string_view path) {
        if (const auto known = folders_.find(path); known != folders_.end()) return known->second;
        constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        OwnedFd opened;
        if (path.empty()) {
            opened = OwnedFd(::open(root_.c_str(), flags));
        } else {
            const std::string_view name = path.substr(0, path.size() - 1);
            const std::size_t slash = name.rfind('/') + 1;
            if (const OwnedFd& above = folder_of(path.substr(0, slash)))
                opened = OwnedFd(::openat(above.get(), std::string(name.substr(slash)).c_str(), flags));
        }
        return folders_.emplace(std::string(path), std::move(opened)).first->second;
    }

    std::string root_;
    std::string path_;
    std::map<std::string, OwnedFd, std::less<>> folders_;
};

class Sysctls final : public NamespaceFact {
  public:
    explicit Sysctls(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return sysctl_schema; }

    Result<void> begin(std::span<const NetworkNamespace>, const RowSink& sink) override {
        own_.clear();
        SettingFolders settings(roots_.proc);
        std::string value;
        for (const std::string_view name : machine_names)
            if (settings.read(name, value)) emit(0, name, value, sink);
        return {};
    }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        SettingFolders settings(roots_.proc);
        std::string value;
        for (const std::string_view name : network_names) {
            if (settings.read(name, value)) {
                if (netns.own) own_[name] = value;
                emit(netns.inode, name, value, sink);
            } else if (const auto host = own_.find(name); host != own_.end()) {
                emit(netns.inode, name, host->second, sink);
            }
        }
        for (const std::string& device : devices()) {
            if (const std::string name = "net.ipv4.conf." + device + ".rp_filter"; settings.read(name, value))
                emit(netns.inode, name, value, sink);
            // From 6.17 on; nearly nowhere set.
            if (const std::string name = "net.ipv6.conf." + device + ".force_forwarding";
                settings.read(name, value) && value != "0")
                emit(netns.inode, name, value, sink);
        }
        return {};
    }

  private:
    void emit(std::uint32_t netns, std::string_view name, std::string_view value, const RowSink& sink) {
        record_.clear();
        record_.fixed.netns = netns;
        record_.fixed.number = starts_with_number(value) ? number_of(value) : null_i64;
        record_.text(&sysctl_fact::name, name);
        record_.text(&sysctl_fact::value, value);
        sink(Row(sysctl_schema, record_.finish()));
    }

    // What has settings of its own: of rp_filter the stricter holds, the device's or that of "all".
    std::vector<std::string> devices() const {
        std::vector<std::string> names;
        std::error_code wrong;
        for (const auto& entry :
             std::filesystem::directory_iterator(roots_.proc + "/sys/net/ipv4/conf", wrong)) {
            const std::string device = entry.path().filename();
            // A dot in a device's name is a slash to sysctl, and such a name is not looked up here.
            if (device != "all" && device != "default" && device.find('.') == std::string::npos)
                names.push_back(device);
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    std::map<std::string_view, std::string> own_;  // of waggle's own namespace, in this reading
    RecordWriter<sysctl_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_sysctls(const Roots& roots) { return std::make_unique<Sysctls>(roots); }

}  // namespace waggle::facts
