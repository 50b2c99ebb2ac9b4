// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probed_place.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "engine/attach/places.h"
#include "probe.skel.h"
#include "sensors/probe/probe_conditions.h"

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
        case AttachKind::iter:
            return Way{"on_iter", ""};
        case AttachKind::section:
        case AttachKind::kretprobe_multi:
        case AttachKind::lsm:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return {};
    }
    return {};
}

constexpr std::uint32_t user_stacks_kept = 8192;
constexpr std::size_t most_places = 1024;

// Of a kind whose programs are told, by a cookie, at which of several places they are.
bool tells_places_apart(AttachKind kind) {
    switch (kind) {
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
        case AttachKind::tracepoint:
            return true;
        case AttachKind::kprobe_multi:
        case AttachKind::usdt:
        case AttachKind::raw_tp:
        case AttachKind::tp_btf:
        case AttachKind::fentry:
        case AttachKind::fexit:
        case AttachKind::perf:
        case AttachKind::section:
        case AttachKind::kretprobe_multi:
        case AttachKind::lsm:
        case AttachKind::iter:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return false;
    }
    return false;
}

Result<std::vector<AttachSpec>> places_at(const AttachSpec& spec) {
    Result<std::vector<AttachSpec>> places = kernel::places_of(spec);
    if (!places || places->size() == 1) return places;
    if (!tells_places_apart(spec.kind))
        return Error{fmt::format("{} means {} places, and {} is watched at one", to_string(spec),
                                 places->size(), to_string(spec.kind)),
                     ErrorKind::usage};
    if (places->size() > most_places)
        return Error{
            fmt::format("{} means {} places; {} are the most", to_string(spec), places->size(), most_places),
            ErrorKind::usage};
    for (std::size_t i = 0; i < places->size(); ++i) (*places)[i].cookie = i;
    return places;
}

// What every event brings besides arguments and record, and where in it.
struct Kept {
    probe_figure values[PROBE_VALUES]{};
    probe_figure texts[PROBE_TEXTS]{};
    std::size_t value_count = 0, text_count = 0;

    void add(ProbeField& field) {
        if (field.always || field.value_at >= 0 || field.text_at >= 0) return;
        if (field.is_text() && !field.in_record() && text_count < PROBE_TEXTS) {
            field.text_at = static_cast<int>(text_count);
            texts[text_count++] = field.figure;
        } else if (!field.is_text() && field.figure.hops > 0 && value_count < PROBE_VALUES) {
            field.value_at = static_cast<int>(value_count);
            values[value_count++] = field.figure;
        }
    }
};

// As parts of a key.
Result<std::vector<const ProbeField*>> keys_of(const ProbeRequest& request, ProbeFields& fields) {
    std::vector<std::string> by = request.by;
    if (by.empty() && request.mode != ProbeRequest::Mode::histogram && !request.by_stack()) by = {"comm"};
    std::vector<const ProbeField*> out;
    std::size_t texts = 0;
    for (const std::string& each : by) {
        const Result<const ProbeField*> field = fields.need(each);
        if (!field) return field.error();
        texts += (*field)->is_text();
        out.push_back(*field);
    }
    if (out.size() > PROBE_KEYS || texts > PROBE_KEY_TEXTS)
        return Error{
            fmt::format("--by takes at most {} fields, {} of them texts", PROBE_KEYS, PROBE_KEY_TEXTS),
            ErrorKind::usage};
    return out;
}

Result<probe_figure> measured_of(const ProbeRequest& request, ProbeFields& fields) {
    if (request.measured.empty()) return probe_figure{};
    const Result<const ProbeField*> field = fields.need(request.measured);
    if (!field) return field.error();
    if ((*field)->is_text())
        return Error{fmt::format("{} is no number, so it can be printed and counted by, not measured",
                                 request.measured),
                     ErrorKind::usage};
    return (*field)->figure;
}

