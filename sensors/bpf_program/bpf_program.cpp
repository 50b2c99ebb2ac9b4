// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpf_program/bpf_program.h"

#include <algorithm>
#include <memory>

#include "sensors/bpf_program/bpf_program.event.h"
#include "sensors/bpf_program/program_reader.h"

namespace waggle::sensors {
namespace {

constexpr Field id_field(std::size_t offset) {
    return make_field("id", Type::u32, Unit::identifier, offset, 4, "The program by its number.", trait_key);
}
constexpr Field name_field(std::size_t offset) {
    return make_field("name", Type::text, Unit::none, offset, BPF_PROGRAM_NAME_LEN,
                      "The program's name, at most 15 characters.", trait_nullable);
}
constexpr std::string_view hook_kind_meaning =
    "What it is attached to: tracepoint, raw_tracepoint, kprobe, uprobe, function_entry, sample, xdp, tc, "
    "cgroup ...; null "
    "where the kernel does not tell.";
constexpr std::string_view hook_meaning =
    "The name of that place: the tracepoint, the function, the path; of a sample its counter with @ and its "
    "frequency.";

constexpr Field program_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(bpf_program_state),
    id_field(offsetof(bpf_program_state, id)),
    name_field(offsetof(bpf_program_state, name)),
    WAGGLE_FIELD(bpf_program_state, kind, Unit::none,
                 "What it can be attached to: tracing, kprobe, xdp, sched_cls ..."),
    WAGGLE_FIELD(bpf_program_state, hook_kind, Unit::none, hook_kind_meaning, trait_nullable),
    WAGGLE_FIELD(bpf_program_state, hook, Unit::none, hook_meaning, trait_nullable),
    WAGGLE_FIELD(bpf_program_state, hooks, Unit::count,
                 "To how many places it is attached, as far as the kernel tells."),
    WAGGLE_FIELD(
        bpf_program_state, holders, Unit::count,
        "How many processes have it, its link or its event open; pid and comm are those of the lowest pid."),
    WAGGLE_FIELD(bpf_program_state, pinned, Unit::none,
                 "The file it or its link is pinned at; null where there is none.", trait_nullable),
    WAGGLE_FIELD(bpf_program_state, uid, Unit::identifier, "The user who loaded it.", trait_hidden),
    WAGGLE_FIELD(bpf_program_state, loaded_ns, Unit::nanoseconds,
                 "When it was loaded, by the clock CLOCK_BOOTTIME.", trait_hidden),
    WAGGLE_FIELD(bpf_program_state, tag, Unit::none, "A digest of its instructions.", trait_hidden),
    WAGGLE_FIELD(bpf_program_state, instructions, Unit::count,
                 "Its instructions, as the kernel has rewritten them.", trait_hidden),
    WAGGLE_FIELD(bpf_program_state, verified_instructions, Unit::count,
                 "Instructions that the verifier walked; null before Linux 5.16.",
                 trait_hidden | trait_nullable),
    WAGGLE_FIELD(bpf_program_state, jited_bytes, Unit::bytes,
                 "Size of its machine code; 0 where it is interpreted.", trait_hidden),
    WAGGLE_FIELD(bpf_program_state, memory_bytes, Unit::bytes, "Kernel memory it takes, without its maps."),
    WAGGLE_FIELD(bpf_program_state, map_memory_bytes, Unit::bytes,
                 "Kernel memory of its maps; a map that several programs use counts for each."),
    WAGGLE_FIELD(bpf_program_state, maps, Unit::count, "How many maps it uses."),
    WAGGLE_FIELD(bpf_program_state, map_ids, Unit::none, "Their numbers.", trait_hidden | trait_nullable),
    WAGGLE_FLAG(bpf_program_state, own, "It is one of waggle's own.", trait_hidden),
};
constexpr Schema program_schema = {.name = "bpf_program",
                                   .meaning = "A BPF program that is loaded in the kernel, and who holds it.",
                                   .size = sizeof(bpf_program_state),
                                   .fields = program_fields,
                                   .has_subject = true,
                                   .memory_weight = 1,
                                   .is_state = true};

constexpr Field total_fields[] = {
    WAGGLE_UNFILTERED_HEADER_FIELDS(bpf_program_total),
    id_field(offsetof(bpf_program_total, id)),
    name_field(offsetof(bpf_program_total, name)),
    WAGGLE_FIELD(bpf_program_total, runs, Unit::count, "How often it ran.", trait_cumulative),
    WAGGLE_FIELD(bpf_program_total, run_time_ns, Unit::nanoseconds,
                 "Processor time of these runs, as the kernel counts it: with the measuring.",
                 trait_cumulative),
    WAGGLE_FIELD(bpf_program_total, measuring_ns, Unit::nanoseconds,
                 "Of it the measuring's own part: as much for each run as an empty program is counted with.",
                 trait_cumulative),
    WAGGLE_FIELD(bpf_program_total, counting_ns, Unit::nanoseconds,
                 "What the counting cost besides and in it, because waggle asked: by this much each run is "
                 "longer while "
                 "waggle looks. 0 where the statistics were on before.",
                 trait_cumulative | trait_hidden),
    WAGGLE_FIELD(bpf_program_total, recursion_misses, Unit::count,
                 "Runs left out because the program was running already on that processor.",
                 trait_cumulative),
    WAGGLE_FIELD(bpf_program_total, covers_ns, Unit::nanoseconds,
                 "The time this row is about: since the last reading.", trait_cumulative),
    WAGGLE_FIELD(bpf_program_total, cpus, Unit::count, "How many processors the machine has.", trait_hidden),
};
constexpr Schema total_schema = {"bpf_program_total",
                                 "What one BPF program did since the last reading; a row each reading for "
                                 "every program that ran since waggle started.",
                                 sizeof(bpf_program_total), total_fields, true};

constexpr Field hook_fields[] = {
    id_field(offsetof(bpf_program_hook, id)),
    WAGGLE_FIELD(bpf_program_hook, hook_kind, Unit::none, hook_kind_meaning),
    WAGGLE_FIELD(bpf_program_hook, hook, Unit::none, hook_meaning, trait_nullable),
    WAGGLE_FIELD(bpf_program_hook, places, Unit::count,
                 "How many functions or events alike this is: a sample has one on each processor."),
    WAGGLE_FIELD(bpf_program_hook, link_id, Unit::identifier,
                 "The link by its number: bpf_links.id; 0 where there is none.", trait_hidden),
};
constexpr Schema hook_schema = {.name = "bpf_program_hook",
                                .meaning = "A place that a BPF program is attached to.",
                                .size = sizeof(bpf_program_hook),
                                .fields = hook_fields,
                                .has_subject = false,
                                .memory_weight = 1,
                                .is_state = true};

constexpr Field map_fields[] = {
    id_field(offsetof(bpf_program_map, id)),
    WAGGLE_FIELD(bpf_program_map, map_id, Unit::identifier, "The map by its number: bpf_maps.id.", trait_key),
    WAGGLE_FIELD(bpf_program_map, kind, Unit::none, "hash, array, ringbuf, lru_hash ..."),
    make_field("name", Type::text, Unit::none, offsetof(bpf_program_map, name), BPF_PROGRAM_NAME_LEN,
               "The map's name, at most 15 characters.", trait_nullable),
    WAGGLE_FIELD(bpf_program_map, memory_bytes, Unit::bytes, "Kernel memory it takes."),
    WAGGLE_FIELD(bpf_program_map, max_entries, Unit::count,
                 "How many entries it can hold; of a ring, bytes."),
    WAGGLE_FIELD(bpf_program_map, entries, Unit::count,
                 "How many it holds: of hash maps, since Linux 6.6; else null.", trait_nullable),
};
constexpr Schema map_schema = {.name = "bpf_program_map",
                               .meaning = "A map that a BPF program uses.",
                               .size = sizeof(bpf_program_map),
                               .fields = map_fields,
                               .has_subject = false,
                               .memory_weight = 1,
                               .is_state = true};

constexpr Field call_fields[] = {
    id_field(offsetof(bpf_program_call, id)),
    WAGGLE_FIELD(bpf_program_call, called, Unit::none, "The function of the kernel."),
    WAGGLE_FIELD(bpf_program_call, times, Unit::count, "In how many places of the program."),
};
constexpr Schema call_schema = {
    .name = "bpf_program_call",
    .meaning = "A function of the kernel that the BPF program of --bpf-calls calls.",
    .size = sizeof(bpf_program_call),
    .fields = call_fields,
    .has_subject = false,
    .memory_weight = 1,
    .is_state = true};

constexpr auto all_schemas = schemas_by_kind({{BPF_PROGRAM, &program_schema},
                                              {BPF_PROGRAM_TOTAL, &total_schema},
                                              {BPF_PROGRAM_HOOK, &hook_schema},
                                              {BPF_PROGRAM_MAP, &map_schema},
                                              {BPF_PROGRAM_CALL, &call_schema}});

constexpr SourceOption own_option = {"bpf-own", OptionType::yes_no, "",
                                     "Show waggle's own BPF programs too."};
constexpr SourceOption calls_option = {"bpf-calls", OptionType::count, "ID",
                                       "Also read what functions the BPF program of this number calls."};
constexpr SourceOption all_options[] = {own_option, calls_option};

constexpr std::string_view top_query =
    R"(WITH t AS MATERIALIZED (
    SELECT id, max(name) AS name, sum(runs) AS runs, sum(run_time_ns - measuring_ns) AS net_ns, sum(covers_ns) AS covers_ns,
           sum(recursion_misses) AS missed, max(cpus) AS cpus
    FROM bpf_program_total, window w WHERE time_ns >= w.from_ns GROUP BY id HAVING sum(covers_ns) > 0)
