// SPDX-License-Identifier: Apache-2.0
// ProbedSensor: the part of a sensor that is the same in every room: it hands its ring, maps and losses on
// from kernel::Probes. A room says what it is, which moments it watches, and what its records mean.
#pragma once

#include <optional>
#include <utility>

#include "kernel/probes.h"
#include "model/sensor.h"

namespace waggle::sensors {

class ProbedSensor : public Sensor {
  public:
    void stop() override { probes_.reset(); }
    int ready_fd() const override { return probes_->ready_fd(); }
    void drain(const RecordSink& sink) override { probes_->drain(sink); }
    bool prepare_to_wait() override { return probes_->prepare_to_wait(); }
    void snapshot(const RecordSink& sink) override { probes_->snapshot(sink); }
    std::vector<HookUse> hooks() const override { return probes_->hooks(); }
    std::vector<Loss> losses() const override { return probes_->losses(); }

  protected:
    // `elf_bytes` is the skeleton's NAME_bpf__elf_bytes.
    template <class ElfBytes>
    Result<kernel::Probes> open(ElfBytes elf_bytes, const StartOptions& options) const {
        std::size_t size = 0;
        const void* elf = elf_bytes(&size);
        return kernel::Probes::open(name(), {static_cast<const std::byte*>(elf), size},
                                    {options.only_pid, options.only_cgroup_id, options.only_comm,
                                     options.mode == Mode::events, options.ring_bytes});
    }
    // The sensor runs from here on; until then nothing of it is in use.
    void run(kernel::Probes probes) { probes_.emplace(std::move(probes)); }

  private:
    std::optional<kernel::Probes> probes_;
};

}  // namespace waggle::sensors
