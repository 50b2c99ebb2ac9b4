// SPDX-License-Identifier: Apache-2.0
// Lines as engineers paste them; below each, after =>, the words of the knowledge that must explain it, with _ for blanks.
#pragma once

#include <string_view>

namespace waggle::explain::samples {

inline constexpr std::string_view pasted_lines = R"text(
Segmentation fault
=> SIGSEGV
Segmentation fault (core dumped)
=> SIGSEGV
Killed
=> SIGKILL
Aborted (core dumped)
=> SIGABRT
Bus error
=> SIGBUS
Floating point exception (core dumped)
=> SIGFPE
Illegal instruction
=> SIGILL
Broken pipe
=> EPIPE
Terminated
=> SIGTERM
signal: killed
=> SIGKILL
signal: segmentation fault (core dumped)
=> SIGSEGV
signal: terminated
=> SIGTERM
exit status 1
=> exit_1
exit status 137
=> exit_137
exit code 137
=> exit_137
exited with code 139
=> exit_139
Exited (137) 3 minutes ago
=> exit_137
command terminated with exit code 143
=> exit_143
npm ERR! code ELIFECYCLE errno 1
=> exit_1
bash: foo: command not found
=> command_not_found exit_127
command not found
=> command_not_found
/bin/sh: 1: nginx: not found
=> command_not_found exit_127
bash: ./run.sh: Permission denied
=> EACCES
-bash: /usr/bin/foo: No such file or directory
=> ENOENT
bash: ./a.out: cannot execute binary file: Exec format error
=> cannot_execute_binary ENOEXEC
bash: fork: retry: Resource temporarily unavailable
=> EAGAIN
bash: /usr/bin/ls: Argument list too long
=> E2BIG
systemd[1]: nginx.service: Main process exited, code=killed, status=9/KILL
=> main_process_killed SIGKILL
nginx.service: Main process exited, code=exited, status=203/EXEC
=> main_process_exited exit_203
app.service: Main process exited, code=dumped, status=11/SEGV
=> main_process_dumped SIGSEGV
Nov 12 10:01:02 web1 systemd[1]: app.service: Start request repeated too quickly.
=> start_too_often
app.service: Failed with result 'exit-code'.
=> failed_with_result result_exit_code
app.service: Failed with result 'oom-kill'.
=> failed_with_result result_oom_kill
app.service: Failed with result 'timeout'.
=> failed_with_result result_timeout
app.service: Failed with result 'core-dump'.
=> failed_with_result result_core_dump
app.service: Failed with result 'start-limit-hit'.
=> failed_with_result result_start_limit_hit
app.service: Scheduled restart job, restart counter is at 5.
=> scheduled_restart
Active: failed (Result: oom-kill) since Tue 2026-11-10 10:00:00 UTC; 3min ago
=> result_oom_kill
Active: failed (Result: signal) since Tue 2026-11-10 10:00:00 UTC; 3min ago
=> result_signal
Active: activating (auto-restart) (Result: exit-code) since Thu
=> result_exit_code
app.service: A process of this unit has been killed by the OOM killer.
=> killed_by_oom_killer result_oom_kill
app.service: State 'stop-sigterm' timed out. Killing.
=> state_timed_out result_timeout
app.service: Watchdog timeout (limit 30s)!
=> watchdog_timeout result_watchdog
Process: 812 ExecStart=/usr/bin/app (code=exited, status=217/USER)
=> exit_217
Failed to start app.service: Unit app.service not found.
=> unit_not_found
errno=28
=> ENOSPC
errno 28
=> ENOSPC
errno: 13
=> EACCES
[Errno 28] No space left on device
=> ENOSPC
OSError: [Errno 24] Too many open files: '/tmp/x'
=> EMFILE
error=-12
=> ENOMEM
-ENOMEM
=> ENOMEM
returned -ENOSPC
=> ENOSPC
rc=-110
=> ETIMEDOUT
ret = -5
=> EIO
OOMKilled
=> OOMKilled exit_137
Reason: OOMKilled
=> OOMKilled SIGKILL
CrashLoopBackOff
=> CrashLoopBackOff
ImagePullBackOff
=> ImagePullBackOff
Evicted
=> Evicted
Last State: Terminated Reason: Error Exit Code: 137
=> exit_137
State: OOMKilled: true
=> OOMKilled SIGKILL
[12345.678901] Out of memory: Killed process 812 (java) total-vm:8123456kB, anon-rss:4123456kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:9000kB oom_score_adj:0
=> out_of_memory_killed
[Tue Nov 10 10:00:00 2026] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/docker/abc,task_memcg=/docker/abc,task=java,pid=812,uid=0
=> oom_kill_of_a_limit
Memory cgroup out of memory: Killed process 99 (node) total-vm:1kB
=> out_of_memory_killed
Nov 10 10:00:00 host kernel: java invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
=> invoked_oom_killer
[Tue Nov 10 10:00:00 2026] app[812]: segfault at 0 ip 000055d0c0a01139 sp 00007ffd3c7d2a50 error 4 in app[55d0c0a01000+1000] likely on CPU 1 (core 1, socket 0)
=> segfault SIGSEGV
traps: app[812] general protection fault ip:55d0c0a01139 sp:7ffd3c7d2a50 error:0 in libc.so.6[7f0000+1000]
=> general_protection_fault_in_program SIGSEGV
traps: app[812] trap invalid opcode ip:55d0c0a01139 sp:7ffd error:0 in app[55d+1000]
=> invalid_opcode_in_program SIGILL
traps: app[812] trap divide error ip:55d sp:7ff error:0 in app[5+1]
=> divide_error_in_program SIGFPE
Nov 10 10:00:00 host kernel: INFO: task jbd2/sda1-8:310 blocked for more than 120 seconds.
=> task_blocked
watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kworker/3:1:312]
=> soft_lockup
rcu: INFO: rcu_sched self-detected stall on CPU
=> rcu_stall
EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0
=> ext4_error
EXT4-fs (sda1): Remounting filesystem read-only
=> remount_read_only
XFS (sdb1): Internal error XFS_WANT_CORRUPTED_GOTO
=> xfs_corruption
XFS (sdb1): log I/O error -5
=> xfs_log_error
blk_update_request: I/O error, dev sda, sector 1234 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0
=> block_io_error
I/O error, dev nvme0n1, sector 1234 op 0x1:(WRITE)
=> block_io_error
Buffer I/O error on dev dm-0, logical block 12, lost async page write
=> buffer_io_error
nvme nvme0: I/O 12 QID 3 timeout, aborting
=> nvme_timeout
ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen
=> ata_error
nf_conntrack: nf_conntrack: table full, dropping packet
=> nf_conntrack_table_full
kernel: TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.
=> syn_flooding
TCP: out of memory -- consider tuning tcp_mem
=> tcp_out_of_memory
TCP: too many orphaned sockets
=> tcp_out_of_memory
neighbour: arp_cache: neighbor table overflow!
=> neighbour_table_overflow
net_ratelimit: 12 callbacks suppressed
=> callbacks_suppressed
IPv4: martian source 10.0.0.1 from 10.0.0.2, on dev eth0
=> martian_source
NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out 5000 ms
=> netdev_watchdog
eth0: Link is Down
=> link_down
e1000e 0000:00:19.0 eth0: NIC Link is Down
=> link_down
br0: port 1(eth0) entered blocking state
=> bridge_port_state
[UFW BLOCK] IN=eth0 OUT= MAC=aa:bb SRC=192.0.2.1 DST=192.0.2.2 LEN=60 PROTO=TCP SPT=1234 DPT=22
=> firewall_log
audit: type=1400 audit(1700000000.123:45): apparmor="DENIED" operation="open" profile="/usr/sbin/mysqld" name="/data/x" pid=812 comm="mysqld"
=> audit_denied
audit: type=1400 avc:  denied  { read } for  pid=812 comm="nginx" name="index.html" scontext=system_u
=> audit_denied
audit: type=1326 audit(1.1:1): auid=0 uid=0 gid=0 ses=1 pid=812 comm="x" exe="/x" sig=31 arch=c000003e syscall=59 compat=0 ip=0x7f code=0x0
=> seccomp_audit SIGSYS
mce: [Hardware Error]: Machine check events logged
=> mce
EDAC MC0: 1 CE memory read error on CPU_SrcID
=> edac
CPU0: Core temperature above threshold, cpu clock throttled (total events = 1)
=> thermal_throttle
BUG: kernel NULL pointer dereference, address: 0000000000000008
=> kernel_bug
Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009
=> kernel_panic
page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null)
=> page_allocation_failure
swapper/0: page allocation failure: order:0
=> page_allocation_failure
VFS: file-max limit 9223372 reached
=> file_max_limit_reached
cgroup: fork rejected by pids controller in /system.slice/app.service
=> fork_rejected
md/raid1:md0: Disk failure on sdb1, disabling device.
=> raid_disk_failed
hrtimer: interrupt took 123456 ns
=> hrtimer_took_long
perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate to 79750
=> perf_interrupt_took_long
clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because the skew is too large:
=> clocksource_unstable
systemd-journald[200]: Suppressed 1234 messages from app.service
=> journal_suppressed
open /etc/app/config.yaml: permission denied
=> EACCES
dial tcp 10.0.0.1:5432: connect: connection refused
=> ECONNREFUSED
dial tcp 10.0.0.1:5432: i/o timeout
=> timed_out_in_program
read tcp 10.0.0.1:443->10.0.0.2:3333: read: connection reset by peer
=> ECONNRESET
listen tcp :8080: bind: address already in use
=> EADDRINUSE
accept tcp [::]:8080: accept4: too many open files
=> EMFILE
dial tcp: lookup db on 127.0.0.11:53: no such host
=> EAI_NONAME
fork/exec /usr/bin/foo: no such file or directory
=> ENOENT
fork/exec ./app: exec format error
=> ENOEXEC
runtime: out of memory: cannot allocate 4194304-byte block
=> go_no_memory
fatal error: runtime: cannot allocate memory
=> go_no_memory
panic: runtime error: invalid memory address or nil pointer dereference
=> go_nil SIGSEGV
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47b2c5]
=> go_nil SIGSEGV
java.net.BindException: Address already in use
=> EADDRINUSE
java.net.ConnectException: Connection refused (Connection refused)
=> ECONNREFUSED
java.net.SocketException: Too many open files
=> EMFILE
java.io.IOException: Broken pipe
=> EPIPE
java.net.NoRouteToHostException: No route to host (Host unreachable)
=> EHOSTUNREACH
java.net.SocketTimeoutException: connect timed out
=> timed_out_in_program
java.lang.OutOfMemoryError: Java heap space
=> java_heap_space
java.lang.OutOfMemoryError: unable to create new native thread
=> java_native_thread EAGAIN
java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached
=> java_native_thread EAGAIN
ConnectionRefusedError: [Errno 111] Connection refused
=> ECONNREFUSED
PermissionError: [Errno 13] Permission denied: '/etc/shadow'
=> EACCES
BrokenPipeError: [Errno 32] Broken pipe
=> EPIPE
socket.gaierror: [Errno -2] Name or service not known
=> EAI_NONAME
MemoryError
=> python_memory
TimeoutError: [Errno 110] Connection timed out
=> ETIMEDOUT
BlockingIOError: [Errno 11] Resource temporarily unavailable
=> EAGAIN
subprocess.CalledProcessError: Command '['ls']' died with <Signals.SIGKILL: 9>.
=> SIGKILL
subprocess.CalledProcessError: Command '['ls', '/x']' returned non-zero exit status 2.
=> exit_2
Error: listen EADDRINUSE: address already in use :::3000
=> EADDRINUSE
Error: connect ECONNREFUSED 127.0.0.1:5432
=> ECONNREFUSED
Error: ENOSPC: System limit for number of file watchers reached, watch '/app'
=> node_watchers fs.inotify.max_user_watches
Error: ENOENT: no such file or directory, open '/app/x.json'
=> ENOENT
Error: EMFILE: too many open files, open 'x'
=> EMFILE
Error: read ECONNRESET
=> ECONNRESET
Error: getaddrinfo ENOTFOUND db
=> EAI_NONAME
FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
=> node_heap SIGABRT
nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)
=> EADDRINUSE
upstream timed out (110: Connection timed out) while reading response header from upstream
=> ETIMEDOUT
worker process 812 exited on signal 9
=> SIGKILL
PANIC:  could not fsync file "base/1/2": Input/output error
=> EIO
FATAL:  could not create shared memory segment: Cannot allocate memory
=> ENOMEM
# Can't save in background: fork: Cannot allocate memory
=> ENOMEM
WARNING overcommit_memory is set to 0! Background save may fail under low memory condition.
=> redis_overcommit vm.overcommit_memory
# WARNING: The TCP backlog setting of 511 cannot be enforced because /proc/sys/net/core/somaxconn is set to the lower value of 128.
=> redis_backlog net.core.somaxconn
MISCONF Redis is configured to save RDB snapshots
=> redis_misconf
curl: (28) Connection timed out after 5000 milliseconds
=> timed_out_in_program
curl: (56) Recv failure: Connection reset by peer
=> ECONNRESET
ssh: connect to host x port 22: No route to host
=> EHOSTUNREACH
kex_exchange_identification: read: Connection reset by peer
=> ECONNRESET
ping: sendmsg: Operation not permitted
=> EPERM
ping: connect: Network is unreachable
=> ENETUNREACH
From 10.0.0.1 icmp_seq=1 Destination Host Unreachable
=> destination_host_unreachable EHOSTUNREACH
RTNETLINK answers: File exists
=> rtnetlink_answers EEXIST
mount: /mnt: wrong fs type, bad option, bad superblock on /dev/sdb1
=> wrong_fs_type EINVAL
umount: /mnt: target is busy.
=> EBUSY
rm: cannot remove '/x': Read-only file system
=> EROFS
cp: error writing '/x': Disk quota exceeded
=> EDQUOT
tar: Write error: Input/output error
=> EIO
error while loading shared libraries: libfoo.so.1: cannot open shared object file: No such file or directory
=> shared_library_missing exit_127
/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./app)
=> library_version_missing
terminate called after throwing an instance of 'std::bad_alloc'
=> bad_alloc SIGABRT
*** stack smashing detected ***: terminated
=> stack_smashing SIGABRT
malloc(): corrupted top size
=> heap_corruption SIGABRT
free(): double free detected in tcache 2
=> heap_corruption SIGABRT
double free or corruption (!prev)
=> heap_corruption SIGABRT
docker: Error response from daemon: OCI runtime create failed: exec: "foo": executable file not found in $PATH
=> executable_not_in_container ENOENT
standard_init_linux.go:228: exec user process caused: exec format error
=> cannot_execute_binary ENOEXEC
Error response from daemon: driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated
=> port_is_allocated
strace: openat(AT_FDCWD, "/x", O_RDONLY) = -1 ENOENT (No such file or directory)
=> ENOENT
write(1, "x", 1) = -1 EPIPE (Broken pipe)
=> EPIPE
--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---
=> SIGSEGV
TcpExtListenOverflows 12 0.0
=> TcpExtListenOverflows
TcpExtListenDrops               129                0.0
=> TcpExtListenDrops
TcpRetransSegs
=> TcpRetransSegs
IpInDiscards
=> IpInDiscards
Icmp6OutErrors 4
=> Icmp6OutErrors
UdpRcvbufErrors: 12
=> UdpRcvbufErrors
pgmajfault 1234
=> pgmajfault
allocstall_normal 12
=> allocstall
oom_kill 3
=> oom_kill
workingset_refault_anon 77
=> workingset_refault_anon
some avg10=12.34 avg60=5.00 avg300=1.00 total=123456
=> some_line
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
=> full_line
CommitLimit:     1234 kB
=> CommitLimit
MemAvailable:     312340 kB
=> MemAvailable
SUnreclaim: 123 kB
=> SUnreclaim
HugePages_Free:        0
=> HugePages_Free
memory.events
=> memory.events
oom_group_kill 0
=> oom_group_kill
max 12
=> max
memory.high
=> memory.high
nr_throttled 17
=> nr_throttled
throttled_usec 12345
=> throttled_usec
pids.max
=> pids.max
cpu.max
=> cpu.max
io.stat
=> io.stat
memory.swap.max
=> memory.swap.max
VmRSS:     1234 kB
=> VmRSS
State:	D (disk sleep)
=> D_(disk_sleep)
SigCgt
=> SigCgt
voluntary_ctxt_switches
=> voluntary_ctxt_switches
net.core.somaxconn = 128
=> net.core.somaxconn
vm.overcommit_memory=2
=> vm.overcommit_memory
CapEff: 0000003fffffffff
=> CapEff
cap_net_admin
=> CAP_NET_ADMIN
Tasks: 512 (limit: 512)
=> unit_tasks
dmesg: read kernel buffer failed: Operation not permitted
=> EPERM
fatal: unable to create thread: Resource temporarily unavailable
=> EAGAIN
pthread_create failed: Resource temporarily unavailable
=> EAGAIN
Cannot assign requested address
=> EADDRNOTAVAIL
bind: Cannot assign requested address
=> EADDRNOTAVAIL
Text file busy
=> ETXTBSY
Stale file handle
=> ESTALE
Transport endpoint is not connected
=> ENOTCONN
Protocol not available
=> ENOPROTOOPT
Structure needs cleaning
=> EUCLEAN
Device or resource busy
=> EBUSY
Key was rejected by service
=> EKEYREJECTED
Too many levels of symbolic links
=> ELOOP
connect: EHOSTUNREACH
=> EHOSTUNREACH
EAI_AGAIN
=> EAI_AGAIN
bash: 28648 Killed                  sh -c "kill -9 0" 2> /dev/null
=> SIGKILL
)text";

}  // namespace waggle::explain::samples
