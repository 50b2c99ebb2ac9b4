// SPDX-License-Identifier: Apache-2.0
#include "waggle/events.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "base/clock.h"
#include "waggle/perf_buffer.h"
#include "waggle/ring.h"

namespace waggle {
namespace {

std::optional<std::uint64_t> number_at(RecordChecks::Place place, Bytes record) {
    if (place.size > 8 || place.offset > record.size() || place.size > record.size() - place.offset)
        return std::nullopt;
    std::uint64_t number = 0;
    std::memcpy(&number, record.data() + place.offset, place.size);
    return number;
}

constexpr std::string_view wrong_length = "wrong length";

}  // namespace

std::string_view refusal_of(const RecordChecks& checks, Bytes record, std::uint64_t now_ns) {
    if (record.size() < checks.shortest || record.size() > checks.longest) return wrong_length;
    if (checks.type.size != 0) {
        const auto type = number_at(checks.type, record);
        if (!type) return wrong_length;
        const auto known =
            std::find_if(checks.types.begin(), checks.types.end(),
                         [&](const RecordChecks::KnownType& each) { return each.number == *type; });
        if (known == checks.types.end()) return "unknown type";
        if (record.size() < known->shortest || record.size() > known->longest) return wrong_length;
    }
    if (checks.pid.size != 0) {
        const auto pid = number_at(checks.pid, record);
        if (!pid) return wrong_length;
        if (*pid == 0) return "process number 0";
    }
    if (checks.time.size != 0) {
        const auto time = number_at(checks.time, record);
        if (!time) return wrong_length;
        if (*time > now_ns) return "time in the future";
        if (*time == 0 || now_ns - *time > checks.oldest_ns) return "time too old";
    }
    return checks.custom ? checks.custom(record) : std::string_view{};
}

struct Events::State {
    MapView map;
    EventsOptions options;
    EventSink sink;
    std::optional<Ring> ring;
    std::optional<PerfBuffer> perf;
    EventCounts counts;
    std::map<std::string, std::uint64_t, std::less<>> refused;
    struct Counter {
        const volatile std::uint64_t* count;
        std::string cause;
    };
    std::vector<Counter> counters;

    // Records that wait: their bytes one after the other, from `first` on.
    struct Kept {
        std::size_t offset;
        std::size_t size;
    };
    std::vector<std::byte> bytes;
    std::vector<Kept> kept;
    std::size_t first = 0;
    std::uint64_t oldest_ns = 0;  // when the buffer last was empty and got a record
    std::vector<Bytes> good, offer;
    SystemClock clock;

    std::size_t waiting_records() const { return kept.size() - first; }
    std::size_t waiting_bytes() const { return waiting_records() ? bytes.size() - kept[first].offset : 0; }

    void keep(std::span<const Bytes> records, std::uint64_t now_ns) {
        if (waiting_records() == 0 && !records.empty()) oldest_ns = now_ns;
        for (const Bytes record : records) {
            // Every record begins at a multiple of 8, as in the kernel's buffer.
            const std::size_t at = (bytes.size() + 7) / 8 * 8;
            bytes.resize(at);
            bytes.insert(bytes.end(), record.begin(), record.end());
            kept.push_back({at, record.size()});
        }
        counts.waiting = waiting_records();
    }

    // Forgets what was taken; moves the rest to the front when half of the memory is behind it.
    void forget_taken() {
        if (first == kept.size()) {
            kept.clear();
            bytes.clear();
            first = 0;
        } else if (first > kept.size() / 2) {
            const std::size_t cut = kept[first].offset;
            bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
            kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(first));
            for (Kept& each : kept) each.offset -= cut;
            first = 0;
        }
        counts.waiting = waiting_records();
    }

    bool flush() {
        if (waiting_records() == 0) return true;
        offer.clear();
        for (std::size_t i = first; i < kept.size(); ++i)
            offer.emplace_back(bytes.data() + kept[i].offset, kept[i].size);
        const std::size_t taken = std::min(sink(offer), offer.size());
        counts.delivered += taken;
        first += taken;
        const bool all = taken == offer.size();
        forget_taken();
        // What is left begins to wait again, so that a busy sink is not asked at every poll.
        if (!all) oldest_ns = clock.monotonic_ns();
        return all;
    }

    void receive(std::span<const Bytes> records) {
        counts.seen += records.size();
        const std::uint64_t now_ns = clock.monotonic_ns();
        good.clear();
        for (const Bytes record : records) {
            const std::string_view cause = refusal_of(options.checks, record, now_ns);
            if (cause.empty()) {
                good.push_back(record);
                continue;
            }
            const auto found = refused.find(cause);
            ++(found != refused.end() ? found->second : refused[std::string(cause)]);
        }
        std::span<const Bytes> rest = good;
        if (options.flush_after_ns == 0 && waiting_records() == 0 && !rest.empty()) {
            const std::size_t taken = std::min(sink(rest), rest.size());
            counts.delivered += taken;
            ++counts.flushes_by_size;
            rest = rest.subspan(taken);
        }
        keep(rest, now_ns);
    }

