// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "host/mountinfo.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct block_device_fact {
    char name[32];
    char device[16];
    char parent[32];
    char scheduler[16];
    waggle_text mounted_at;
    waggle_text backing_file;
    char backing_disk[32];
    waggle_text model;
    __u64 size_bytes;
    __u64 largest_request_bytes;
    __u32 queue_depth;
    __u32 in_flight_reads;
    __u32 in_flight_writes;
    __u8 rotational;
    __u8 read_only;
    __u8 reserved[2];
};

constexpr Field block_devices_fields[] = {
    WAGGLE_FIELD(block_device_fact, name, Unit::none, "The device by its name in /dev: sda, nvme0n1p2.",
                 trait_key),
    WAGGLE_FIELD(block_device_fact, device, Unit::none, "Its number, major:minor."),
    WAGGLE_FIELD(block_device_fact, parent, Unit::none,
                 "Partitions: the disk they are part of; empty for whole devices.", trait_hidden),
    WAGGLE_FIELD(block_device_fact, size_bytes, Unit::bytes, "How much it holds."),
    WAGGLE_FLAG(block_device_fact, rotational,
                "The kernel takes it for a disk that turns (seeks are expensive)."),
    WAGGLE_FLAG(block_device_fact, read_only, "It cannot be written.", trait_hidden),
    WAGGLE_FIELD(block_device_fact, scheduler, Unit::none,
                 "The I/O scheduler in use: none, mq-deadline, bfq, kyber."),
    WAGGLE_FIELD(block_device_fact, queue_depth, Unit::count,
                 "Requests that may wait in its queue (queue/nr_requests)."),
    WAGGLE_FIELD(
        block_device_fact, largest_request_bytes, Unit::bytes,
        "What it takes in one request, of pages that lie apart in memory; what is asked at once and is "
        "larger becomes several requests.",
        trait_hidden),
    WAGGLE_FIELD(block_device_fact, in_flight_reads, Unit::count, "Reads that the device works on now."),
    WAGGLE_FIELD(block_device_fact, in_flight_writes, Unit::count, "Writes that the device works on now."),
    WAGGLE_FIELD(block_device_fact, mounted_at, Unit::none,
                 "Where it is mounted, the first place where there are several; empty where nowhere."),
    WAGGLE_FIELD(block_device_fact, backing_file, Unit::none, "Loop devices: the file behind it."),
    WAGGLE_FIELD(block_device_fact, backing_disk, Unit::none,
                 "Loop devices: the disk that this file lies on; empty where the mounts do not tell.",
                 trait_hidden),
    WAGGLE_FIELD(block_device_fact, model, Unit::none, "The maker's name for it.", trait_hidden),
};
constexpr Schema block_device_schema = {"block_devices", "A disk, partition or other block device.",
                                        sizeof(block_device_fact), block_devices_fields, false};

std::set<std::string> entries(const std::string& path) {
    std::set<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr)
        if (entry->d_name[0] != '.') names.emplace(entry->d_name);
    return names;
}

std::string line_of(const std::string& path) {
    const auto text = read_file(path, 4096);
    return text ? std::string(trim(*text)) : std::string();
}

// "mq-deadline" of "none [mq-deadline] bfq"; a single word stands alone.
std::string_view chosen(std::string_view schedulers) {
    const std::size_t open = schedulers.find('[');
    if (open == std::string_view::npos) return schedulers;
    return schedulers.substr(open + 1, schedulers.find(']', open) - open - 1);
}

// queue/max_sectors_kb bounds the size, queue/max_segments the pieces of memory, and a page is the least piece.
std::uint64_t largest_request(const std::string& disk_path) {
    const auto kib = number_of<std::uint64_t>(line_of(disk_path + "/queue/max_sectors_kb"));
    const auto segments = number_of<std::uint64_t>(line_of(disk_path + "/queue/max_segments"));
    static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return segments > 0 ? std::min(kib * 1024, segments * page_bytes) : kib * 1024;
}

class BlockDevices final : public Fact {
  public:
    explicit BlockDevices(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return block_device_schema; }

