/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel types the programs read, and only the members they read: CO-RE finds the offsets on each kernel.
 * Layout here means nothing; names and types do. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef __u16 __sum16;
typedef int pid_t;
typedef _Bool bool;
typedef __u64 sector_t;
typedef __u32 dev_t;
typedef __u8 blk_status_t;
typedef __u32 blk_opf_t;

enum { false = 0, true = 1 };

/* UAPI values that the helpers' signatures and the maps need. */
enum bpf_map_type {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
    BPF_MAP_TYPE_PERCPU_HASH = 5,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_STACK_TRACE = 7,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
    BPF_MAP_TYPE_SK_STORAGE = 24,
    BPF_MAP_TYPE_RINGBUF = 27,
    BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum {
    BPF_ANY = 0,
    BPF_NOEXIST = 1,
    BPF_EXIST = 2,
};
enum {
    BPF_F_NO_PREALLOC = 1,
    BPF_F_NO_COMMON_LRU = 2,
};
enum {
    BPF_RB_NO_WAKEUP = 1,
    BPF_RB_FORCE_WAKEUP = 2,
};
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags,
        sp, ss;
};
struct list_head {
    struct list_head *next, *prev;
};
typedef struct {
    int counter;
} atomic_t;
typedef struct {
    s64 counter;
} atomic64_t;

/* process */
struct mm_struct {
    unsigned long arg_start, arg_end;
};
struct kernel_siginfo {
    int si_code;
};
struct signal_struct {
    int group_exit_code;
    int nr_threads;
    unsigned int flags;
    unsigned long maxrss;
    struct mm_struct* oom_mm;
    unsigned long long sum_sched_runtime;
    atomic_t live;
};
/* Since 6.16; asked only whether it is there (bpf/kernel_drift.h). */
struct trace_event_raw_sched_process_exit {
    bool group_dead;
};
struct kernfs_node {
    u64 id;
};
struct cgroup_root {
    int hierarchy_id;
};
struct cgroup {
    struct kernfs_node* kn;
    struct cgroup_root* root;
};
struct cgroup_subsys_state {
    struct cgroup* cgroup;
    struct cgroup_subsys_state* parent;
};
struct css_set {
    struct cgroup* dfl_cgrp;
};
struct super_block;
struct inode {
    unsigned long i_ino;
    struct super_block* i_sb;
};
struct dentry {
    struct inode* d_inode;
};
struct vfsmount {
    struct dentry* mnt_root;
};
struct mount {
    struct vfsmount mnt;
    int mnt_id;
};
struct path {
    struct vfsmount* mnt;
    struct dentry* dentry;
};
struct fs_struct {
    struct path root, pwd;
};
typedef struct {
    u32 val;
} kuid_t, kgid_t;
struct group_info {
    int ngroups;
    kgid_t gid[];
};
struct cred {
    kuid_t fsuid;
    kgid_t fsgid;
    struct group_info* group_info;
};
struct ns_common {
    unsigned int inum;
};
struct mnt_namespace {
    struct ns_common ns;
};
struct nsproxy {
    struct mnt_namespace* mnt_ns;
};
struct task_struct {
    pid_t pid;
    pid_t tgid;
    unsigned int flags;
    int exit_code;
    u64 start_time;
    u64 start_boottime;
    char comm[16];
    struct task_struct* real_parent;
    struct task_struct* group_leader;
    struct signal_struct* signal;
    struct mm_struct* mm;
    struct css_set* cgroups;
    void* stack;
    const struct cred* cred;
    struct fs_struct* fs;
    struct nsproxy* nsproxy;
};
struct file {
    struct inode* f_inode;
};
struct seq_file;
struct bpf_iter_meta {
    struct seq_file* seq;
};
struct bpf_iter__task_file {
    struct bpf_iter_meta* meta;
    struct task_struct* task;
    u32 fd;
    struct file* file;
};
struct linux_binprm {
    struct file* file;
    const char* filename;
    const char* interp;
    int argc;
};

/* block */
enum req_op {
    REQ_OP_READ = 0,
    REQ_OP_WRITE = 1,
    REQ_OP_FLUSH = 2,
};
/* Bit numbers move between kernels; read them with bpf_core_enum_value. */
enum req_flag_bits {
    __REQ_SYNC = 11,
    __REQ_META = 12,
    __REQ_PRIO = 13,
    __REQ_FUA = 17,
    __REQ_PREFLUSH = 18,
    __REQ_RAHEAD = 19,
    __REQ_BACKGROUND = 20,
    __REQ_NOWAIT = 21,
    __REQ_POLLED = 22,
    __REQ_SWAP = 24,
};
enum pageflags {
    PG_head = 6,
    PG_swapbacked = 17,
};
struct address_space;
struct page {
    unsigned long compound_head;
    struct address_space* mapping;
};
struct bio_vec {
    struct page* bv_page;
};
struct blkcg {
    struct cgroup_subsys_state css;
};
struct blkcg_gq {
    struct blkcg* blkcg;
};
struct bio {
    blk_opf_t bi_opf;
    unsigned short bi_flags;
    struct blkcg_gq* bi_blkg;
    struct bio_vec* bi_io_vec;
};
struct gendisk {
    int major;
    int first_minor;
    char disk_name[32];
};
struct request_queue {
    struct gendisk* disk;
};
struct request;
struct blk_flush_queue {
    unsigned int flush_pending_idx : 1;
    unsigned int flush_running_idx : 1;
    struct list_head flush_queue[2];
};
struct blk_mq_hw_ctx {
    struct blk_flush_queue* fq;
};
struct request {
    struct request_queue* q;
    struct blk_mq_hw_ctx* mq_hctx;
    blk_opf_t cmd_flags;
    unsigned int __data_len;
    sector_t __sector;
    struct bio* bio;
    struct bio* biotail;
    struct list_head queuelist;
    u64 start_time_ns;
};
struct block_device {
    struct gendisk* bd_disk;
};
struct super_block {
    dev_t s_dev;
    struct block_device* s_bdev;
    unsigned long s_magic;
};
struct bdev_inode {
    struct block_device bdev;
    struct inode vfs_inode;
};
struct address_space {
    struct inode* host;
};
typedef struct {
    unsigned long f;
} memdesc_flags_t;
struct folio {
    memdesc_flags_t flags;
    unsigned int _nr_pages;
};