SELECT t.id AS id, t.name AS name, round(t.net_ns * 100.0 / t.covers_ns, 2) AS core_percent,
       round(t.net_ns * 100.0 / t.covers_ns / t.cpus, 2) AS machine_percent, t.runs * 1e9 / t.covers_ns AS runs_per_second,
       CASE WHEN t.runs > 0 THEN t.net_ns / t.runs END AS run_ns, p.kind AS kind, p.hook_kind AS hook_kind, p.hook AS hook,
       nullif(p.pid, 0) AS pid, nullif(p.comm, '') AS comm, p.memory_bytes + p.map_memory_bytes AS memory_bytes, t.missed AS missed
FROM t LEFT JOIN bpf_program p ON p.id = t.id ORDER BY t.net_ns * 1.0 / t.covers_ns DESC, t.runs DESC, t.id)";
constexpr std::string_view figures_query =
    R"(WITH t AS MATERIALIZED (
    SELECT id, sum(runs) AS runs, sum(run_time_ns - measuring_ns) AS net_ns, sum(covers_ns) AS covers_ns
    FROM bpf_program_total, window w WHERE time_ns >= w.from_ns GROUP BY id HAVING sum(covers_ns) > 0)
SELECT count(*) AS programs, sum(runs * 1e9 / covers_ns) AS runs_per_second, sum(net_ns * 100.0 / covers_ns) AS core_percent FROM t)";

