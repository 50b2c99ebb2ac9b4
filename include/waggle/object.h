// SPDX-License-Identifier: Apache-2.0
// Object: one BPF object in the kernel, from its compiled bytes to nothing left behind.
//
// Life: open() reads the bytes; globals are set and map sizes chosen; load() climbs each moment's ladder by
// really loading and attaches the rung that held. Destruction detaches and unloads all. Not thread-safe.
// Source: libbpf; kernel >= 5.8 with BTF.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

struct bpf_object;
struct bpf_link;

namespace waggle {

// A kernel moment and the programs that can watch it, best first. Programs outside every moment are not
// loaded.
struct Moment {
    std::string_view name;                       // "exec"
    std::span<const std::string_view> programs;  // names of the programs in the object
    std::string_view lost;                       // what is not seen when none holds, one sentence
    bool required = false;                       // load() fails when none holds
    bool load_only = false;                      // do not attach: the verifier's word is enough
};

class Object {
  public:
    // `elf` outlives the object. `name` is for messages.
    static Result<Object> open(std::string_view name, Bytes elf);

    Object(Object&&) noexcept;
    Object& operator=(Object&&) noexcept;
    ~Object();

    // Before load(): the value of a `const volatile` global in .rodata. Unknown name or wrong size is an
    // error.
    template <class T>
    Result<void> set_constant(std::string_view variable, const T& value) {
        return set_constant_bytes(variable, bytes_of(value));
    }
    Result<void> set_constant_bytes(std::string_view variable, Bytes value);
    Result<void> set_max_entries(std::string_view map, std::uint32_t entries);

    // Loads and attaches. On failure nothing stays in the kernel and the error carries the verifier's last
    // words.
    Result<void> load(std::span<const Moment> moments);

    // After load().
    const std::vector<HookUse>& hooks() const { return hooks_; }
    bool is_attached(std::string_view program) const;  // which rung of a ladder held
    Result<int> map_fd(std::string_view map) const;    // stays owned by the object
    Result<std::vector<int>> program_fds() const;      // of the programs that are attached
    // How often the kernel skipped an attached program because it was already running on that CPU.
    std::uint64_t missed_runs() const;
    // A fresh pass of an attached iterator program (SEC "iter/…"): reading the descriptor runs it and gives
    // what it wrote.
    Result<OwnedFd> iterate(std::string_view program) const;
    // A writable .bss or .data global, shared with the kernel; valid while the object lives.
    template <class T>
    Result<volatile T*> global(std::string_view variable) {
        const Result<void*> found = global_bytes(variable, sizeof(T));
        if (!found) return found.error();
        return static_cast<volatile T*>(*found);
    }

  private:
    struct State;
    explicit Object(std::unique_ptr<State> state);
    Result<void*> global_bytes(std::string_view variable, std::size_t size);

    std::unique_ptr<State> state_;
    std::vector<HookUse> hooks_;
};

}  // namespace waggle