// All that the programs are told before they are loaded.
Result<std::vector<const ProbeField*>> set_all(Object& object, const ProbeRequest& request,
                                               ProbeFields& fields, std::size_t places) {
    const auto conditions = request.filter.empty() ? Result(std::vector<probe_condition>())
                                                   : parse_conditions(request.filter, fields);
    if (!conditions) return conditions.error();
    struct {
        probe_condition each[PROBE_CONDITIONS];
    } asked{};
    std::ranges::copy(*conditions, asked.each);
    const Result<probe_figure> measured = measured_of(request, fields);
    if (!measured) return measured.error();
    auto keys = keys_of(request, fields);
    if (!keys) return keys.error();
    struct {
        probe_figure each[PROBE_KEYS];
    } key_figures{};
    for (std::size_t i = 0; i < keys->size(); ++i) key_figures.each[i] = (*keys)[i]->figure;
    Kept kept;
    for (const std::string& each : request.shown) {
        const Result<const ProbeField*> field = fields.need(each);
        if (!field) return field.error();
    }
    for (const bool is_asked : {true, false})  // what was asked for has the first places
        for (ProbeField& field : fields.fields)
            if (field.expression.empty() != is_asked) kept.add(field);
    const std::size_t bytes = kept.text_count > 0
                                  ? offsetof(probe_event, texts) + kept.text_count * PROBE_TEXT_MAX
                                  : offsetof(probe_event, context) + (fields.context_bytes + 7) / 8 * 8;
    const auto flag = [](bool on) { return static_cast<std::uint8_t>(on); };
    const bool on_tasks = request.spec.kind == AttachKind::iter && request.spec.target.starts_with("task");
    struct {
        probe_figure each[PROBE_VALUES];
    } values{};
    struct {
        probe_figure each[PROBE_TEXTS];
    } texts{};
    std::ranges::copy(kept.values, values.each);
    std::ranges::copy(kept.texts, texts.each);
    for (const auto& set : {
             object.set_constant("mode", static_cast<std::uint8_t>(request.mode)),
             object.set_constant("wants_kernel_stack", flag(request.kernel_stack)),
             object.set_constant("wants_user_stack", flag(request.user_stack)),
             object.set_constant("wants_latency", flag(!way_of(request.spec.kind)->entry.empty())),
             object.set_constant("many_places", flag(places > 1)),
             object.set_constant("is_keyed", flag(!keys->empty() || request.by_stack())),
             object.set_constant("iterates_tasks", flag(on_tasks)),
             object.set_constant("arguments_given", fields.arguments),
             object.set_constant("context_bytes", fields.context_bytes),
             object.set_constant("event_bytes", static_cast<std::uint32_t>(bytes)),
             object.set_constant("conditions", asked),
             object.set_constant("measured", *measured),
             object.set_constant("keys", key_figures),
             object.set_constant("kept_values", values),
             object.set_constant("kept_texts", texts),
             object.set_max_entries("user_stacks", request.user_stack ? user_stacks_kept : 1),
         })
        if (!set) return set.error();
    return keys;
}

}  // namespace