/* network */
/* Numbers differ between kernels; read them with bpf_core_enum_value. */
enum skb_drop_reason {
    SKB_DROP_REASON_NOT_SPECIFIED = 2,
    SKB_DROP_REASON_SOCKET_CLOSE = 4,
    SKB_DROP_REASON_NETFILTER_DROP = 8,
    SKB_DROP_REASON_OTHERHOST = 13,
    SKB_DROP_REASON_TCP_OLD_DATA = 34,
    SKB_DROP_REASON_TCP_OFOMERGE = 36,
    SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK = 38,
    SKB_DROP_REASON_TCP_OLD_SEQUENCE = 42,
    SKB_DROP_REASON_TCP_OLD_ACK = 50,
    SKB_DROP_REASON_TCP_OFO_DROP = 54,
    SKB_DROP_REASON_CPU_BACKLOG = 76,
    SKB_DROP_REASON_XDP = 77,
    SKB_DROP_REASON_IP_INNOROUTES = 93,
    SKB_DROP_REASON_DUP_FRAG = 100,
    SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS = 108,
    SKB_DROP_REASON_IPV6_NDISC_NS_OTHERHOST = 109,
    SKB_DROP_REASON_QUEUE_PURGE = 110,
    SKB_DROP_REASON_MAC_IEEE_MAC_CONTROL = 124,
};
struct net_device;
struct net {
    struct ns_common ns;
    struct net_device* loopback_dev;
};
typedef struct {
    struct net* net;
} possible_net_t;
struct net_device {
    int ifindex;
    possible_net_t nd_net;
    char name[16];
    struct list_head dev_list;
};
struct napi_struct {
    struct net_device* dev;
};
struct irqaction {
    const char* name;
};
struct dst_ops {
    unsigned short family;
};
struct dst_entry {
    struct net_device* dev;
    struct dst_ops* ops;
    unsigned short flags;
    short error;
};
struct rtable {
    struct dst_entry dst;
    __u16 rt_type;
};
struct rt6_info {
    struct dst_entry dst;
    u32 rt6i_flags;
};
struct sock;
struct socket {
    struct sock* sk;
};
struct socket_alloc {
    struct inode vfs_inode;
};
struct sock_cgroup_data {
    struct cgroup* cgroup;
};
struct in6_addr {
    union {
        __be32 u6_addr32[4];
    } in6_u;
};
struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
    unsigned long skc_flags;
};
enum sock_flags {
    SOCK_DONE = 1,
    SOCK_LINGER = 3,
};
struct sock {
    struct sock_common __sk_common;
    struct socket* sk_socket;
    kuid_t sk_uid;
    struct sock_cgroup_data sk_cgrp_data;
    int sk_err;
    u16 sk_protocol;
    unsigned long sk_lingertime;
};
struct inet_sock {
    struct sock sk;
    __be16 inet_sport;
};
struct inet_connection_sock {
    struct inet_sock icsk_inet;
    __u8 icsk_ca_state : 5;
};
struct minmax_sample {
    u32 t;
    u32 v;
};
struct minmax {
    struct minmax_sample s[3];
};
struct tcp_sock {
    struct inet_connection_sock inet_conn;
    u64 bytes_received;
    u64 bytes_sent;
    u64 bytes_retrans;
    u32 segs_in;
    u32 segs_out;
    u32 total_retrans;
    u32 rcv_nxt;
    u32 copied_seq;
    u32 srtt_us;
    struct minmax rtt_min;
};
struct tcp_skb_cb {
    __u16 tcp_gso_segs;
};
struct skb_shared_info {
    unsigned short gso_size;
    unsigned short gso_segs;
};
struct sk_buff {
    struct net_device* dev; /* or dev_scratch, or a tree's pointer: see device_of() in packet_drop */
    struct sock* sk;
    unsigned long _skb_refdst;
    unsigned int len;
    __u8 pkt_type : 3;
    int skb_iif;
    __be16 vlan_proto;
    __u16 vlan_tci;
    __be16 protocol;
    __u16 transport_header;
    __u16 network_header;
    __u16 mac_header;
    char cb[48];
    unsigned int tail;
    unsigned int end;
    unsigned char* head;
    unsigned char* data;
};

#pragma clang attribute pop

#endif
