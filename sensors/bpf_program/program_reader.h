// SPDX-License-Identifier: Apache-2.0
// ProgramReader: reads the BPF programs of the machine: how they stand, and what each did since the last reading. The
// kernel's run statistics are on while it lives. One thread.
//
// Source: bpf(2): BPF_PROG_GET_NEXT_ID, BPF_OBJ_GET_INFO_BY_FD, BPF_ENABLE_STATS. CAP_SYS_ADMIN; Linux 5.8.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/record_writer.h"
#include "sensors/bpf_program/bpf_program.event.h"
#include "sensors/bpf_program/hooks.h"
#include "sensors/bpf_program/kernel_passes.h"
#include "waggle/coverage.h"

namespace waggle::sensors {

class ProgramReader {
  public:
    struct Options {
        bool own = false;              // show waggle's own programs too
        std::uint32_t calls_of = 0;    // also read what this program calls
        std::uint16_t total_kind = 0;  // of header.kind
    };
    // Measures what the statistics cost and switches them on.
    static Result<std::unique_ptr<ProgramReader>> open(const Options& options);

    // What ran since the last call; the first one gives nothing. The bytes live until the sink returns.
    void read_totals(const RecordSink& sink);
    // False: it is as it stood (a new program or link shows at once, all else within 5 s).
    bool read_state();
    // Of one kind of record; they live until the next read_state().
    std::vector<Bytes> state_of(std::uint16_t kind) const;

    const StatisticsCost& cost() const { return cost_; }
    std::vector<std::string> problems() const;
    std::vector<HookUse> hooks() const;
    std::uint64_t unread() const { return unread_; }

  private:
    ProgramReader(const Options& options, KernelPasses passes)
        : options_(options), passes_(std::move(passes)) {}

    // What stays as it is while the program lives.
    struct Known {
        std::uint64_t loaded_ns = 0;
        std::uint64_t memory_bytes = 0;
    };
    struct Counted {
        std::uint64_t loaded_ns = 0;
        std::uint64_t at_ns = 0;
        std::uint64_t runs = 0;
        std::uint64_t run_time_ns = 0;
        std::uint64_t misses = 0;
        bool ever_ran = false;
    };
    struct Owner {
        waggle_event header{};
        std::uint32_t holders = 0;
        std::uint32_t last_pid = 0;
        bool own = false;
    };
    bool is_due(std::uint64_t now_ns);
    void find_owners(const std::vector<bpf_holder>& holders);
    void add_program(std::uint32_t id, std::uint64_t now_ns, const std::vector<ProgramHook>& hooks,
                     const std::map<std::uint32_t, std::string>& pins,
                     const std::map<std::uint32_t, std::int64_t>& fills);
    const bpf_program_map* map_of(std::uint32_t map_id, const std::map<std::uint32_t, std::int64_t>& fills);
    void add_calls();
    template <class Record>
    void keep(RecordWriter<Record>& writer) {
        const Bytes bytes = writer.finish();
        states_.emplace_back(bytes.begin(), bytes.end());
    }
    bool is_shown(std::uint32_t id) const;

    Options options_;
    KernelPasses passes_;
    std::optional<RunStatistics> statistics_;
    StatisticsCost cost_;
    ProgramHooks hook_reader_;
    std::uint32_t cpus_ = 1;
    std::uint64_t last_totals_ns_ = 0;
    std::map<std::uint32_t, Counted> counted_;
    std::map<std::uint32_t, Known> known_;
    std::map<std::uint32_t, Owner> owners_;
    std::map<std::uint32_t, bpf_program_map> maps_;  // of this reading
    std::vector<std::vector<std::byte>> states_;
    std::vector<std::uint32_t> ids_;  // of programs and links, when the state was read
    std::uint64_t read_at_ns_ = 0;
    std::uint64_t changed_at_ns_ = 0;
    std::uint64_t took_ns_ = 0;
    std::string calls_problem_;
    std::uint64_t unread_ = 0;  // figures that the kernel refused, of programs that were there
};

}  // namespace waggle::sensors