Result<ProbedPlace> ProbedPlace::start(const ProbeRequest& request) {
    const Result<std::vector<AttachSpec>> places = places_at(request.spec);
    if (!places) return places.error();
    Result<ProbeFields> found = probe_fields(*places);
    if (!found) return found.error();
    auto fields = std::make_unique<ProbeFields>(std::move(*found));
    const Way way = *way_of(request.spec.kind);  // probe_fields() refused the kinds without one
    std::size_t size = 0;
    const void* elf = probe_bpf__elf_bytes(&size);
    Result<kernel::Probes> probes =
        kernel::Probes::open("probe", Bytes{static_cast<const std::byte*>(elf), size}, request.start);
    if (!probes) return probes.error();
    auto keys = set_all(probes->object(), request, *fields, places->size());
    if (!keys) return keys.error();
    std::vector<Plan> plans;
    // The entry first, or returns would come whose entry was not seen.
    for (const AttachSpec& spec : *places) {
        if (way.entry.empty()) break;
        plans.push_back({way.entry, spec});
        plans.back().spec.kind = way.entry_kind;
    }
    for (const AttachSpec& spec : *places) {
        plans.push_back({way.program, spec});
        if (spec.kind == AttachKind::tp_btf) plans.back().spec.kind = AttachKind::raw_tp;
    }
    if (auto started = probes->start(plans); !started) return started.error();
    for (const auto& [variable, cause] :
         {std::pair{"lost_map_full", "map full"}, std::pair{"lost_no_entry", "entry before the start"},
          std::pair{"lost_no_stack", "stack not kept"}, std::pair{"lost_not_read", "not readable"},
          std::pair{"lost_interrupted", "interrupted too deep"}})
        if (auto counted = probes->count_loss(variable, cause); !counted) return counted.error();
    const auto hits = probes->object().global<std::uint64_t>("hits");
    if (!hits) return hits.error();
    Result<MapView> stacks = MapView::open(probes->object(), "stacks");
    if (!stacks) return stacks.error();
    Result<MapView> user_stacks = MapView::open(probes->object(), "user_stacks");
    if (!user_stacks) return user_stacks.error();
    ProbedPlace probe(std::move(*probes), std::move(fields));
    probe.keys_ = std::move(*keys);
    probe.stacks_ = std::move(*stacks);
    probe.user_stacks_ = std::move(*user_stacks);
    probe.hits_ = *hits;
    probe.places_ = places->size();
    if (auto statistics = RunStatistics::enable()) probe.statistics_.emplace(std::move(*statistics));
    return probe;
}

RunCost ProbedPlace::cost() const {
    RunCost out;
    if (!statistics_) return out;
    for (const ObjectProgram& each : probes_.object().programs()) {
        out.runs += each.runs;
        out.ns += each.run_ns;
    }
    return out;
}

Result<void> ProbedPlace::walk() {
    const Result<OwnedFd> pass = probes_.object().iterate("on_iter");
    if (!pass) return pass.error();
    char nothing[512];
    for (ssize_t got = 1; got > 0;) {
        got = ::read(pass->get(), nothing, sizeof nothing);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return Error{fmt::format("the walk ended early: {}", std::strerror(errno))};
        if (got < 0) got = 1;
    }
    return {};
}

void ProbedPlace::drain(const std::function<void(const probe_event&)>& sink) {
    probes_.drain([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            if (record.size() < offsetof(probe_event, context)) continue;  // this program sends no other
            probe_event event{};
            std::memcpy(&event, record.data(), std::min(record.size(), sizeof event));
            sink(event);
        }
    });
}

Result<std::vector<ProbedPlace::Count>> ProbedPlace::counts() const {
    const auto map = Map<probe_key, probe_count>::open(probes_.object(), "counts");
    if (!map) return map.error();
    std::vector<Count> out;
    const auto read = map->each([&](const probe_key& key, const probe_count& counted) {
        out.push_back({key, counted.times, counted.sum});
    });
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

std::vector<UserFrame> ProbedPlace::user_stack(std::int32_t key) const {
    std::vector<probe_user_frame> frames(PROBE_FRAMES);
    if (key < 0 || !user_stacks_->read(bytes_of(key), std::as_writable_bytes(std::span(frames)))) return {};
    std::vector<UserFrame> out;
    for (const probe_user_frame& frame : frames) {
        if (frame.status == PROBE_FRAME_NONE) break;
        UserFrame one;
        one.offset = frame.offset;
        if (frame.status == PROBE_FRAME_IN_FILE)
            for (const unsigned char byte : frame.build_id) one.build_id += fmt::format("{:02x}", byte);
        // A frame pointer that is none leads to where no file is mapped, and the kernel then counts from the next one.
        if (one.offset == 0 || one.offset >> 47) break;
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace waggle::sensors
