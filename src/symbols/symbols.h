// SPDX-License-Identifier: Apache-2.0
// Symbols: which kernel function an address lies in: "nf_hook_slow+0x8c". Or, on request, which variable.
//
// Holds the functions of the kernel and of its modules as they were when read: 1.5 to 4 MiB on a distribution
// kernel (4 bytes an address, 4 a position, and the names). Immutable after read(); any thread. Variables are named
// only by kernels that are built to (CONFIG_KALLSYMS_ALL).
// Source: /proc/kallsyms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::kernel {

// The function an address lies in; the views live as long as the Symbols.
struct Symbol {
    std::string_view name;    // empty where no function is known
    std::string_view module;  // "nf_tables"; empty for the kernel itself
    std::uint64_t offset = 0;
};

enum class SymbolKind : std::uint8_t { functions, variables };

class Symbols {
  public:
    // Opens the file to be read later: the kernel shows addresses to whoever had CAP_SYSLOG when opening, so
    // a process that gives up its privileges opens first. An error of kind privilege when the kernel hides
    // its addresses from this process (all are zero).
    static Result<OwnedFd> open(const std::string& path = "/proc/kallsyms");
    // One streaming pass over the whole file (30 to 80 ms), from its beginning.
    static Result<Symbols> read(const OwnedFd& file, SymbolKind kind = SymbolKind::functions);

    Symbol find(std::uint64_t address) const;
    // For the address a call returns to, which belongs to the instruction before it.
    Symbol find_return(std::uint64_t address) const;

    std::size_t count() const { return offsets_.size(); }
    std::size_t held_bytes() const;

  private:
    Symbols() = default;
    std::string_view text_at(std::size_t index) const { return {names_.data() + name_at_[index]}; }

    std::uint64_t base_ = 0;              // the lowest address
    std::vector<std::uint32_t> offsets_;  // from base_, ascending
    std::vector<std::uint32_t> name_at_;  // into names_
    std::string names_;                   // "name\0" or "name\tmodule\0", one after the other
};

// "nf_hook_slow+0x8c", "nft_do_chain+0x1f0 [nf_tables]"; empty for an unknown symbol.
std::string to_string(const Symbol& symbol);

// Finds symbols as they are asked for, and reads them for it: again when an address is not known, as a module may have
// been loaded since; but not for ever, as some addresses never get a name. Not thread-safe.
class SymbolFinder {
  public:
    // `file` as Symbols::open() gives it.
    explicit SymbolFinder(OwnedFd file, SymbolKind kind = SymbolKind::functions, int most_reads = 16)
        : file_(std::move(file)), kind_(kind), reads_left_(most_reads) {}

    // The views live until the next call.
    Symbol find(std::uint64_t address);
    Symbol find_return(std::uint64_t address);

  private:
    OwnedFd file_;
    SymbolKind kind_;
    int reads_left_;
    std::optional<Symbols> symbols_;
};

}  // namespace waggle::kernel
