// SPDX-License-Identifier: Apache-2.0
// ProbeWords: what the events of one place say: numbers by their names, addresses by their symbols, texts,
// stacks. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sensors/probe/probed_place.h"
#include "symbols/symbols.h"
#include "symbols/user_symbols.h"

namespace waggle::sensors {

// The field's number, cut to its size and sign.
std::optional<std::uint64_t> figure_of(const probe_event& event, const ProbeField& field);

class ProbeWords {
  public:
    // Borrows the place.
    explicit ProbeWords(const ProbedPlace& place) : place_(place) {}

    // "tcp_connect+0x17", or the address where the kernel names nothing there; "0".
    std::string address(std::uint64_t value) const;
    // A number by the name its type gives it, as an address, or in figures.
    std::string number(const ProbeField& field, std::uint64_t value) const;
    // The text that the field is or points to, or its number where that is said as text; nothing where its memory could
    // not be read, or it is none.
    std::optional<std::string> text(const probe_event& event, const ProbeField& field) const;
    // What was counted by, its parts with a comma between them; a stack on lines of its own behind.
    std::string key(const probe_key& key, std::uint32_t pid) const;
    // The kernel's stack, and below it the process's own, a line a frame, the innermost first; empty where there is
    // none. `pid`: the process, where it is known.
    std::string stack(std::int32_t kernel_key, std::int32_t user_key, std::uint32_t pid) const;
    // Files that processes have loaded since are looked for again.
    void look_again() { user_symbols_.look_again(); }

  private:
    const kernel::Symbols* symbols() const;
    std::string user_frame(const UserFrame& frame, bool is_innermost, std::uint32_t pid) const;

    const ProbedPlace& place_;
    mutable std::optional<std::optional<kernel::Symbols>> symbols_;
    mutable kernel::UserSymbols user_symbols_;
};

}  // namespace waggle::sensors
