// SPDX-License-Identifier: Apache-2.0
// probe: one place in the kernel or in a program, watched without writing C.
#include "kernel/adhoc.h"

#include <fmt/core.h>
#include <poll.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/row_printer.h"
#include "kernel/symbols.h"
#include "sinks/json.h"
#include "sinks/layout.h"

namespace waggle::cli {
namespace {

using kernel::AdhocProbe;
using kernel::ProbeField;
using kernel::ProbeRequest;
using nlohmann::ordered_json;

constexpr std::uint64_t pace_ns = 10'000'000;

std::uint64_t shortened(std::uint64_t value, const adhoc_figure& figure) {
    const unsigned bits = 64u - 8u * std::min<unsigned>(figure.size, 8);
    if (bits >= 64) return value;
    value <<= bits;
    return figure.is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> bits)
                            : value >> bits;
}

std::uint64_t figure_of(const adhoc_event& event, const adhoc_figure& figure) {
    switch (figure.source) {
        case ADHOC_ARGUMENT:
            return shortened(event.arguments[figure.at % ADHOC_ARGUMENTS], figure);
        case ADHOC_CONTEXT: {
            std::uint64_t value = 0;
            const std::size_t size = std::min<std::size_t>(figure.size, sizeof value);
            if (figure.at + size <= sizeof event.context)
                std::memcpy(&value, event.context + figure.at, size);
            return shortened(value, figure);
        }
        case ADHOC_RETURN:
            return shortened(event.returned, figure);
        case ADHOC_LATENCY:
            return event.latency_ns;
        default:
            return 0;
    }
}

std::string_view until_nul(const char* text, std::size_t most) { return {text, ::strnlen(text, most)}; }

// Turns the events of one probe into what is printed.
class Words {
  public:
    Words(const AdhocProbe& probe, const Options& options) : probe_(probe), options_(options) {}

    // A number as a person or a program reads it.
    std::string number(const ProbeField& field, std::uint64_t value) const {
        if (const auto named = field.names.find(value); named != field.names.end()) return named->second;
        if (field.shape == ProbeField::Shape::pointer) {
            if (value == 0) return "0";
            const std::string name = symbols() ? to_string(symbols()->find(value)) : "";
            return name.empty() ? fmt::format("{:#x}", value) : name;
        }
        if (field.figure.source == ADHOC_LATENCY) return format_duration_ns(static_cast<double>(value));
        return field.figure.is_signed ? fmt::format("{}", static_cast<std::int64_t>(value))
                                      : fmt::format("{}", value);
    }

    // The text that a field is or points to; nothing where it is none.
    std::optional<std::string> text(const adhoc_event& event, const ProbeField& field) const {
        if (field.shape == ProbeField::Shape::bytes) {
            std::string hex;
            for (std::size_t i = 0; i < field.figure.size && field.figure.at + i < event.context_bytes; ++i)
                hex += fmt::format("{:02x}", event.context[field.figure.at + i]);
            return hex;
        }
        if (field.shape != ProbeField::Shape::text) return {};
        if (field.figure.source == ADHOC_ARGUMENT) {
            std::size_t place = 0;
            for (const ProbeField& each : probe_.fields().fields) {
                if (&each == &field) break;
                place += each.shape == ProbeField::Shape::text && each.figure.source == ADHOC_ARGUMENT;
            }
            if (place >= ADHOC_TEXTS) return fmt::format("{:#x}", event.arguments[field.figure.at]);
            return std::string(until_nul(event.texts[place], ADHOC_TEXT_MAX));
        }
        std::size_t at = field.figure.at, size = field.figure.size;
        if (const bool relative = field.type.starts_with("__rel_loc");
            relative || field.type.starts_with("__data_loc")) {
            const auto place =
                static_cast<std::uint32_t>(figure_of(event, {ADHOC_CONTEXT, 0, 4, field.figure.at}));
            at = (place & 0xffff) + (relative ? at + 4 : 0);  // relative to the end of this word
            size = place >> 16;
        }
        if (at >= event.context_bytes) return {};
        const std::size_t held = std::min<std::size_t>(size, event.context_bytes - at);
        const std::string_view words = until_nul(reinterpret_cast<const char*>(event.context) + at, held);
        return std::string(words) + (words.size() == held && held < size ? "…" : "");
    }

    std::vector<std::string> stack(std::int32_t key, bool of_user, std::uint32_t pid) const {
        std::vector<std::string> out;
        for (const std::uint64_t address : probe_.stack(key)) {
            std::string name;
            if (of_user)
                name = user_place(address, pid);
            else if (symbols())
                name = to_string(symbols()->find_return(address));
            out.push_back(name.empty() ? fmt::format("{:#x}", address) : name);
        }
        return out;
    }