class BpfProgram final : public Running {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names&) {
        ProgramReader::Options wanted;
        wanted.own = options.values.yes(own_option);
        wanted.calls_of = static_cast<std::uint32_t>(options.values.number(calls_option));
        wanted.total_kind = BPF_PROGRAM_TOTAL;
        Result<std::unique_ptr<ProgramReader>> reader = ProgramReader::open(wanted);
        if (!reader) return reader.error();
        return std::unique_ptr<Running>(std::unique_ptr<BpfProgram>(new BpfProgram(std::move(*reader))));
    }

    std::span<const Schema* const> schemas() const override { return all_schemas; }
    int ready_fd() const override { return -1; }
    void drain(const RecordSink&) override {}
    bool prepare_to_wait() override { return true; }
    void snapshot(const RecordSink& sink) override { reader_->read_totals(sink); }

    void state(const StateSink& sink) override {
        if (!reader_->read_state()) return;
        for (const Schema* schema : all_schemas) {
            if (!schema->is_state) continue;
            const std::uint16_t kind =
                static_cast<std::uint16_t>(std::ranges::find(all_schemas, schema) - all_schemas.begin());
            const std::vector<Bytes> records = reader_->state_of(kind);
            sink(*schema, records);
        }
    }

    std::vector<std::string> problems() const override { return reader_->problems(); }
    std::vector<HookUse> hooks() const override { return reader_->hooks(); }
    std::vector<Loss> losses() const override { return {{"figures not read", reader_->unread()}}; }

  private:
    explicit BpfProgram(std::unique_ptr<ProgramReader> reader) : reader_(std::move(reader)) {}
    std::unique_ptr<ProgramReader> reader_;
};

}  // namespace

constinit const Source bpf_program_source = {
    .name = "bpf_program",
    .question = "Which BPF programs are loaded, whose are they, and what do they cost?",
    .schemas = all_schemas,
    .options = all_options,
    .only_for = "bpf",
    .top_query = top_query,
    .figures_query = figures_query,
    .start = BpfProgram::start,
};

}  // namespace waggle::sensors
