// SPDX-License-Identifier: Apache-2.0
// Files that hold space and have no name. Only of file systems that are full: the descriptors of all processes are a long
// list, and that of a file system that does not answer must not be touched.
#include <fmt/format.h>
#include <sys/stat.h>

#include <map>
#include <set>

#include "base/put.h"
#include "base/text.h"
#include "facts/machine/file_systems.h"
#include "facts/makers.h"
#include "host/cgroup.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct deleted_file_fact {
    __u32 pid;
    __s32 fd;
    __u64 inode;
    __u64 held_bytes;
    char device[16];
    char comm[WAGGLE_COMM_LEN];
    waggle_text path;
    waggle_text unit;
    waggle_text container;
};

constexpr Field deleted_files_fields[] = {
    WAGGLE_FIELD(deleted_file_fact, device, Unit::none,
                 "The file system's device by its number, major:minor.", trait_key),
    WAGGLE_FIELD(deleted_file_fact, inode, Unit::identifier, "The file by its number there.", trait_key),
    WAGGLE_FIELD(deleted_file_fact, pid, Unit::identifier,
                 "A process that has it open; where several do, each has a row.", trait_key),
    WAGGLE_FIELD(deleted_file_fact, fd, Unit::identifier, "Its first descriptor of it."),
    WAGGLE_FIELD(deleted_file_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(deleted_file_fact, held_bytes, Unit::bytes,
                 "The space it takes until the last that has it open closes it."),
    WAGGLE_FIELD(deleted_file_fact, path, Unit::none, "The name it had."),
    WAGGLE_FIELD(deleted_file_fact, unit, Unit::none,
                 "The systemd unit the process belongs to; empty where to none."),
    WAGGLE_FIELD(
        deleted_file_fact, container, Unit::none,
        "The container the process runs in, the first 12 characters of its id; empty where in none."),
};
constexpr Schema deleted_file_schema = {
    "deleted_files",
    "A file that was deleted while open and still takes space on a file system that is full.",
    sizeof(deleted_file_fact), deleted_files_fields, false};

class DeletedFiles final : public Fact {
  public:
    explicit DeletedFiles(const Roots& roots) : roots_(roots), proc_(roots.proc) {}
    const Schema& schema() const override { return deleted_file_schema; }

    Result<void> read(const RowSink& sink) override {
        const auto all = local_file_systems(roots_);
        if (!all) return all.error();
        std::set<std::string> full;
        for (const FileSystem& one : *all)
            if (one.is_full()) full.insert(one.mount.device);
        if (full.empty()) return {};
        devices_of_mounts_.clear();
        for (const std::uint32_t pid : proc_.pids()) read_process(pid, full, sink);
        return {};
    }

  private:
    void read_process(std::uint32_t pid, const std::set<std::string>& full, const RowSink& sink) {
        constexpr std::string_view mark = " (deleted)";
        std::vector<std::pair<int, std::string>> deleted;
        proc_.each_fd(pid, [&](int fd, std::string_view path) {
            if (path.starts_with('/') && path.ends_with(mark))
                deleted.emplace_back(fd, path.substr(0, path.size() - mark.size()));
        });
        std::set<std::pair<std::string, std::uint64_t>> seen;
        for (const auto& [fd, path] : deleted) {
            const std::string device = device_of(pid, fd);
            if (!full.contains(device)) continue;
            struct stat status{};
            if (::stat(fmt::format("{}/{}/fd/{}", proc_.root(), pid, fd).c_str(), &status) != 0 ||
                status.st_nlink > 0 || !seen.emplace(device, status.st_ino).second)
                continue;
            record_.clear();
            record_.fixed.pid = pid;
            record_.fixed.fd = fd;
            record_.fixed.inode = status.st_ino;
            record_.fixed.held_bytes = static_cast<__u64>(status.st_blocks) * 512;
            put(record_.fixed.device, device);
            put(record_.fixed.comm, proc_.comm(pid));
            record_.text(&deleted_file_fact::path, path);
            const context::CgroupIdentity group = context::identify_proc_cgroup(proc_.file(pid, "cgroup"));
            record_.text(&deleted_file_fact::unit, group.unit);
            record_.text(&deleted_file_fact::container, group.container);
            sink(Row(deleted_file_schema, record_.finish()));
        }
    }

    // By the number of its mount, which asks the file system nothing.
    std::string device_of(std::uint32_t pid, int fd) {
        const auto id = number_behind<std::uint64_t>(proc_.file(fmt::format("{}/fdinfo/{}", pid, fd).c_str()),
                                                     "\nmnt_id:");
        if (id == 0) return {};
        if (!devices_of_mounts_.contains(id))  // of another mount namespace
            for (const std::string_view line : split(proc_.file(pid, "mountinfo"), '\n'))
                if (const auto mount = parse_mount(line)) devices_of_mounts_[mount->id] = mount->device;
        return devices_of_mounts_[id];
    }

    Roots roots_;
    Procfs proc_;
    RecordWriter<deleted_file_fact> record_;
    std::map<std::uint64_t, std::string> devices_of_mounts_;
};

}  // namespace

std::unique_ptr<Fact> make_deleted_files(const Roots& roots) { return std::make_unique<DeletedFiles>(roots); }

}  // namespace waggle::facts
