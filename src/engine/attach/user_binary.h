// SPDX-License-Identifier: Apache-2.0
// UserBinary: the file that a uprobe or USDT spec means, found by path, by library name or by build id, in
// this process's mounts or in another's, and what is in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/attach.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::kernel {

// The processes that /proc lists, by their numbers; none where it cannot be read.
std::vector<std::uint32_t> all_processes();

class UserBinary {
  public:
    static Result<UserBinary> find(const AttachSpec& spec);

    // A path that the kernel opens as this file; valid while the object lives.
    const std::string& path() const { return path_; }
    // As the process itself sees it, for messages.
    const std::string& shown() const { return shown_; }

    // Where the function begins in the file; an error names the nearest functions.
    Result<std::uint64_t> function(std::string_view name) const;

    // The functions that it names, sorted, each once.
    Result<std::vector<std::string>> functions() const;

    struct Marker {
        std::string provider;
        std::string name;
    };
    // Its USDT probes (notes of provider "stapsdt").
    Result<std::vector<Marker>> markers() const;

  private:
    UserBinary(OwnedFd file, std::string path, std::string shown)
        : file_(std::move(file)), path_(std::move(path)), shown_(std::move(shown)) {}

    OwnedFd file_;
    std::string path_;
    std::string shown_;
};

}  // namespace waggle::kernel
