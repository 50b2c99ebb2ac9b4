// SPDX-License-Identifier: Apache-2.0
// CLibraries: the files of the C library (glibc, musl) that processes of this machine have mapped, the host's and those of
// containers, each with two programs at every function that looks for the addresses of a name.
//
// A file is watched in all processes that map it, also in later ones. Not thread-safe. Needs the right to read /proc/PID/maps and
// /proc/PID/map_files of others. Source: those; it is the file that is mapped, also where it was deleted or replaced since.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "waggle/object.h"
#include "waggle/result.h"

namespace waggle::sensors {

struct ModuleMapping {
    std::string_view range;  // "7f10c8a28000-7f10c8bb0000"
    std::string_view file;   // device and inode as the kernel prints them
    std::string_view path;   // without the kernel's " (deleted)"
};
// Of the text of /proc/PID/maps: the code of C libraries. The views are into the text.
std::vector<ModuleMapping> c_libraries_of(std::string_view maps);

class CLibraries {
  public:
    static constexpr std::size_t most = 64;  // files that are watched at once

    // `object` has the loaded programs on_call and on_return, and outlives this.
    explicit CLibraries(Object& object) : object_(&object) {}

    // All processes. Files that none has mapped any more are let go of: what is watched cannot be unmounted.
    void look_everywhere();
    enum class Look { found, none, gone };
    Look look_at(std::uint32_t pid);

    // The files, as processes see them.
    std::vector<std::string> watched() const;
    std::size_t watched_count() const;
    // What is not watched, and why.
    std::vector<std::string> problems() const;

  private:
    // One file is seen through several mounts, so its change time stands for its device.
    using Identity = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;
    struct Library {
        std::string path;
        std::vector<std::string> attachments;
        std::string problem;  // empty where it is watched
        bool seen = true;     // in this look at all
    };
    Look look_at(std::uint32_t pid, std::set<std::string, std::less<>>& files);
    void take(const std::string& file, std::string_view path);
    Library watch(const std::string& file, std::string_view path);
    Result<void> attach(Library& library, const std::string& file);

    Object* object_;
    std::map<Identity, Library> libraries_;
    bool too_many_ = false;
};

}  // namespace waggle::sensors
