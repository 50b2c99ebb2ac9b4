// SPDX-License-Identifier: Apache-2.0
// The kernel's list of tracepoints and traceable functions, also where nobody has mounted it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::kernel {

class Tracefs {
  public:
    // The mounted one; else a mount of its own that no other process sees and that ends with this object
    // (needs CAP_SYS_ADMIN; kernel >= 5.2). `at`: this directory and no other.
    static Result<Tracefs> open(const std::string& at = "");

    // The number perf_event_open() knows the tracepoint by; an error names the nearest that exist.
    Result<std::uint64_t> tracepoint(const std::string& category, const std::string& name) const;
    // The description of its record: a line a field, with offset and size. Errors as above.
    Result<std::string> format(const std::string& category, const std::string& name) const;
    // Those whose category and name are as these globs say, sorted.
    struct Tracepoint {
        std::string category;
        std::string name;
        auto operator<=>(const Tracepoint&) const = default;
    };
    std::vector<Tracepoint> tracepoints(std::string_view category, std::string_view name) const;
    // Kernel functions that can be watched at their entry, as the kernel lists them, each once, sorted.
    Result<std::vector<std::string>> traceable_functions() const;

  private:
    explicit Tracefs(OwnedFd root) : root_(std::move(root)) {}
    Result<std::string> read_of(const std::string& category, const std::string& name, const char* file) const;
    Result<std::string> read(const std::string& path, std::size_t limit) const;
    std::vector<std::string> list(const std::string& path) const;

    OwnedFd root_;
};

// The functions in /proc/kallsyms, sorted, each once.
std::vector<std::string> kernel_functions();

}  // namespace waggle::kernel
