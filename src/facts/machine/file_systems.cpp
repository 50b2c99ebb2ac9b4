// SPDX-License-Identifier: Apache-2.0
#include "facts/machine/file_systems.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>

#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "host/path.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct file_system_fact {
    char device[16];
    char kind[24];
    waggle_text mounted_at;
    waggle_text source;
    __u64 size_bytes;
    __u64 free_bytes;
    __u64 available_bytes;
    __s64 inodes;
    __s64 free_inodes;
};

constexpr Field file_systems_fields[] = {
    WAGGLE_FIELD(file_system_fact, device, Unit::none, "The device's number, major:minor.", trait_key),
    WAGGLE_FIELD(file_system_fact, mounted_at, Unit::none,
                 "Where it is mounted; of several places the shortest."),
    WAGGLE_FIELD(file_system_fact, source, Unit::none,
                 "What is mounted: a device, or a name the file system chose."),
    WAGGLE_FIELD(file_system_fact, kind, Unit::none, "The file system: ext4, xfs, tmpfs ..."),
    WAGGLE_FIELD(file_system_fact, size_bytes, Unit::bytes, "How much it holds."),
    WAGGLE_FIELD(file_system_fact, free_bytes, Unit::bytes, "How much is free, with what is kept for root."),
    WAGGLE_FIELD(file_system_fact, available_bytes, Unit::bytes, "How much is free for everybody else."),
    WAGGLE_FIELD(file_system_fact, inodes, Unit::count,
                 "How many files and folders it can hold (inodes); null where it has no such limit.",
                 trait_nullable),
    WAGGLE_FIELD(file_system_fact, free_inodes, Unit::count, "How many of these are free.", trait_nullable),
};
constexpr Schema file_system_schema = {"file_systems",
                                       "A file system of this machine that can be written, and what is free "
                                       "in it. Those of the network are not asked: "
                                       "an answer can take for ever.",
                                       sizeof(file_system_fact), file_systems_fields, false};

// Their counts are in memory, so that asking waits for no disk, however dead.
constexpr std::string_view counted_in_memory[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs"};
// And on the way to a mount below these nothing is asked either.
constexpr std::string_view walked_in_memory[] = {"rootfs", "ramfs", "devtmpfs", "overlay",
                                                 "proc",   "sysfs", "squashfs"};

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
    return std::ranges::find(words, word) != words.end();
}
bool is_read_only(const Mount& mount) {
    for (const std::string* options : {&mount.options, &mount.super_options})
        for (const std::string_view option : split(*options, ','))
            if (option == "ro") return true;
    return false;
}
// Another is mounted over it, or over a folder above. Of btrfs each part has a device number of its own.
bool is_hidden(const Mount& mount) {
    if (mount.kind == "btrfs") return false;
    struct stat status{};
    return ::stat(mount.mounted_at.c_str(), &status) != 0 ||
           fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev)) != mount.device;
}

class FileSystems final : public Fact {
  public:
    explicit FileSystems(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return file_system_schema; }

    Result<void> read(const RowSink& sink) override {
        const auto all = local_file_systems(roots_);
        if (!all) return all.error();
        RecordWriter<file_system_fact> record;
        for (const FileSystem& one : *all) {
            record.clear();
            put(record.fixed.device, one.mount.device);
            put(record.fixed.kind, one.mount.kind);
            record.fixed.size_bytes = one.size_bytes;
            record.fixed.free_bytes = one.free_bytes;
            record.fixed.available_bytes = one.available_bytes;
            record.fixed.inodes = one.files > 0 ? static_cast<std::int64_t>(one.files) : null_i64;
            record.fixed.free_inodes = one.files > 0 ? static_cast<std::int64_t>(one.free_files) : null_i64;
            record.text(&file_system_fact::mounted_at, one.mount.mounted_at);
            record.text(&file_system_fact::source, one.mount.source);
            sink(Row(file_system_schema, record.finish()));
        }
        return {};
    }

  private:
    Roots roots_;
};

}  // namespace

Result<std::vector<FileSystem>> local_file_systems(const Roots& roots) {
    const auto text = read_file(roots.proc + "/self/mountinfo");
    if (!text) return text.error();
    std::vector<Mount> mounts;
    for (const std::string_view line : split(*text, '\n'))
        if (auto mount = parse_mount(line)) mounts.push_back(std::move(*mount));
    std::map<std::string, const Mount*> chosen;  // by device
    for (const Mount& mount : mounts) {
        if (mount.root != "/" || !is_one_of(mount.kind, counted_in_memory) || is_read_only(mount)) continue;
        // What could make the asker wait may be on the way to it, or hide it.
        const bool waits = std::ranges::any_of(mounts, [&](const Mount& other) {
            return &other != &mount &&
                   (mount.mounted_at == other.mounted_at || lies_below(mount.mounted_at, other.mounted_at)) &&
                   !is_one_of(other.kind, counted_in_memory) && !is_one_of(other.kind, walked_in_memory);
        });
        if (waits || is_hidden(mount)) continue;
        const Mount*& best = chosen[mount.device];
        if (!best || mount.mounted_at.size() < best->mounted_at.size()) best = &mount;
    }
    std::vector<FileSystem> out;
    for (const auto& [device, mount] : chosen) {
        struct statvfs status{};
        if (::statvfs(mount->mounted_at.c_str(), &status) != 0 || status.f_blocks == 0) continue;
        const std::uint64_t block = status.f_frsize;
        out.push_back({*mount, status.f_blocks * block, status.f_bfree * block, status.f_bavail * block,
                       status.f_files, status.f_favail});
    }
    return out;
}

std::unique_ptr<Fact> make_file_systems(const Roots& roots) { return std::make_unique<FileSystems>(roots); }

}  // namespace waggle::facts
