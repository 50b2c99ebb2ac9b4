// SPDX-License-Identifier: Apache-2.0
#include "kernel/adhoc.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "adhoc.skel.h"

namespace waggle::kernel {
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
    const auto conditions = request.filter.empty() ? Result(std::vector<adhoc_condition>())
                                                   : parse_conditions(request.filter, fields);
    if (!conditions) return conditions.error();
    struct {
        adhoc_condition each[ADHOC_CONDITIONS];
    } asked{};
    std::ranges::copy(*conditions, asked.each);
    adhoc_figure measured{};
    if (!request.measured.empty()) {
        const Result<const ProbeField*> field = fields.need(request.measured);
        if (!field) return field.error();
        if ((*field)->shape == ProbeField::Shape::text || (*field)->shape == ProbeField::Shape::bytes)
            return Error{fmt::format("{} is no number, so it can be printed, not measured", request.measured),
                         ErrorKind::usage};
        measured = (*field)->figure;
    }
    struct {
        adhoc_text each[ADHOC_TEXTS];
    } texts{};
    std::size_t text = 0;
    for (const ProbeField& field : fields.fields)
        if (field.shape == ProbeField::Shape::text && field.figure.source == ADHOC_ARGUMENT &&
            text < ADHOC_TEXTS)
            texts.each[text++] = {ADHOC_ARGUMENT, {}, field.figure.at};
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

Result<AdhocProbe> AdhocProbe::start(const ProbeRequest& request) {
    Result<ProbeFields> fields = probe_fields(request.spec);
    if (!fields) return fields.error();
    const Way way = *way_of(request.spec.kind);  // probe_fields() refused the kinds without one
    std::size_t size = 0;
    const void* elf = adhoc_bpf__elf_bytes(&size);
    Result<Probes> probes = Probes::open("probe", Bytes{static_cast<const std::byte*>(elf), size},
                                         {request.pid, request.cgroup_id, request.comm,
                                          request.mode == ProbeRequest::Mode::events, request.ring_bytes});
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
    AdhocProbe probe(std::move(*probes), std::move(*fields));
    probe.stacks_ = std::move(*stacks);
    probe.hits_ = *hits;
    return probe;
}

void AdhocProbe::drain(const std::function<void(const adhoc_event&)>& sink) {
    probes_.drain([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            if (record.size() < sizeof(adhoc_event)) continue;  // this program sends no other
            sink(load<adhoc_event>(record));
        }
    });
}

Result<std::vector<AdhocProbe::Count>> AdhocProbe::counts() const {
    const auto map = Map<adhoc_key, std::uint64_t>::open(probes_.object(), "counts");
    if (!map) return map.error();
    std::vector<Count> out;
    const auto read =
        map->each([&](const adhoc_key& key, std::uint64_t times) { out.push_back({key, times}); });
    if (!read) return read.error();
    std::ranges::sort(out, std::greater(), &Count::times);
    return out;
}

Result<std::vector<std::uint64_t>> AdhocProbe::histogram() const {
    const auto map = Map<std::uint32_t, std::uint64_t>::open(probes_.object(), "slots");
    if (!map) return map.error();
    std::vector<std::uint64_t> out(ADHOC_SLOTS + 1);
    const auto read = map->each([&](std::uint32_t slot, std::uint64_t times) { out.at(slot) = times; });
    if (!read) return read.error();
    return out;
}

std::vector<std::uint64_t> AdhocProbe::stack(std::int32_t key) const {
    std::vector<std::uint64_t> frames(ADHOC_FRAMES);
    if (key < 0 || !stacks_->read(bytes_of(key), std::as_writable_bytes(std::span(frames)))) return {};
    frames.erase(std::ranges::find(frames, 0u), frames.end());
    return frames;
}

}  // namespace waggle::kernel
