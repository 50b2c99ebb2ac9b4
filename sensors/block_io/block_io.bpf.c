// SPDX-License-Identifier: GPL-2.0
/* A request's life: inserted into a queue (not on every path), issued to the driver, completed. Who submitted
 * it is read at the first of the two that runs in the submitter's context, and everything is counted at its
 * end. */
/* clang-format off */
#include "bpf/ring.h"
#include "bpf/kernel_drift.h"
#include "sensors/block_io/block_io.event.h"
#include "sensors/block_io/remember.bpf.h"
#include "sensors/block_io/who.bpf.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define MAX_STREAMS 8192
#define BDEVFS_MAGIC 0x62646576
#define PAGE_MAPPING_ANON 1
#define PAGE_SHIFT 12

/* Set by the reader when every hook is in place; requests that began earlier are left out. */
__u64 watching_since_ns = 0;
__u64 lost_map_full = 0;     /* a request, process or device that found no room */
__u64 lost_began_before = 0; /* requests that were under way when waggle started */
__u64 lost_start_missed = 0; /* requests that ended without a start having been seen */
__u64 unremembered = 0; /* requests under way that found no room, so that their end is not counted again */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, struct block_device_state);
} devices SEC(".maps");

struct total_key {
    __u64 start_ns;
    __u64 cgroup_id; /* a kernel worker writes for many */
    __u32 pid;
    __u32 device;
    __u32 operation;
    __u32 reserved;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct total_key);
    __type(value, struct block_io_total_state);
} totals SEC(".maps");

/* Where the last request of a process, on a device, of an operation ended. Direct-mapped: who is thrown out
 * by another begins again and has one request called not sequential. */
struct stream {
    __u32 who;
    __u32 device;
    __u64 next_sector;
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MAX_STREAMS);
    __type(key, __u32);
    __type(value, struct stream);
} streams SEC(".maps");

/* Records too large for the stack, built here. One entry for each program that builds: no program interrupts
 * itself. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct block_io_total_state);
} new_total SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct block_device_state);
} new_device SEC(".maps");

static __always_inline void begin(struct remembered* entry, struct request* request, __u64 now) {
    entry->began_ns = request->start_time_ns;
    entry->queued_ns = entry->began_ns ? entry->began_ns : now;
    who_submits(&entry->who, request);
    entry->error = 0;
    entry->requeues = 0;
    entry->state = REQUEST_QUEUED;
}

static __always_inline __u32 device_key(struct gendisk* disk) {
    return (__u32)disk->major << 20 | (__u32)disk->first_minor;
}

static __noinline int make_device(__u32 key, struct gendisk* disk) {
    __u32 zero = 0;
    struct block_device_state* made = bpf_map_lookup_elem(&new_device, &zero);
    if (!made || !disk) return 0;
    made->row.header.kind = BLOCK_DEVICE;
    made->row.header.size = sizeof made->row;
    made->row.major = key >> 20;
    made->row.minor = key & 0xfffff;
    bpf_probe_read_kernel_str(made->row.device, sizeof made->row.device, &disk->disk_name);
    bpf_map_update_elem(&devices, &key, made, BPF_NOEXIST);
    return 0;
}

/* Counts the time since the last change, with as many requests in flight as there were. Whoever moves
 * changed_ns on counts that interval, so each instant is counted once and without a lock. */
static __always_inline void count_time(struct block_device_state* device, __u64 now) {
    __u64 since = device->changed_ns;
    __s64 in_flight = device->row.in_flight;
    if (now <= since || __sync_val_compare_and_swap(&device->changed_ns, since, now) != since) return;
    if (in_flight <= 0) return;
    __sync_fetch_and_add(&device->row.busy_ns, now - since);
    __sync_fetch_and_add(&device->row.depth_ns, (now - since) * in_flight);
}

static __always_inline void leave_flight(struct block_device_state* device, __u64 now) {
    count_time(device, now);
    /* The reader sets it to 0 when the kernel says that the device is idle; a late end must not make it
     * negative. */
    if ((__s64)__sync_fetch_and_add(&device->row.in_flight, -1) <= 0)
        __sync_fetch_and_add(&device->row.in_flight, 1);
}

