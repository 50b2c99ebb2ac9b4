// SPDX-License-Identifier: Apache-2.0
// The names, and nothing else: each with what it shows and how waggle says it.
#include "cli/familiar/familiar_names.h"

#include <algorithm>

namespace waggle::cli {
namespace {

// A line an event, which has its time here always.
constexpr FamiliarFlag line_flags[] = {{"-t"}, {"-T"}, {"--timestamp"}, {"--time"}};
constexpr FamiliarFlag interface_flags[] = {{"-a", {}, "which", "1"}};
constexpr FamiliarFlag counter_flags[] = {{"-a", {}, "which", "value > 0"}, {"-s"}, {"-z", {}, "which", "1"}};
constexpr FamiliarFlag process_flags[] = {{"-p", {}, "who", "pid = %"}};
constexpr FamiliarFlag queue_flags[] = {{"-s"}, {"qdisc"}, {"show"}, {"ls"}};
constexpr FamiliarFlag socket_flags[] = {{"-a", {}, "state", "1"},
                                         {"-l", {}, "state", "state IN ('LISTEN', 'UNCONNECTED')"},
                                         {"-n"},
                                         {"-p"},
                                         {"-t", {}, "protocol", "protocol = 'tcp'"},
                                         {"-u", {}, "protocol", "protocol = 'udp'"}};

constexpr FamiliarName names[] = {
    {"biolatency", "How long disks take, as distributions.", "hist block_io"},
    {"biosnoop", "Each request to a disk: who asked, and how long it waited and took.",
     "trace block_io --fields time_ns,comm,pid,device,operation,sector,bytes,queue_ns,device_ns"},
    {"biotop", "Who keeps the disks busy.", "top block_io"},
    {"bpflist", "The BPF programs of this machine, whose they are and where they are attached.", "bpf list"},
    {"bpftop", "What each BPF program costs.", "bpf top"},
    {"cpudist", "How long threads have a processor each time, as a distribution.", "hist run_queue_slice"},
    {"dnssnoop", "Each question to a name server: who asked, for which name, and what the answer was.",
     "trace dns_lookup --fields time_ns,comm,pid,name,type,server,code,latency_ns,tries"},
    {"dropwatch", "Each packet that is dropped, why, and by which function of the kernel.",
     "trace packet_drop --fields "
     "time_ns,reason,location,protocol,source,source_port,destination,destination_port,device,length_bytes"},
    {"execsnoop",
     "Each program that is started.",
     "trace process_exec --fields time_ns,comm,pid,parent_pid,uid,arguments",
     {},
     line_flags},
    {"exitsnoop",
     "Each process that ends: how long it lived, and how it ended.",
     "trace process_exit --fields time_ns,comm,pid,parent_pid,ran_ns,exit_code,signal",
     {},
     line_flags},
    {"futexctn", "Which locks the threads of a program wait for, and how long.", "top lock"},
    {"gethostlatency", "How long programs waited for the addresses of each name, and what they were told.",
     "trace name_lookup --fields time_ns,pid,comm,latency_ns,name,result"},
    {"hardirqs", "What interrupts take of each processor.", "top interrupt"},
    {"ifstat",
     "What each interface of this network namespace carries and drops.",
     {},
     "SELECT name AS interface, rx_bytes_delta / delta_seconds AS received_bytes_per_second, "
     "rx_packets_delta / delta_seconds AS received_packets_per_second, "
     "tx_bytes_delta / delta_seconds AS sent_bytes_per_second, "
     "tx_packets_delta / delta_seconds AS sent_packets_per_second, rx_dropped_delta AS received_drops, "
     "rx_errors_delta AS receive_errors, tx_dropped_delta AS sent_drops, tx_errors_delta AS send_errors "
     "FROM interfaces WHERE netns IN (SELECT netns FROM network_namespaces WHERE own) AND ({which:up}) "
     "ORDER BY ifindex",
     interface_flags,
     1},
    {"irqtop", "What interrupts take of each processor.", "top interrupt"},
    {"killsnoop", "Which process sends which signal to which.",
     "trace process_signal --fields time_ns,comm,pid,signal,target_pid,target_comm,outcome"},
    {"klockstat", "For which locks of the kernel who waits, in which function, and how long.",
     "top kernel_lock"},
    {"nstat",
     "What each counter of the network protocols grew by, in this network namespace.",
     {},
     "SELECT name, value_delta AS added, value_delta / delta_seconds AS per_second, value AS since_start "
     "FROM net_counters WHERE netns IN (SELECT netns FROM network_namespaces WHERE own) "
     "AND ({which:value_delta > 0})",
     counter_flags,
     1},
    {"offcputime",
     "How long the threads of each process that did something were off the processors, summed, and why; no "
     "stacks.",
     {},
     "SELECT pid, comm, sum(run_ns) AS run_ns, sum(sleep_ns) AS sleep_ns, sum(io_ns) AS io_ns, "
     "sum(uninterruptible_ns) AS uninterruptible_ns, sum(stopped_ns) AS stopped_ns, "
     "sum(wait_ns) AS wait_ns, sum(held_ns) AS held_ns, sum(voluntary) AS voluntary, "
     "sum(involuntary) AS involuntary FROM run_queue_total WHERE ({who:1}) GROUP BY pid, start_ns "
     "ORDER BY sum(sleep_ns + io_ns + uninterruptible_ns + stopped_ns + wait_ns + held_ns) DESC, pid",
     process_flags,
     10},
    {"pidpersec",
     "How many processes and threads are made each second.",
     {},
     "SELECT (processes + threads) / seconds AS pids_per_second, processes / seconds AS "
     "processes_per_second, "
     "threads / seconds AS threads_per_second FROM (SELECT (SELECT count(*) FROM process_fork) AS processes, "
     "(SELECT count(*) FROM process_thread) AS threads, seconds FROM window)",
     {},
     1},
    {"runqlat", "How long threads wait for a processor, as a distribution.", "hist run_queue"},
    {"runqlen",
     "How many threads wait for each processor on average: measured, not sampled.",
     {},
     "SELECT cpu, sum(queue_ns) * 1.0 / sum(covers_ns) AS waiting_threads, "
     "sum(busy_ns) * 100.0 / sum(covers_ns) AS busy_percent, sum(waits) AS waits, sum(switches) AS switches "
     "FROM run_queue_cpu GROUP BY cpu ORDER BY cpu",
     {},
     10},
    {"runqslower", "Each wait for a processor that takes 10 ms and more.",
     "trace run_queue --run-queue-least 10ms"},
    {"softirqs", "What softirqs take of each processor.", "top interrupt"},
    {"ss",
     "The sockets of this network namespace (without TIME_WAIT and unix), and whose they are.",
     {},
     "SELECT protocol AS netid, state, CASE state WHEN 'LISTEN' THEN accept_queue ELSE receive_queue_bytes "
     "END "
     "AS recv_q, CASE state WHEN 'LISTEN' THEN accept_backlog ELSE send_queue_bytes END AS send_q, "
     "local_address, local_port, peer_address, peer_port, nullif(comm, '') AS comm, nullif(pid, 0) AS pid "
     "FROM sockets WHERE netns IN (SELECT netns FROM network_namespaces WHERE own) AND ({protocol:1}) "
     "AND ({state:state NOT IN ('LISTEN', 'UNCONNECTED')}) ORDER BY protocol, state, local_port, peer_port",
     socket_flags},
    {"tc",
     "What each queueing discipline of this network namespace sends, drops and holds (tc -s qdisc).",
     {},
     "SELECT interface, kind, handle, parent, bytes AS sent_bytes, packets AS sent_packets, drops, "
     "overlimits, "
     "requeues, backlog_bytes, backlog_packets, bytes_delta / delta_seconds AS sent_bytes_per_second, "
     "packets_delta / delta_seconds AS sent_packets_per_second, drops_delta / delta_seconds AS "
     "drops_per_second, "
     "requeues_delta / delta_seconds AS requeues_per_second FROM qdiscs "
     "WHERE netns IN (SELECT netns FROM network_namespaces WHERE own) ORDER BY ifindex, parent",
     queue_flags,
     1},
    {"tcpaccept",
     "Each TCP connection that comes in, and who listens there.",
     "trace tcp_incoming --fields time_ns,comm,pid,remote_address,remote_port,local_address,local_port",
     {},
     line_flags},
    {"tcpconnect",
     "Each attempt to open a TCP connection: who, from where, and to whom.",
     "trace tcp_attempt --fields time_ns,comm,pid,local_address,remote_address,remote_port",
     {},
     line_flags},
    {"tcpconnlat",
     "How long each connection took to open.",
     "trace tcp_opened --fields "
     "time_ns,comm,pid,local_address,local_port,remote_address,remote_port,connect_ns",
     {},
     line_flags},
    {"tcplife",
     "Each TCP connection at its end: whose, with whom, how long, and how much.",
     "trace tcp_connection --fields "
     "time_ns,comm,pid,role,local_address,local_port,remote_address,remote_port,sent_bytes,received_bytes,"
     "lived_ns,ended",
     {},
     line_flags},
    {"tcpretrans",
     "Each TCP segment that is sent again, and why.",
     "trace tcp_retransmit --fields "
     "time_ns,comm,pid,local_address,local_port,remote_address,remote_port,cause,segments,state",
     {},
     line_flags},
    {"tcprst",
     "Each TCP reset that is sent or received.",
     "trace tcp_reset --fields "
     "time_ns,comm,pid,direction,local_address,local_port,remote_address,remote_port,state",
     {},
     line_flags},
    {"tcprtt", "How long packets took to the other side and back, for each TCP connection at its end.",
     "trace tcp_connection --fields time_ns,comm,pid,remote_address,remote_port,rtt_ns,least_rtt_ns"},
    {"tcpstates",
     "Each change of a TCP socket's state, and how long it was in the one before.",
     "trace tcp_state --fields "
     "time_ns,comm,pid,local_address,local_port,remote_address,remote_port,before,after,state_ns",
     {},
     line_flags},
    {"tcptop", "Who sends and receives most by TCP.", "top tcp"},
    {"threadsnoop",
     "Each thread that is made, and by whom.",
     "trace process_thread --fields time_ns,comm,pid,tid,made_tid",
     {},
     line_flags},
};
static_assert(std::ranges::is_sorted(names, {}, &FamiliarName::name));

constexpr UnansweredName unanswered[] = {
    {"argdist", "waggle probe PLACE --hist FIELD keeps the distribution of an argument of one place"},
    {"bashreadline",
     "what is typed into a shell is not read; waggle execsnoop shows which programs it starts"},
    {"biopattern", "waggle biotop says of each process which share of its requests is sequential"},
    {"biostacks",
     "waggle probe tracepoint:block:block_rq_issue --count --stack counts the ways to the disk within the "
     "kernel; how long each takes is not kept yet"},
    {"bitesize", "waggle probe tracepoint:block:block_rq_issue --hist bytes keeps the distribution of sizes"},
    {"cachestat", "the page cache is not watched yet"},
    {"cachetop", "the page cache is not watched yet"},
    {"capable", "checks of capabilities are not watched yet"},
    {"cpuunclaimed", "waggle why cpu names the threads that wait for some processors while others are idle"},
    {"dcsnoop", "look-ups of file names are not watched yet"},
    {"dcstat", "look-ups of file names are not watched yet"},
    {"deadlock",
     "the order of locks is not watched yet; waggle why cpu names a lock that threads stand in line for"},
    {"drsnoop", "reclaiming of memory is not watched yet"},
    {"ethtool",
     "a driver's own counters are not read yet; waggle ifstat has those that the kernel keeps for each "
     "interface"},
    {"ext4dist", "file systems are not watched yet; waggle biolatency has the disks"},
    {"ext4slower", "file systems are not watched yet; waggle biosnoop has the disks"},
    {"filelife", "files are not watched yet"},
    {"fileslower", "files are not watched yet; waggle biosnoop has the disks"},
    {"filetop", "files are not watched yet; waggle biotop has the disks"},
    {"funccount",
     "waggle probe PLACE --count --for 10s counts what passes one place of the kernel or of a program"},
    {"funclatency",
     "waggle probe kretprobe:FUNCTION --hist latency_ns keeps the distribution; for a program's function "
     "uretprobe:PROGRAM:FUNCTION"},
    {"funcslower",
     "waggle probe kretprobe:FUNCTION --filter \"latency_ns > 1000000\" prints the calls that take more than "
     "a millisecond; for a program's function uretprobe:PROGRAM:FUNCTION"},
    {"llcstat", "counters of the hardware are not read yet"},
    {"memleak", "allocations are not watched yet"},
    {"mountsnoop", "mounting is not watched yet; waggle query \"SELECT * FROM mounts\" says what is mounted"},
    {"netstat", "its sockets are here as waggle ss, its counters (netstat -s) as waggle nstat"},
    {"offwaketime",
     "who wakes whom is not kept yet; waggle offcputime says how long processes sleep and wait"},
    {"oomkill", "waggle why process says what was killed because memory ran out"},
    {"opensnoop", "waggle probe t:syscalls:sys_enter_openat --show filename prints who opens which file"},
    {"profile",
     "waggle probe perf:cpu-clock@99 --count --stack --ustack samples which code has the processors; "
     "waggle top run_queue says who has them"},
    {"readahead", "the page cache is not watched yet"},
    {"slabratetop", "the kernel's own memory is not watched yet"},
    {"sofdsnoop", "sockets that are handed on are not watched yet"},
    {"solisten",
     "waggle trace tcp_state has a row where a program begins to listen; waggle ss -l lists all that do"},
    {"sslsniff", "what is encrypted is not read"},
    {"stackcount", "waggle probe PLACE --count --stack counts the stacks that lead to one place"},
    {"statsnoop",
     "waggle probe t:syscalls:sys_enter_newfstatat --show filename prints who asks about which file"},
    {"syncsnoop",
     "waggle probe 't:syscalls:sys_enter_*sync*' prints who calls which; waggle biosnoop has what it writes"},
    {"syscount",
     "waggle probe t:raw_syscalls:sys_enter --count --by id counts them by name; not always on, since to see "
     "each costs every program of the machine"},
    {"tcpcong",
     "the states of congestion control are not kept yet; waggle tcpretrans says why segments are sent again"},
    {"tcpdrop", "waggle dropwatch shows dropped packets of all protocols, with the reason"},
    {"tcpsubnet", "bytes are not summed up by subnet; waggle tcptop has them by address"},
    {"tcpsynbl",
     "the queue of half-open connections is not read yet; waggle ss -l has the queue of those that wait for "
     "accept"},
    {"tcptracer", "waggle tcpconnect, waggle tcpaccept and waggle tcplife have its three kinds of lines"},
    {"vfsstat", "files are not watched yet"},
    {"wakeuptime",
     "who wakes whom is not kept yet; waggle offcputime says how long processes sleep and wait"},
    {"xfsdist", "file systems are not watched yet; waggle biolatency has the disks"},
    {"xfsslower", "file systems are not watched yet; waggle biosnoop has the disks"},
};
static_assert(std::ranges::is_sorted(unanswered, {}, &UnansweredName::name));

}  // namespace

std::span<const FamiliarName> familiar_names() { return names; }

std::span<const UnansweredName> unanswered_names() { return unanswered; }

}  // namespace waggle::cli
