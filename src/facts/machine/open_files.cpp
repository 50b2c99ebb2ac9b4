// SPDX-License-Identifier: Apache-2.0
#include "base/put.h"
#include "facts/makers.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct open_file_fact {
    __u32 pid;
    __s32 fd;
    char comm[WAGGLE_COMM_LEN];
    waggle_text path;
    __u8 deleted;
    __u8 reserved[7];
};

constexpr Field open_files_fields[] = {
    WAGGLE_FIELD(open_file_fact, pid, Unit::identifier, "The process that has it open.", trait_key),
    WAGGLE_FIELD(open_file_fact, fd, Unit::identifier, "The file descriptor.", trait_key),
    WAGGLE_FIELD(open_file_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(open_file_fact, path, Unit::none,
                 "The file's path; socket:[INODE], pipe:[INODE] and the like for what has none."),
    WAGGLE_FLAG(open_file_fact, deleted,
                "The file has no name any more, but takes space until it is closed."),
};
constexpr Schema open_file_schema = {"open_files", "A file, socket or pipe that a process has open.",
                                     sizeof(open_file_fact), open_files_fields, false};

class OpenFiles final : public Fact {
  public:
    explicit OpenFiles(const Roots& roots) : proc_(roots.proc) {}
    const Schema& schema() const override { return open_file_schema; }

    Result<void> read(const RowSink& sink) override {
        const auto pids = proc_.pids();
        if (pids.empty()) return Error{"cannot list the processes in " + proc_.root()};
        RecordWriter<open_file_fact> record;
        for (const std::uint32_t pid : pids) {
            const std::string comm(proc_.comm(pid));
            proc_.each_fd(pid, [&](int fd, std::string_view path) {
                constexpr std::string_view mark = " (deleted)";
                record.clear();
                record.fixed.pid = pid;
                record.fixed.fd = fd;
                put(record.fixed.comm, comm);
                if (path.starts_with('/') && path.ends_with(mark)) {
                    record.fixed.deleted = 1;
                    path.remove_suffix(mark.size());
                }
                record.text(&open_file_fact::path, path);
                sink(Row(open_file_schema, record.finish()));
            });
        }
        return {};
    }

  private:
    Procfs proc_;
};

}  // namespace

std::unique_ptr<Fact> make_open_files(const Roots& roots) { return std::make_unique<OpenFiles>(roots); }

}  // namespace waggle::facts