    Result<void> read(const RowSink& sink) override {
        const std::string block = roots_.sys + "/block";
        const auto mounts = read_mounts();
        const auto disks = entries(block);
        if (disks.empty() && ::access(block.c_str(), R_OK) != 0) return Error{"cannot read " + block};
        for (const std::string& disk : disks) {
            const std::string path = block + "/" + disk;
            emit(path, disk, {}, path, mounts, sink);
            for (const std::string& part : entries(path))
                if (part.starts_with(disk) && ::access((path + "/" + part + "/partition").c_str(), F_OK) == 0)
                    emit(path + "/" + part, part, disk, path, mounts, sink);
        }
        return {};
    }

  private:
    // The disk of the file system that holds a path: that of the longest mount point above it, the last that was
    // mounted there. A file system that numbers itself (btrfs) names its device as its source.
    std::string disk_of(std::string_view path) const {
        const auto text = read_file(roots_.proc + "/self/mountinfo");
        if (!text) return {};
        std::size_t longest = 0;
        std::string device;
        for (const std::string_view line : split(*text, '\n')) {
            const auto mount = parse_mount(line);
            if (!mount || mount->mounted_at.size() < longest || !is_below(path, mount->mounted_at)) continue;
            longest = mount->mounted_at.size();
            device = mount->device;
            if (device.starts_with("0:") && mount->source.starts_with("/dev/"))
                device = line_of(roots_.sys + "/class/block/" + mount->source.substr(5) + "/dev");
        }
        if (device.empty()) return {};
        std::error_code wrong;
        const std::filesystem::path place =
            std::filesystem::canonical(roots_.sys + "/dev/block/" + device, wrong);
        if (wrong) return {};
        const bool is_part = std::filesystem::exists(place / "partition", wrong);
        return (is_part ? place.parent_path() : place).filename().string();
    }
    static bool is_below(std::string_view path, std::string_view folder) {
        if (folder == "/") return path.starts_with('/');
        return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
    }

    // First mount point by "major:minor", and by source for file systems that number themselves (btrfs).
    std::map<std::string, std::string, std::less<>> read_mounts() const {
        std::map<std::string, std::string, std::less<>> mounts;
        const auto text = read_file(roots_.proc + "/self/mountinfo");
        if (!text) return mounts;
        for (const std::string_view line : split(*text, '\n')) {
            const auto mount = parse_mount(line);
            if (!mount) continue;
            mounts.emplace(mount->device, mount->mounted_at);
            if (mount->source.starts_with("/dev/")) mounts.emplace(mount->source, mount->mounted_at);
        }
        return mounts;
    }

    void emit(const std::string& path, const std::string& name, const std::string& parent,
              const std::string& disk_path, const std::map<std::string, std::string, std::less<>>& mounts,
              const RowSink& sink) const {
        RecordWriter<block_device_fact> record;
        const std::string device = line_of(path + "/dev");
        put(record.fixed.name, name);
        put(record.fixed.device, device);
        put(record.fixed.parent, parent);
        put(record.fixed.scheduler, chosen(line_of(disk_path + "/queue/scheduler")));
        record.fixed.size_bytes = number_of<std::uint64_t>(line_of(path + "/size")) * 512;
        record.fixed.queue_depth = number_of<std::uint32_t>(line_of(disk_path + "/queue/nr_requests"));
        record.fixed.largest_request_bytes = largest_request(disk_path);
        record.fixed.rotational = line_of(disk_path + "/queue/rotational") == "1" ? 1 : 0;
        record.fixed.read_only = line_of(path + "/ro") == "1" ? 1 : 0;
        const std::string in_flight = line_of(path + "/inflight");
        record.fixed.in_flight_reads = number_of<std::uint32_t>(in_flight);
        const std::size_t gap = std::min(in_flight.find(' '), in_flight.size());
        record.fixed.in_flight_writes =
            number_of<std::uint32_t>(trim(std::string_view(in_flight).substr(gap)));
        auto mount = mounts.find(device);
        if (mount == mounts.end()) mount = mounts.find("/dev/" + name);
        if (mount != mounts.end()) record.text(&block_device_fact::mounted_at, mount->second);
        const std::string file = line_of(path + "/loop/backing_file");
        record.text(&block_device_fact::backing_file, file);
        if (!file.empty()) put(record.fixed.backing_disk, disk_of(file));
        record.text(&block_device_fact::model, line_of(disk_path + "/device/model"));
        sink(Row(block_device_schema, record.finish()));
    }

    Roots roots_;
};

}  // namespace

std::unique_ptr<Fact> make_block_devices(const Roots& roots) { return std::make_unique<BlockDevices>(roots); }

}  // namespace waggle::facts
