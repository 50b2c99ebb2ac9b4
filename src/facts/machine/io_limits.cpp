// SPDX-License-Identifier: Apache-2.0
// What control groups may read and write at most, and how much they did. Source: io.max, io.stat and io.pressure of
// version 2; blkio.throttle.* of version 1. The kernel counts what has passed the limit: what waits is not counted yet.
#include <unistd.h>

#include <map>

#include "base/descriptor.h"
#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "host/cgroup_tree.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct io_limit_fact {
    waggle_text path;
    waggle_text folder;
    char device[24];
    char operation[8];
    __s64 bytes_limit;
    __s64 operations_limit;
    __s64 bytes;
    __s64 operations;
    __s64 waited_ns;
    __u8 version;
    __u8 reserved[7];
};

constexpr Field io_limits_fields[] = {
    WAGGLE_FIELD(io_limit_fact, path, Unit::none, "The control group's path.", trait_key),
    WAGGLE_FIELD(io_limit_fact, device, Unit::none, "The disk by its number, major:minor.", trait_key),
    WAGGLE_FIELD(io_limit_fact, operation, Unit::none, "read or write.", trait_key),
    WAGGLE_FIELD(io_limit_fact, bytes_limit, Unit::bytes,
                 "How much its processes may read, or write, there in a second; null: as much as they like.",
                 trait_nullable),
    WAGGLE_FIELD(io_limit_fact, operations_limit, Unit::count,
                 "How many requests in a second; null: no limit.", trait_nullable),
    WAGGLE_FIELD(io_limit_fact, bytes, Unit::bytes, "How much they did.", trait_cumulative | trait_nullable),
    WAGGLE_FIELD(io_limit_fact, operations, Unit::count, "In how many requests.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(io_limit_fact, waited_ns, Unit::nanoseconds,
                 "How long some of them waited for any disk (io.pressure); null where it is not counted.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(io_limit_fact, folder, Unit::none, "The folder with the limit's file.", trait_hidden),
    WAGGLE_FIELD(io_limit_fact, version, Unit::none, "1: blkio.throttle.* files; 2: io.max.", trait_hidden),
};
constexpr Schema io_limit_schema = {
    "io_limits",
    "How much the processes of a control group may read or write on a disk in a second, and did.",
    sizeof(io_limit_fact), io_limits_fields, false};

std::int64_t positive(std::string_view text) {
    const std::int64_t value = text == "max" ? 0 : number_of(text);
    return value > 0 ? value : null_i64;
}

// What one group may do on one disk, and did: reads in front, writes behind.
struct Allowed {
    std::int64_t bytes_limit[2] = {null_i64, null_i64}, operations_limit[2] = {null_i64, null_i64};
    std::int64_t bytes[2] = {null_i64, null_i64}, operations[2] = {null_i64, null_i64};
};
using ByDisk = std::map<std::string, Allowed, std::less<>>;

// Lines "8:0 rbps=1048576 wbps=max": each word after the disk to where it belongs; disks that are not known yet are left
// out unless `adds`.
void read_words(std::string_view text, bool adds, ByDisk& disks) {
    for (const std::string_view line : split(text, '\n')) {
        const auto words = split(line, ' ');
        const std::string disk(words.front());
        if (disk.find(':') == std::string::npos || (!adds && !disks.contains(disk))) continue;
        Allowed& allowed = disks[disk];
        for (const std::string_view word : words) {
            const std::size_t equals = word.find('=');
            if (equals == std::string_view::npos) continue;
            const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
            if (key == "rbps") allowed.bytes_limit[0] = positive(value);
            if (key == "wbps") allowed.bytes_limit[1] = positive(value);
            if (key == "riops") allowed.operations_limit[0] = positive(value);
            if (key == "wiops") allowed.operations_limit[1] = positive(value);
            if (key == "rbytes") allowed.bytes[0] = number_of(value);
            if (key == "wbytes") allowed.bytes[1] = number_of(value);
            if (key == "rios") allowed.operations[0] = number_of(value);
            if (key == "wios") allowed.operations[1] = number_of(value);
        }
    }
}

// Version 1: lines "8:0 1048576" of a limit.
void read_limits(std::string_view text, std::int64_t (Allowed::*into)[2], int side, ByDisk& disks) {
    for (const std::string_view line : split(text, '\n')) {
        const auto words = split(line, ' ');
        if (words.size() == 2) (disks[std::string(words[0])].*into)[side] = positive(words[1]);
    }
}

// And lines "8:0 Read 4096" of what was done.
void read_done(std::string_view text, std::int64_t (Allowed::*into)[2], ByDisk& disks) {
    for (const std::string_view line : split(text, '\n')) {
        const auto words = split(line, ' ');
        const auto disk = disks.find(words.front());
        if (words.size() != 3 || disk == disks.end()) continue;
        if (words[1] == "Read") (disk->second.*into)[0] = number_of(words[2]);
        if (words[1] == "Write") (disk->second.*into)[1] = number_of(words[2]);
    }
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234", in microseconds.
std::int64_t pressure_ns(std::string_view text) {
    constexpr std::string_view total = "total=";
    const std::string_view some = text.substr(0, text.find('\n'));
    const std::size_t at = some.find(total);
    if (!some.starts_with("some ") || at == std::string_view::npos) return null_i64;
    return number_of(trim(some.substr(at + total.size()))) * 1000;
}

class IoLimits final : public Fact {
  public:
    explicit IoLimits(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return io_limit_schema; }

    // Groups without a limit have no rows.
    Result<void> read(const RowSink& sink) override {
        each_cgroup(roots_, [&](int fd, const std::string& path) {
            ByDisk disks;
            read_words(file_at(fd, "io.max"), true, disks);
            if (disks.empty()) return;
            read_words(file_at(fd, "io.stat"), false, disks);
            emit(fd, path, 2, pressure_ns(file_at(fd, "io.pressure")), disks, sink);
        });
        each_cgroup_1(roots_, "blkio", [&](int fd, const std::string& path) {
            ByDisk disks;
            read_limits(file_at(fd, "blkio.throttle.read_bps_device"), &Allowed::bytes_limit, 0, disks);
            read_limits(file_at(fd, "blkio.throttle.write_bps_device"), &Allowed::bytes_limit, 1, disks);
            read_limits(file_at(fd, "blkio.throttle.read_iops_device"), &Allowed::operations_limit, 0, disks);
            read_limits(file_at(fd, "blkio.throttle.write_iops_device"), &Allowed::operations_limit, 1,
                        disks);
            if (disks.empty()) return;
            read_done(file_at(fd, "blkio.throttle.io_service_bytes"), &Allowed::bytes, disks);
            read_done(file_at(fd, "blkio.throttle.io_serviced"), &Allowed::operations, disks);
            emit(fd, path, 1, null_i64, disks, sink);
        });
        return {};
    }

  private:
    void emit(int fd, const std::string& path, __u8 version, std::int64_t waited_ns, const ByDisk& disks,
              const RowSink& sink) {
        const std::string folder = path_of_descriptor(fd);
        for (const auto& [disk, allowed] : disks)
            for (const int side : {0, 1}) {
                if (allowed.bytes_limit[side] == null_i64 && allowed.operations_limit[side] == null_i64)
                    continue;
                record_.clear();
                io_limit_fact& fact = record_.fixed;
                put(fact.device, disk);
                put(fact.operation, side ? "write" : "read");
                fact.bytes_limit = allowed.bytes_limit[side];
                fact.operations_limit = allowed.operations_limit[side];
                fact.bytes = allowed.bytes[side];
                fact.operations = allowed.operations[side];
                fact.waited_ns = waited_ns;
                fact.version = version;
                record_.text(&io_limit_fact::path, path);
                record_.text(&io_limit_fact::folder, folder);
                sink(Row(io_limit_schema, record_.finish()));
            }
    }

    // Until the next file is read.
    std::string_view file_at(int fd, const char* name) { return read_cgroup_file(fd, name, buffer_); }

    Roots roots_;
    char buffer_[1 << 16];
    RecordWriter<io_limit_fact> record_;
};

}  // namespace

std::unique_ptr<Fact> make_io_limits(const Roots& roots) { return std::make_unique<IoLimits>(roots); }

}  // namespace waggle::facts