    void line(const adhoc_event& event, std::string& out) {
        out += time_.text(event.header.time_ns + realtime_minus_monotonic_ns_);
        out += fmt::format(" {:>7} {:<15}", event.header.pid,
                           escape_control(until_nul(event.header.comm, sizeof event.header.comm)));
        bool first = true;
        for (const ProbeField& field : probe_.fields().fields) {
            if (!shown(field)) continue;
            const std::optional<std::string> words = text(event, field);
            out += fmt::format(
                "{}{} {}", first ? " " : ", ", field.name,
                words ? "\"" + escape_control(*words) + "\"" : number(field, figure_of(event, field.figure)));
            first = false;
        }
        out += '\n';
        for (const auto& [key, of_user] :
             {std::pair{event.kernel_stack, false}, std::pair{event.user_stack, true}})
            for (const std::string& frame : stack(key, of_user, event.header.pid))
                out += "        " + frame + "\n";
    }

    void json(const adhoc_event& event, std::string& out) {
        ordered_json row{{"time_ns", event.header.time_ns},
                         {"pid", event.header.pid},
                         {"tid", event.header.tid},
                         {"comm", until_nul(event.header.comm, sizeof event.header.comm)},
                         {"cpu", event.cpu}};
        for (const ProbeField& field : probe_.fields().fields) {
            if (!shown(field)) continue;
            if (const std::optional<std::string> words = text(event, field))
                row[field.name] = *words;
            else
                row[field.name] = json_number(field, figure_of(event, field.figure));
        }
        for (const auto& [key, of_user] :
             {std::pair{event.kernel_stack, false}, std::pair{event.user_stack, true}})
            if (key >= 0) row["stack"] = stack(key, of_user, event.header.pid);
        out += row.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
    }

    ordered_json json_number(const ProbeField& field, std::uint64_t value) const {
        if (const auto named = field.names.find(value); named != field.names.end()) return named->second;
        if (field.shape == ProbeField::Shape::pointer) return number(field, value);
        return field.figure.is_signed ? ordered_json(static_cast<std::int64_t>(value)) : ordered_json(value);
    }

  private:
    // The kernel's symbols, read (30 to 80 ms) when the first address is named; null where it hides them.
    const kernel::Symbols* symbols() const {
        if (!symbols_) {
            symbols_.emplace();
            const Result<OwnedFd> file = kernel::Symbols::open();
            if (Result<kernel::Symbols> read = file ? kernel::Symbols::read(*file) : file.error())
                symbols_->emplace(std::move(*read));
        }
        return *symbols_ ? &**symbols_ : nullptr;
    }

    // Arguments where they were asked for; what came back always.
    bool shown(const ProbeField& field) const {
        if (field.always) return false;
        return options_.arguments || field.figure.source == ADHOC_RETURN ||
               field.figure.source == ADHOC_LATENCY;
    }

    // "libc.so.6+0x9a120": the file that was mapped there, and how deep in it.
    std::string user_place(std::uint64_t address, std::uint32_t pid) const {
        std::ifstream maps(fmt::format("/proc/{}/maps", pid));
        for (std::string text; std::getline(maps, text);) {
            std::uint64_t from = 0, to = 0, offset = 0;
            int at = 0;
            if (std::sscanf(text.c_str(), "%lx-%lx %*s %lx %*s %*s %n", &from, &to, &offset, &at) < 3)
                continue;
            if (address < from || address >= to) continue;
            const std::string path = text.substr(static_cast<std::size_t>(at));
            const std::size_t slash = path.rfind('/');
            return fmt::format("{}+{:#x}", slash == std::string::npos ? path : path.substr(slash + 1),
                               address - from + offset);
        }
        return {};
    }

    const AdhocProbe& probe_;
    const Options& options_;
    mutable std::optional<std::optional<kernel::Symbols>> symbols_;
    const SystemClock clock_;
    const std::uint64_t realtime_minus_monotonic_ns_ = clock_.realtime_ns() - clock_.monotonic_ns();
    TimeOfDay time_;
};

void wait(AdhocProbe& probe, std::uint64_t until_ns, const Clock& clock) {
    if (!probe.prepare_to_wait()) return;
    pollfd ready{probe.ready_fd(), POLLIN, 0};
    const std::uint64_t now = clock.monotonic_ns();
    const std::uint64_t left = until_ns > now ? until_ns - now : 0;
    ::poll(&ready, 1, static_cast<int>(std::min<std::uint64_t>(left / 1'000'000 + 1, 100)));
}

std::string counts_text(const AdhocProbe& probe, const Words& words, const Options& options,
                        const std::vector<AdhocProbe::Count>& counts) {
    std::string out;
    const ProbeField* by = options.count_by.empty() ? nullptr : probe.fields().find(options.count_by);
    const std::string_view head = by ? std::string_view(by->name) : options.stack ? "stack" : "comm";
    if (!options.json) out += fmt::format("{:>12}  {}\n", "times", head);
    std::size_t rows = 0;
    for (const AdhocProbe::Count& count : counts) {
        if (options.rows && ++rows > options.rows) break;
        const std::string_view comm = until_nul(count.key.comm, sizeof count.key.comm);
        std::vector<std::string> stack = words.stack(count.key.kernel_stack, false, 0);
        if (stack.empty()) stack = words.stack(count.key.user_stack, true, options.pid);
        if (options.json) {
            ordered_json row{{"times", count.times}};
            if (by) row[by->name] = words.json_number(*by, count.key.value);
            if (!comm.empty()) row["comm"] = comm;
            if (!stack.empty()) row["stack"] = stack;
            out += row.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
            continue;
        }
        out += fmt::format("{:>12}  {}\n", format_count(static_cast<std::int64_t>(count.times)),
                           by              ? words.number(*by, count.key.value)
                           : stack.empty() ? escape_control(comm)
                                           : stack.front());
        for (std::size_t i = by ? 0 : 1; i < stack.size(); ++i) out += "              " + stack[i] + "\n";
    }
    return out;
}

std::string summary(const AdhocProbe& probe) {
    std::string where, lost;
    for (const Attachment& each : probe.attachments()) where += (where.empty() ? "" : ", ") + each.where;
    for (const Loss& loss : probe.losses())
        if (loss.count)
            lost += fmt::format(", {} {}", format_count(static_cast<std::int64_t>(loss.count)), loss.cause);
    return fmt::format("{}: {}{}\n", where, counted(probe.hits(), "time"),
                       lost.empty() ? ", 0 lost" : "; lost" + lost.substr(1));
}

}  // namespace