/* An end that was missed (the hook was already running on that CPU) shows when its place is used again. */
static __always_inline _Bool is_another(const struct remembered* entry, struct request* request) {
    return entry->began_ns != request->start_time_ns;
}
static __always_inline void drop_stale(const struct remembered* entry, __u64 now) {
    if (entry->state != REQUEST_ISSUED) return;
    struct block_device_state* device = bpf_map_lookup_elem(&devices, &entry->device);
    if (device) leave_flight(device, now);
}

static __always_inline _Bool began_before(struct request* request) {
    __u64 began = request->start_time_ns;
    return !watching_since_ns || (began && began < watching_since_ns);
}

/* The request's entry, made where there is none yet; null when it is not to be followed. */
static __always_inline struct remembered* follow(struct request* request, __u64 now) {
    if (began_before(request)) return 0;
    __u64 number = number_of(request);
    struct bucket* bucket = bucket_of(number);
    if (!bucket) return 0;
    struct remembered* entry = find_request(bucket, number);
    if (entry && !is_another(entry, request)) return entry;
    if (entry)
        drop_stale(entry, now);
    else
        entry = claim_request(bucket, number);
    if (entry) {
        begin(entry, request, now);
        return entry;
    }
    __sync_fetch_and_add(&lost_map_full, 1);
    __sync_fetch_and_add(&unremembered, 1);
    return 0;
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(on_insert, struct request* request) {
    if (request->q->disk) follow(request, bpf_ktime_get_ns());
    return 0;
}

static __always_inline _Bool continues_stream(const struct remembered* entry) {
    __u32 who = entry->who.pid | (entry->opf & REQ_OP_MASK) << 24;
    __u32 index = (who * 0x9E3779B1u ^ entry->device * 0x85EBCA6Bu) >> 19 & (MAX_STREAMS - 1);
    struct stream* stream = bpf_map_lookup_elem(&streams, &index);
    if (!stream) return 0;
    _Bool same = stream->who == who && stream->device == entry->device;
    _Bool sequential = same && stream->next_sector == entry->sector;
    stream->who = who;
    stream->device = entry->device;
    stream->next_sector = entry->sector + (entry->bytes >> 9);
    return sequential;
}

/* Whether the device reads or writes the process's own memory. Pages of the cache belong to a file; a
 * process's memory is pinned for the device (6.5 and later) or anonymous. */
static __always_inline _Bool is_direct(struct request* request) {
    struct bio* bio = request->bio;
    if (!bio || (request->cmd_flags & REQ_OP_MASK) > REQ_OP_WRITE) return 0;
    if (request->cmd_flags & 1u << bpf_core_enum_value(enum req_flag_bits, __REQ_SWAP)) return 0;
    if (waggle_bio_pinned(bio->bi_flags)) return 1;
    struct page* page = bio->bi_io_vec->bv_page;
    unsigned long head = BPF_CORE_READ(page, compound_head), flags = 0;
    if (head & 1) page = (struct page*)(head - 1);
    unsigned long mapping = (unsigned long)BPF_CORE_READ(page, mapping);
    if ((mapping & 3) != PAGE_MAPPING_ANON) return 0;
    /* Slab pages keep a counter in the same word; anonymous memory is swap-backed too. flags is the first
     * member. */
    bpf_probe_read_kernel(&flags, sizeof flags, page);
    return flags >> bpf_core_enum_value(enum pageflags, PG_swapbacked) & 1;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(on_issue, struct request* request) {
    struct gendisk* disk = request->q->disk;
    if (!disk) return 0; /* commands to a controller */
    __u64 now = bpf_ktime_get_ns();
    struct remembered* entry = follow(request, now);
    if (!entry) return 0;
    __u32 key = device_key(disk);
    struct block_device_state* device = bpf_map_lookup_elem(&devices, &key);
    if (!device) {
        make_device(key, disk);
        device = bpf_map_lookup_elem(&devices, &key);
        if (!device) {
            __sync_fetch_and_add(&lost_map_full, 1);
            return 0;
        }
    }
    count_time(device, now);
    if (entry->state != REQUEST_ISSUED)
        entry->depth = (__u32)__sync_fetch_and_add(&device->row.in_flight, 1) + 1;
    entry->state = REQUEST_ISSUED;
    entry->issued_ns = now;
    entry->device = key;
    if (entry->requeues) return 0;
    entry->bytes = request->__data_len;
    entry->sector = entry->bytes ? request->__sector : 0;
    entry->opf = request->cmd_flags;
    entry->sequential = entry->bytes && continues_stream(entry);
    entry->direct = is_direct(request);
    return 0;
}

SEC("tp_btf/block_rq_requeue")
int BPF_PROG(on_requeue, struct request* request) {
    __u64 number = number_of(request);
    struct bucket* bucket = bucket_of(number);
    struct remembered* entry = bucket ? find_request(bucket, number) : 0;
    if (!entry || entry->state != REQUEST_ISSUED) return 0;
    struct block_device_state* device = bpf_map_lookup_elem(&devices, &entry->device);
    if (device) leave_flight(device, bpf_ktime_get_ns());
    entry->state = REQUEST_QUEUED;
    if (entry->requeues < 255) entry->requeues++;
    return 0;
}

/* Two queued requests became one: the second never reaches the driver. */
SEC("tp_btf/block_rq_merge")
int BPF_PROG(on_merge, struct request* second) {
    __u64 number = number_of(second);
    struct bucket* bucket = bucket_of(number);
    if (bucket) forget_request(bucket, number);
    return 0;
}

static __noinline int make_total(struct total_key* key, struct remembered* entry) {
    __u32 zero = 0;
    struct block_io_total_state* made = bpf_map_lookup_elem(&new_total, &zero);
    if (!made || !key || !entry) return 0;
    struct block_device_state* device = bpf_map_lookup_elem(&devices, &entry->device);
    if (!device) return 0;
    made->row.header.kind = BLOCK_IO_TOTAL;
    made->row.header.size = sizeof made->row;
    made->row.header.time_ns = bpf_ktime_get_ns();
    made->row.header.start_ns = entry->who.start_ns;
    made->row.header.cgroup_id = entry->who.cgroup_id;
    made->row.header.pid = entry->who.pid;
    made->row.header.tid = entry->who.pid;
    __builtin_memcpy(made->row.header.comm, entry->who.comm, sizeof made->row.header.comm);
    __builtin_memcpy(made->row.device, device->row.device, sizeof made->row.device);
    made->row.major = device->row.major;
    made->row.minor = device->row.minor;
    made->row.operation = entry->opf & REQ_OP_MASK;
    bpf_map_update_elem(&totals, key, made, BPF_NOEXIST);
    return 0;
}

/* Reads are, and flushes; of writes those whose process sleeps until they are done. */
static __always_inline _Bool is_waited_for(__u32 opf) {
    return (opf & REQ_OP_MASK) == REQ_OP_READ || (opf & REQ_OP_MASK) == REQ_OP_FLUSH ||
           opf >> bpf_core_enum_value(enum req_flag_bits, __REQ_SYNC) & 1;
}

static __always_inline void count_total(struct remembered* entry, __u64 queue_ns, __u64 device_ns,
                                        __u64 now) {
    struct total_key key = {entry->who.start_ns, entry->who.cgroup_id,     entry->who.pid,
                            entry->device,       entry->opf & REQ_OP_MASK, 0};
    struct block_io_total_state* total = bpf_map_lookup_elem(&totals, &key);
    if (!total) {
        make_total(&key, entry);
        total = bpf_map_lookup_elem(&totals, &key);
        if (!total) {
            __sync_fetch_and_add(&lost_map_full, 1);
            return;
        }
    }
    total->row.header.time_ns = now;
    __sync_fetch_and_add(&total->row.requests, 1);
    if (entry->bytes) __sync_fetch_and_add(&total->row.bytes, entry->bytes);
    if (entry->sequential) __sync_fetch_and_add(&total->row.sequential, 1);
    if (entry->direct) __sync_fetch_and_add(&total->row.direct, 1);
    if (entry->error) __sync_fetch_and_add(&total->row.errors, 1);
    __sync_fetch_and_add(&total->row.queue_ns, queue_ns);
    __sync_fetch_and_add(&total->row.device_ns, device_ns);
    if (is_waited_for(entry->opf)) __sync_fetch_and_add(&total->row.waited_ns, queue_ns + device_ns);
    waggle_hist_count(total->queue_slots, queue_ns, BLOCK_TIME_UNIT, BLOCK_TIME_END);
    waggle_hist_count(total->device_slots, device_ns, BLOCK_TIME_UNIT, BLOCK_TIME_END);
}

#define FLAG(opf, name) \
    ((opf) >> bpf_core_enum_value(enum req_flag_bits, __REQ_##name) & 1 ? BLOCK_##name : 0)
/* Flags that a kernel does not have, or has under another number, are found by name. */
#define FLAG_IF(opf, name) \
    (bpf_core_enum_value_exists(enum req_flag_bits, __REQ_##name) ? FLAG(opf, name) : 0)

static __always_inline __u32 flags_of(__u32 opf) {
    return FLAG(opf, SYNC) | FLAG(opf, META) | FLAG(opf, PRIO) | FLAG(opf, FUA) | FLAG(opf, PREFLUSH) |
           FLAG(opf, RAHEAD) | FLAG(opf, BACKGROUND) | FLAG(opf, NOWAIT) | FLAG_IF(opf, POLLED) |
           FLAG_IF(opf, SWAP);
}

static __noinline int send_event(struct remembered* entry, __u64 queue_ns, __u64 device_ns, __u64 now) {
    if (!entry) return 0;
    if (only_pid && entry->who.pid != only_pid) return 0;
    if (only_cgroup_id && entry->who.cgroup_id != only_cgroup_id) return 0;
    if (filter_comm && !waggle_comm_wanted(entry->who.comm)) return 0;
    struct block_device_state* device = bpf_map_lookup_elem(&devices, &entry->device);
    if (!device) return 0;
    struct block_io_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    event->header.kind = BLOCK_IO;
    event->header.reserved = 0;
    event->header.size = sizeof *event;
    event->header.time_ns = now;
    event->header.start_ns = entry->who.start_ns;
    event->header.cgroup_id = entry->who.cgroup_id;
    event->header.pid = entry->who.pid;
    event->header.tid = entry->who.tid;
    __builtin_memcpy(event->header.comm, entry->who.comm, sizeof event->header.comm);
    __builtin_memcpy(event->device, device->row.device, sizeof event->device);
    event->major = device->row.major;
    event->minor = device->row.minor;
    event->sector = entry->sector;
    event->bytes = entry->bytes;
    event->queue_ns = queue_ns;
    event->device_ns = device_ns;
    event->depth = entry->depth;
    event->flags = flags_of(entry->opf);
    event->error = entry->error;
    event->operation = entry->opf & REQ_OP_MASK;
    event->sequential = entry->sequential;
    event->direct = entry->direct;
    event->requeues = entry->requeues;
    waggle_submit(event);
    return 0;
}

static __always_inline void end_of_unknown(struct request* request, __u32 bytes) {
    /* A request that asked for a flush ends twice, the second time without data: it never was a request to
     * the device. */
    if (!bytes) return;
    if (began_before(request))
        __sync_fetch_and_add(&lost_began_before, 1);
    else if (unremembered)
        __sync_fetch_and_add(&unremembered, -1);
    else
        __sync_fetch_and_add(&lost_start_missed, 1);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_complete, struct request* request, blk_status_t status, unsigned int bytes) {
    __u64 number = number_of(request);
    struct bucket* bucket = bucket_of(number);
    struct remembered* entry = bucket ? find_request(bucket, number) : 0;
    if (!entry || entry->state != REQUEST_ISSUED) {
        if (!entry)
            end_of_unknown(request, bytes);
        else
            forget_request(bucket, number); /* refused before it reached the driver */
        return 0;
    }
    if (status && !entry->error) entry->error = waggle_block_errno(status);
    if (bytes < request->__data_len) return 0; /* the rest follows */
    __u64 now = bpf_ktime_get_ns();
    __u64 queue_ns = entry->issued_ns > entry->queued_ns ? entry->issued_ns - entry->queued_ns : 0;
    __u64 device_ns = now > entry->issued_ns ? now - entry->issued_ns : 0;
    struct block_device_state* device = bpf_map_lookup_elem(&devices, &entry->device);
    if (device) {
        leave_flight(device, now);
        __sync_fetch_and_add(&device->row.requests, 1);
        __u32 operation = entry->opf & REQ_OP_MASK;
        if (operation == REQ_OP_READ) __sync_fetch_and_add(&device->row.read_bytes, entry->bytes);
        if (operation == REQ_OP_WRITE) __sync_fetch_and_add(&device->row.write_bytes, entry->bytes);
        if (entry->error) __sync_fetch_and_add(&device->row.errors, 1);
    }
    count_total(entry, queue_ns, device_ns, now);
    if (events_wanted) send_event(entry, queue_ns, device_ns, now);
    forget_request(bucket, number);
    return 0;
}

struct dirty_key {
    __u64 start_ns;
    __u32 pid;
    __u32 device;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct dirty_key);
    __type(value, struct page_dirty_total_event);
} dirtied SEC(".maps");

static __noinline int make_dirtied(struct dirty_key* key, void* disk) {
    if (!key || !disk) return 0;
    struct page_dirty_total_event made = {};
    waggle_header(&made.header, BLOCK_PAGE_DIRTY, sizeof made, bpf_get_current_task_btf());
    made.header.tid = made.header.pid;
    made.major = key->device >> 20;
    made.minor = key->device & 0xfffff;
    bpf_probe_read_kernel_str(made.device, sizeof made.device, &((struct gendisk*)disk)->disk_name);
    bpf_map_update_elem(&dirtied, key, &made, BPF_NOEXIST);
    return 0;
}

/* Buffered writes reach the disk later, by a worker. Here is seen who made the pages dirty. */
SEC("tp_btf/writeback_dirty_folio")
int BPF_PROG(on_dirty, struct folio* folio, struct address_space* mapping) {
    struct inode* inode = mapping ? mapping->host : 0;
    struct super_block* super = inode ? inode->i_sb : 0;
    if (!super) return 0;
    struct block_device* below = super->s_bdev;
    void* disk;
    __u32 device;
    if (below) {
        device = device_key(below->bd_disk);
        disk = below->bd_disk;
    } else if (super->s_magic == BDEVFS_MAGIC) { /* pages of the disk itself, without a file system */
        below = (struct block_device*)((char*)inode - bpf_core_field_offset(struct bdev_inode, vfs_inode));
        disk = BPF_CORE_READ(below, bd_disk);
        device = (__u32)BPF_CORE_READ((struct gendisk*)disk, major) << 20 |
                 (__u32)BPF_CORE_READ((struct gendisk*)disk, first_minor);
    } else {
        return 0; /* a file system without one disk of its own */
    }
    struct task_struct* task = bpf_get_current_task_btf();
    struct dirty_key key = {waggle_start_ns(task), task->tgid, device};
    struct page_dirty_total_event* total = bpf_map_lookup_elem(&dirtied, &key);
    if (!total) {
        make_dirtied(&key, disk);
        total = bpf_map_lookup_elem(&dirtied, &key);
        if (!total) {
            __sync_fetch_and_add(&lost_map_full, 1);
            return 0;
        }
    }
    __sync_fetch_and_add(&total->bytes, (__u64)waggle_folio_pages(folio) << PAGE_SHIFT);
    return 0;
}