    std::size_t kernel_bytes() const { return ring ? ring->waiting_bytes() : perf->waiting_bytes(); }

    bool kernel_under_pressure() const {
        const std::size_t waiting = kernel_bytes();
        const std::size_t capacity = ring ? ring->capacity_bytes() : perf->capacity_bytes();
        return waiting * 100 >= capacity * options.pressure_percent;
    }

    void flush_what_is_due(bool kernel_pressed) {
        if (waiting_records() == 0) return;
        if (waiting_records() >= options.flush_records || waiting_bytes() >= options.flush_bytes)
            ++counts.flushes_by_size;
        else if (clock.monotonic_ns() - oldest_ns >= options.flush_after_ns)
            ++counts.flushes_by_time;
        else if (kernel_pressed || waiting_bytes() * 100 >= options.buffer_bytes * options.pressure_percent)
            ++counts.flushes_by_pressure;
        else
            return;
        flush();
    }
};

Events::Events(std::unique_ptr<State> state) : state_(std::move(state)) {}
Events::Events(Events&&) noexcept = default;
Events& Events::operator=(Events&&) noexcept = default;
Events::~Events() = default;

Result<Events> Events::open(const MapView& map, EventsOptions options, EventSink sink) {
    Result<MapView> own = MapView::open(map.fd());
    if (!own) return own.error();
    auto state = std::make_unique<State>(State{
        std::move(*own), std::move(options), std::move(sink), {}, {}, {}, {}, {}, {}, {}, 0, 0, {}, {}, {}});
    if (map.shape().kind == MapKind::perf_event_array) {
        Result<PerfBuffer> opened = PerfBuffer::open(state->map.fd(), state->options.perf_pages);
        if (!opened) return opened.error();
        state->perf.emplace(std::move(*opened));
    } else if (map.shape().kind == MapKind::ring_buffer) {
        Result<Ring> opened = Ring::open(state->map.fd());
        if (!opened) return opened.error();
        state->ring.emplace(std::move(*opened));
    } else {
        return Error{fmt::format("map {} is a {}; events come from a ring buffer or a perf event array",
                                 map.shape().name, map_kind_name(map.shape().kind)),
                     ErrorKind::unsupported};
    }
    return Events(std::move(state));
}

int Events::ready_fd() const { return state_->ring ? state_->ring->ready_fd() : state_->perf->ready_fd(); }

std::uint64_t Events::wait_ns() const {
    if (state_->waiting_records() == 0) return UINT64_MAX;
    const std::uint64_t waited = state_->clock.monotonic_ns() - state_->oldest_ns;
    return waited >= state_->options.flush_after_ns ? 0 : state_->options.flush_after_ns - waited;
}

std::uint64_t Events::poll() {
    State& state = *state_;
    const bool pressed = state.kernel_under_pressure();
    // One pass, so that a program that never stops sending does not keep the caller here.
    const std::size_t waiting = state.waiting_bytes();
    const std::size_t room = state.options.buffer_bytes - std::min(waiting, state.options.buffer_bytes);
    const std::size_t there = state.kernel_bytes();
    const auto receive = [&state](std::span<const Bytes> records) { state.receive(records); };
    std::uint64_t taken = 0;
    if (room > 0) taken = state.ring ? state.ring->drain(receive, room) : state.perf->drain(receive, room);
    state.flush_what_is_due(pressed);
    if (there > room && state.waiting_records() > 0) ++state.counts.stalls;
    return taken;
}

bool Events::flush() { return state_->flush(); }

void Events::finish() {
    if (state_->flush()) return;
    state_->refused["not taken"] += state_->waiting_records();
    state_->first = state_->kept.size();
    state_->forget_taken();
}

const EventCounts& Events::counts() const { return state_->counts; }

void Events::count_loss(const volatile std::uint64_t* counter, std::string cause) {
    state_->counters.push_back({counter, std::move(cause)});
}

std::vector<Loss> Events::losses() const {
    std::vector<Loss> out;
    for (const auto& [cause, count] : state_->refused)
        if (count > 0) out.push_back({cause, count});
    for (const State::Counter& counter : state_->counters)
        if (*counter.count > 0) out.push_back({counter.cause, *counter.count});
    if (state_->perf && state_->perf->lost() > 0) out.push_back({"perf buffer full", state_->perf->lost()});
    return out;
}

bool Events::losses_known() const { return state_->perf.has_value() || !state_->counters.empty(); }

}  // namespace waggle
