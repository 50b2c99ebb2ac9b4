// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probed_place.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "probe.skel.h"

namespace waggle::sensors {
namespace {

struct Way {
    std::string_view program;
    std::string_view entry;  // keeps the time for the return; empty where there is no return
    AttachKind entry_kind = AttachKind::section;
};

std::optional<Way> way_of(AttachKind kind) {
    switch (kind) {
        case AttachKind::kprobe:
            return Way{"on_kprobe", ""};
        case AttachKind::kretprobe:
            return Way{"on_kretprobe", "on_kprobe_entry", AttachKind::kprobe};
        case AttachKind::kprobe_multi:
            return Way{"on_kprobe_multi", ""};
        case AttachKind::uprobe:
            return Way{"on_uprobe", ""};
        case AttachKind::uretprobe:
            return Way{"on_uretprobe", "on_uprobe_entry", AttachKind::uprobe};
        case AttachKind::usdt:
            return Way{"on_usdt", ""};
        case AttachKind::tracepoint:
            return Way{"on_tracepoint", ""};
        // A raw tracepoint sees the same arguments as a typed one, and loads for any of them.
        case AttachKind::raw_tp:
        case AttachKind::tp_btf:
            return Way{"on_raw_tp", ""};
        case AttachKind::fentry:
            return Way{"on_fentry", ""};
        case AttachKind::fexit:
            return Way{"on_fexit", "on_fentry_entry", AttachKind::fentry};
        case AttachKind::perf:
            return Way{"on_perf", ""};
        case AttachKind::section:
        case AttachKind::kretprobe_multi:
        case AttachKind::lsm:
        case AttachKind::iter:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return {};
    }
    return {};
}

Result<void> set_all(Object& object, const ProbeRequest& request, const ProbeFields& fields) {
    const auto conditions = request.filter.empty() ? Result(std::vector<probe_condition>())
                                                   : parse_conditions(request.filter, fields);
    if (!conditions) return conditions.error();
    struct {
        probe_condition each[PROBE_CONDITIONS];
    } asked{};
    std::ranges::copy(*conditions, asked.each);
    probe_figure measured{};
    if (!request.measured.empty()) {
        const Result<const ProbeField*> field = fields.need(request.measured);
        if (!field) return field.error();
        if ((*field)->shape == ProbeField::Shape::text || (*field)->shape == ProbeField::Shape::bytes)
            return Error{fmt::format("{} is no number, so it can be printed, not measured", request.measured),
                         ErrorKind::usage};
        measured = (*field)->figure;
    }
    struct {
        probe_text each[PROBE_TEXTS];
    } texts{};
    std::size_t text = 0;
    for (const ProbeField& field : fields.fields)
        if (field.shape == ProbeField::Shape::text && field.figure.source == PROBE_ARGUMENT &&
            text < PROBE_TEXTS)
            texts.each[text++] = {PROBE_ARGUMENT, {}, field.figure.at};
    const bool of_user = request.spec.kind == AttachKind::uprobe ||
                         request.spec.kind == AttachKind::uretprobe || request.spec.kind == AttachKind::usdt;
    const auto flag = [](bool on) { return static_cast<std::uint8_t>(on); };
    const bool counts = request.mode == ProbeRequest::Mode::counts;
    for (const auto& set : {
             object.set_constant("mode", static_cast<std::uint8_t>(request.mode)),
             object.set_constant("wants_kernel_stack", flag(request.stack && !of_user)),
             object.set_constant("wants_user_stack", flag(request.stack && of_user)),
             object.set_constant("wants_latency", flag(!way_of(request.spec.kind)->entry.empty())),
             object.set_constant("key_has_comm", flag(counts && request.measured.empty() && !request.stack)),
             object.set_constant("arguments_given", fields.arguments),
             object.set_constant("context_bytes", fields.context_bytes),
             object.set_constant("conditions", asked),
             object.set_constant("measured", measured),
             object.set_constant("texts", texts),
         })
        if (!set) return set;
    return {};
}

}  // namespace

Result<ProbedPlace> ProbedPlace::start(const ProbeRequest& request) {
    Result<ProbeFields> fields = probe_fields(request.spec);
    if (!fields) return fields.error();
    const Way way = *way_of(request.spec.kind);  // probe_fields() refused the kinds without one
    std::size_t size = 0;
    const void* elf = probe_bpf__elf_bytes(&size);
    Result<kernel::Probes> probes =
        kernel::Probes::open("probe", Bytes{static_cast<const std::byte*>(elf), size}, request.start);
    if (!probes) return probes.error();
    if (auto set = set_all(probes->object(), request, *fields); !set) return set.error();
    std::vector<Plan> plans;
    // The entry first, or returns would come whose entry was not seen.
    if (!way.entry.empty()) {
        plans.push_back({way.entry, request.spec});
        plans.back().spec.kind = way.entry_kind;
    }
    plans.push_back({way.program, request.spec});
    if (plans.back().spec.kind == AttachKind::tp_btf) plans.back().spec.kind = AttachKind::raw_tp;
    if (auto started = probes->start(plans); !started) return started.error();
    for (const auto& [variable, cause] :
         {std::pair{"lost_map_full", "map full"}, std::pair{"lost_no_entry", "entry before the start"},
          std::pair{"lost_no_stack", "stack not kept"},
          std::pair{"lost_interrupted", "interrupted too deep"}})
        if (auto counted = probes->count_loss(variable, cause); !counted) return counted.error();
    const auto hits = probes->object().global<std::uint64_t>("hits");
    if (!hits) return hits.error();
    Result<MapView> stacks = MapView::open(probes->object(), "stacks");
    if (!stacks) return stacks.error();
    ProbedPlace probe(std::move(*probes), std::move(*fields));
    probe.stacks_ = std::move(*stacks);
    probe.hits_ = *hits;
    return probe;
}

void ProbedPlace::drain(const std::function<void(const probe_event&)>& sink) {
    probes_.drain([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            if (record.size() < sizeof(probe_event)) continue;  // this program sends no other
            sink(load<probe_event>(record));
        }
    });
}

Result<std::vector<ProbedPlace::Count>> ProbedPlace::counts() const {
    const auto map = Map<probe_key, std::uint64_t>::open(probes_.object(), "counts");
    if (!map) return map.error();
    std::vector<Count> out;
    const auto read =
        map->each([&](const probe_key& key, std::uint64_t times) { out.push_back({key, times}); });
    if (!read) return read.error();
    std::ranges::sort(out, std::greater(), &Count::times);
    return out;
}

Result<std::vector<std::uint64_t>> ProbedPlace::histogram() const {
    const auto map = Map<std::uint32_t, std::uint64_t>::open(probes_.object(), "slots");
    if (!map) return map.error();
    std::vector<std::uint64_t> out(PROBE_SLOTS + 1);
    const auto read = map->each([&](std::uint32_t slot, std::uint64_t times) { out.at(slot) = times; });
    if (!read) return read.error();
    return out;
}

std::vector<std::uint64_t> ProbedPlace::stack(std::int32_t key) const {
    std::vector<std::uint64_t> frames(PROBE_FRAMES);
    if (key < 0 || !stacks_->read(bytes_of(key), std::as_writable_bytes(std::span(frames)))) return {};
    frames.erase(std::ranges::find(frames, 0u), frames.end());
    return frames;
}

}  // namespace waggle::sensors
