// SPDX-License-Identifier: Apache-2.0
// ProbedPlace: one place in the kernel or in a program, or several alike, watched without writing C: events, counts, sums or
// distributions.
//
// The programs are compiled in (probe.bpf.c); conditions are asked in the kernel, so that what nobody asked
// for never crosses the ring. Destruction takes everything out of the kernel. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
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
    enum class Mode { events, counts, histogram, sums };

    AttachSpec spec;  // a pattern stands for all places that it names
    Mode mode = Mode::events;
    std::string filter;              // as parse_conditions() reads it
    std::string measured;            // histogram, sums: of this field
    std::vector<std::string> by;     // counted by these fields; none: by the command's name, or by stack
    std::vector<std::string> shown;  // sent with the event, besides what the place has
    bool kernel_stack = false;
    bool user_stack = false;
    StartOptions start;  // the filters and the ring

    bool by_stack() const { return kernel_stack || user_stack; }
};

// One line of a process's stack. The same code has the same place in every process.
struct UserFrame {
    std::string build_id;      // hexadecimal; empty where the kernel could not read it
    std::uint64_t offset = 0;  // in the file; without a build id, the address in the process
};

class ProbedPlace {
  public:
    static Result<ProbedPlace> start(const ProbeRequest& request);

    const ProbeFields& fields() const { return *fields_; }
    // Where it is attached, as the kernel sees it.
    std::vector<Attachment> attachments() const { return probes_.object().attachments(); }

    std::size_t places() const { return places_; }
    // What its programs took; known where the kernel lets us count it.
    RunCost cost() const;

    int ready_fd() const { return probes_.ready_fd(); }
    // True: nothing is waiting, and the next event wakes ready_fd().
    bool prepare_to_wait() { return probes_.prepare_to_wait(); }
    void drain(const std::function<void(const probe_event&)>& sink);

    struct Count {
        probe_key key;
        std::uint64_t times;
        std::int64_t sum;
    };
    // What is counted by, in the key's order.
    const std::vector<const ProbeField*>& keys() const { return keys_; }
    // The most first.
    Result<std::vector<Count>> counts() const;
    // As bpf/histogram.h counts, in units of 1 and without an end; the last one holds negative values.
    Result<std::vector<std::uint64_t>> histogram() const;
    // Return addresses, innermost first.
    std::vector<std::uint64_t> stack(std::int32_t key) const;
    std::vector<UserFrame> user_stack(std::int32_t key) const;
    // Of a walk (iter): it is over, and all of it is in the ring.
    Result<void> walk();
    // Events whose conditions held.
    std::uint64_t hits() const { return *hits_; }
    std::vector<Loss> losses() const { return probes_.losses(); }

  private:
    ProbedPlace(kernel::Probes probes, std::unique_ptr<ProbeFields> fields)
        : probes_(std::move(probes)), fields_(std::move(fields)) {}

    kernel::Probes probes_;
    std::unique_ptr<ProbeFields> fields_;  // keys_ points into it
    std::vector<const ProbeField*> keys_;
    std::optional<MapView> stacks_, user_stacks_;
    std::optional<RunStatistics> statistics_;
    std::size_t places_ = 1;
    volatile std::uint64_t* hits_ = nullptr;
};

}  // namespace waggle::sensors