int run_probe(const Options& options) {
    if (!options.script.empty()) return run_script(options);
    if (options.words.empty())
        return fail({"probe needs a place, as in waggle probe kprobe:vfs_read, or --bpftrace FILE",
                     ErrorKind::usage});
    const Result<AttachSpec> spec = AttachSpec::parse(options.words.front());
    if (!spec) return fail(spec.error());
    const int forms = options.count + !options.hist_of.empty();
    if (forms > 1) return fail({"--count and --hist are two answers; ask for one", ErrorKind::usage});
    if (auto may = check_privilege("watching the kernel"); !may) return fail(may.error());
    ProbeRequest request;
    request.spec = *spec;
    request.mode = options.count             ? ProbeRequest::Mode::counts
                   : options.hist_of.empty() ? ProbeRequest::Mode::events
                                             : ProbeRequest::Mode::histogram;
    request.filter = options.filter;
    request.measured = options.count ? options.count_by : options.hist_of;
    request.stack = options.stack;
    request.pid = options.pid;
    request.comm = options.comm;
    const Result<std::uint64_t> cgroup_id = cgroup_id_of(options);
    if (!cgroup_id) return fail(cgroup_id.error());
    request.cgroup_id = *cgroup_id;
    Result<AdhocProbe> started = AdhocProbe::start(request);
    if (!started) return fail(started.error());
    AdhocProbe& probe = *started;
    Words words(probe, options);
    const SystemClock clock;
    const std::uint64_t end = options.for_ns ? clock.monotonic_ns() + options.for_ns : UINT64_MAX;
    std::uint64_t printed = 0;
    bool ended = false;
    if (!options.json && request.mode == ProbeRequest::Mode::events)
        print(fmt::format("{:<15} {:>7} {}\n", "time", "pid", "comm"));
    std::string text;
    while (!ended && !interrupted.load(std::memory_order_relaxed) && clock.monotonic_ns() < end) {
        text.clear();
        probe.drain([&](const adhoc_event& event) {
            if (ended) return;
            options.json ? words.json(event, text) : words.line(event, text);
            ended = options.rows != 0 && ++printed == options.rows;
        });
        if (text.empty()) {
            wait(probe, end, clock);
        } else {
            if (!print(text)) return exit_fine;
            const timespec pause{0, static_cast<long>(pace_ns)};
            if (!ended) nanosleep(&pause, nullptr);
        }
    }
    if (request.mode == ProbeRequest::Mode::counts) {
        const Result<std::vector<AdhocProbe::Count>> counts = probe.counts();
        if (!counts) return fail(counts.error());
        print(counts_text(probe, words, options, *counts));
    }
    if (request.mode == ProbeRequest::Mode::histogram) {
        const Result<std::vector<std::uint64_t>> slots = probe.histogram();
        if (!slots) return fail(slots.error());
        const std::span<const std::uint64_t> positive(slots->data(), slots->size() - 1);
        const Unit unit = options.hist_of == "latency_ns" ? Unit::nanoseconds : Unit::none;
        print(options.json ? sinks::histogram_json(options.hist_of, positive) + "\n"
                           : sinks::render_histogram(options.hist_of, options.words.front(), unit, positive,
                                                     style_of_stdout()));
        if (slots->back() && !options.json)
            print(fmt::format("{} values were negative.\n",
                              format_count(static_cast<std::int64_t>(slots->back()))));
    }
    if (!options.json) fmt::print(stderr, "{}", summary(probe));
    return exit_fine;
}

}  // namespace waggle::cli
