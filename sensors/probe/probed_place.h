// SPDX-License-Identifier: Apache-2.0
// ProbedPlace: one place in the kernel or in a program, watched without writing C: events, counts or a
// histogram.
//
// The programs are compiled in (probe.bpf.c); conditions are asked in the kernel, so that what nobody asked
// for never crosses the ring. Destruction takes everything out of the kernel. Not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sensing/probes.h"
#include "sensors/probe/probe.event.h"
#include "sensors/probe/probe_fields.h"
#include "waggle/coverage.h"
#include "waggle/map.h"

namespace waggle::sensors {

struct ProbeRequest {
    enum class Mode { events, counts, histogram };

    AttachSpec spec;
    Mode mode = Mode::events;
    std::string filter;    // as parse_conditions() reads it
    std::string measured;  // counts: a field to count by, else the command's name; histogram: of this field
    bool stack = false;    // the kernel's stack; of a user function, the process's own
    StartOptions start;    // the filters and the ring
};

class ProbedPlace {
  public:
    static Result<ProbedPlace> start(const ProbeRequest& request);

    const ProbeFields& fields() const { return fields_; }
    // Where it is attached, as the kernel sees it.
    std::vector<Attachment> attachments() const { return probes_.object().attachments(); }

    int ready_fd() const { return probes_.ready_fd(); }
    // True: nothing is waiting, and the next event wakes ready_fd().
    bool prepare_to_wait() { return probes_.prepare_to_wait(); }
    void drain(const std::function<void(const probe_event&)>& sink);

    struct Count {
        probe_key key;
        std::uint64_t times;
    };
    // The most first.
    Result<std::vector<Count>> counts() const;
    // As bpf/histogram.h counts, in units of 1 and without an end; the last one holds negative values.
    Result<std::vector<std::uint64_t>> histogram() const;
    // Return addresses, innermost first.
    std::vector<std::uint64_t> stack(std::int32_t key) const;
    // Events whose conditions held.
    std::uint64_t hits() const { return *hits_; }
    std::vector<Loss> losses() const { return probes_.losses(); }

  private:
    ProbedPlace(kernel::Probes probes, ProbeFields fields)
        : probes_(std::move(probes)), fields_(std::move(fields)) {}

    kernel::Probes probes_;
    ProbeFields fields_;
    std::optional<MapView> stacks_;
    volatile std::uint64_t* hits_ = nullptr;
};

}  // namespace waggle::sensors
