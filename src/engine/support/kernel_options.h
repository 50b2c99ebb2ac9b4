// SPDX-License-Identifier: Apache-2.0
// How this kernel was built and locked, looked up: its configuration, its security modules, its lockdown.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace waggle::kernel {

struct KernelOptions {
    std::string source;  // "/proc/config.gz"; empty: neither that nor /boot/config-* is there
    std::map<std::string, char, std::less<>> values;  // 'y', 'm' or 'n' (not set) by name
    // 'y', 'm' or 'n'; none where the configuration is not there or the option is not among those asked for.
    std::optional<char> value(std::string_view option) const;
};
// Needs CAP_BPF: libbpf reads the configuration while it loads an object.
KernelOptions read_kernel_options();

// A file of securityfs, also where it is not mounted (nothing is mounted for it); none where it cannot be
// read.
std::optional<std::string> read_securityfs(const std::string& name);

// "integrity" of "none [integrity] confidentiality"; empty where the kernel is not locked down, or does not
// say.
std::string lockdown_state();

}  // namespace waggle::kernel
