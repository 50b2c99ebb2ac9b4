// SPDX-License-Identifier: Apache-2.0
// What stood in the way of a program that could not be started: looked up in the file system right after the kernel refused, in
// the order in which the kernel itself looks. What it finds is what is there now, so nothing is said unless it explains the error.
//
// Reads the first bytes of the file and of what is to run it. Needs the right to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "model/record_writer.h"
#include "sensors/process/process.event.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {

// Words of the column `reason`; its meaning lists them.
struct StartObstacle {
    std::string_view reason;  // empty: nothing was found that explains it
    std::string obstacle;     // the file, directory, link or mount that it is
    std::string found;        // what the file is, where that is not what is needed; where the link leads
    std::string wanted;       // what is needed, where that has a name
};

// Who asked, and where its paths begin.
struct StartRequest {
    int root = -1;           // a descriptor of its root directory
    bool same_root = false;  // that is ours too
    std::string path;        // absolute
    std::uint32_t user = 0;  // whose rights count
    std::vector<std::uint32_t> groups;
    bool all_groups = false;  // these are all that the user is in
    int error = 0;            // an errno
};

StartObstacle find_obstacle(const StartRequest& request);

// The root directory of the process or of its parent, whichever is still there and is the one the kernel told; and the absolute path
// of what was asked for. No descriptor where neither can be told.
struct StartPlace {
    OwnedFd root;
    bool same_root = false;
    std::string path;
    std::string_view root_kind;  // a word of the column `root_kind`
    std::string root_path;       // that of another root, where it has one
};
StartPlace find_place(const process_exec_failure_event& event, std::string_view path);

// Completes the records of failed starts. What is tried again and again is looked up once a second.
class FailureReader {
  public:
    // `record` is a whole process_exec_failure_event from the kernel; valid until the next call.
    Bytes complete(Bytes record);

  private:
    struct Known {
        __u64 time_ns;
        bool same_root;
        std::string path;
        StartObstacle obstacle;
        std::string_view root_kind;
        std::string root_path;
    };
    using Key = std::tuple<std::string, __u32, __u32, __u32, __u64, __u32, __u64>;
    std::map<Key, Known> known_;
    RecordWriter<process_exec_failure_event> writer_;
};

}  // namespace waggle::sensors
