// SPDX-License-Identifier: Apache-2.0
// What this machine gives to programs that watch it, each fact apart: the kernel's version, its types (BTF),
// each capability of this process, the trace file system. Needs no privilege and loads nothing.
//
//   for (const SupportFact& fact : check_support().facts)
//       if (!fact.holds) std::puts((fact.name + ": " + fact.reason).c_str());
//
// Source: uname(2), /sys/kernel/btf/vmlinux, capget(2), /proc/mounts. Stateless: any thread.
#pragma once

#include <string>
#include <vector>

#include "waggle/result.h"

namespace waggle {

// One thing that this machine and process have or lack.
struct SupportFact {
    std::string name;      // "kernel 5.8 or newer", "CAP_BPF"
    std::string found;     // what there is: "6.12.41", "held"
    std::string use;       // what it is needed for, one sentence
    bool holds = false;    // it is there
    bool required = true;  // without it no program can be loaded; else only `use` is lost
    std::string reason;    // why it does not hold and what gives it; empty where it holds
};

// All facts.
struct Support {
    std::vector<SupportFact> facts;  // in the order that a person would fix them
    // All that is required holds.
    bool enough() const;
};

// Where the facts are read from; parameters, so that a test can show another machine.
struct SupportSources {
    std::string release;  // empty: uname
    // The kernel's types.
    std::string btf = "/sys/kernel/btf/vmlinux";
    // What is mounted, for tracefs.
    std::string mounts = "/proc/mounts";
};

// Reads the facts again; a fact that cannot be read does not hold, and says why.
Support check_support(const SupportSources& sources = {});

}  // namespace waggle
