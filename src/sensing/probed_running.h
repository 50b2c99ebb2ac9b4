// SPDX-License-Identifier: Apache-2.0
// ProbedRunning: the part of a running sensor that is the same in every room: it hands its ring, maps and
// losses on from kernel::Probes. A room says what it is, which moments it watches, and what its records mean.
#pragma once

#include <utility>

#include "model/source.h"
#include "sensing/probes.h"

namespace waggle::sensors {

// `elf_bytes` is the skeleton's NAME_bpf__elf_bytes.
template <class ElfBytes>
Result<kernel::Probes> open_probes(const Source& source, ElfBytes elf_bytes, const StartOptions& options) {
    std::size_t size = 0;
    const void* elf = elf_bytes(&size);
    auto probes = kernel::Probes::open(source.name, {static_cast<const std::byte*>(elf), size}, options);
    if (!probes) return probes;
    const std::uint64_t named = kinds_named(source.schemas, options.tables);
    if (auto set = probes->object().set_constant("named_kinds", named); !set) return set.error();
    return probes;
}

class ProbedRunning : public Running {
  public:
    // `probes` are loaded. `source` is static data.
    ProbedRunning(const Source& source, kernel::Probes probes)
        : source_(source), probes_(std::move(probes)) {}

    std::span<const Schema* const> schemas() const override { return source_.schemas; }
    int ready_fd() const override { return probes_.ready_fd(); }
    void drain(const RecordSink& sink) override { probes_.drain(sink); }
    bool prepare_to_wait() override { return probes_.prepare_to_wait(); }
    bool finish() override { return probes_.finish(); }
    void snapshot(const RecordSink& sink) override { probes_.snapshot(sink); }
    std::vector<HookUse> hooks() const override { return probes_.hooks(); }
    std::vector<Loss> losses() const override { return probes_.losses(); }

  protected:
    kernel::Probes& probes() { return probes_; }
    const kernel::Probes& probes() const { return probes_; }

  private:
    const Source& source_;
    kernel::Probes probes_;
};

}  // namespace waggle::sensors
