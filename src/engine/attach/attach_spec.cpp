// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/attach_forms.h"
#include "engine/attach/perf_events.h"
#include "waggle/attach.h"

namespace waggle {
namespace {

using kernel::AttachForm;
using kernel::form_of;

std::optional<std::uint64_t> number(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<AttachSpec> parse() {
        if (text_.empty()) return at(text_, "a place is missing, as kprobe:do_exit");
        for (std::size_t i = 0; i < text_.size(); ++i) {
            const auto byte = static_cast<unsigned char>(text_[i]);
            if (byte < 0x20 || byte == 0x7f)
                return at(text_.substr(i),
                          fmt::format("a control character (\\x{:02x}) is no part of a name", byte));
        }
        std::string_view place = text_;
        if (auto options = take_options(place); !options) return options.error();
        const std::size_t colon = place.find(':');
        const std::string_view word = place.substr(0, colon);
        const AttachForm* form = kernel::form_named(word);
        const kernel::AttachAlias* alias = kernel::alias_named(word);
        if (!form && alias) form = &form_of(alias->kind);
        if (!form) {
            std::vector<std::string_view> known;
            for (const AttachForm& each : kernel::attach_forms) known.push_back(each.word);
            for (const kernel::AttachAlias& each : kernel::attach_aliases)
                if (each.word.size() > 2) known.push_back(each.word);  // a letter is near to everything
            return at(word, fmt::format("\"{}\" is no kind of place{}", escape_control(word),
                                        did_you_mean(word, known)));
        }
        form_ = form;
        spec_.kind = form->kind;
        const std::string_view rest =
            colon == std::string_view::npos ? place.substr(place.size()) : place.substr(colon + 1);
        const auto taken = alias && alias->shape == kernel::AliasShape::timer ? take_timer(word, rest)
                           : alias && alias->shape == kernel::AliasShape::event
                               ? take_event(word, rest)
                               : take_place(rest, colon != std::string_view::npos);
        if (!taken) return taken.error();
        if (auto fits = check_options(); !fits) return fits.error();
        return spec_;
    }

  private:
    Error at(std::string_view where, std::string_view what) const {
        return Error{fmt::format("column {}: {}", where.data() - text_.data() + 1, what), ErrorKind::usage};
    }
    Error wants(std::string_view where) const {
        return at(where, fmt::format("{} wants {}:{}", form_->word, form_->word, form_->shape));
    }

    // Cuts ",key=value" off the end of `place`. A comma without "=" behind it belongs to a path.
    Result<void> take_options(std::string_view& place) {
        std::size_t comma = place.find(',');
        while (comma != std::string_view::npos) {
            const std::size_t next = place.find(',', comma + 1);
            if (place.substr(comma, next - comma).find('=') != std::string_view::npos) break;
            comma = next;
        }
        if (comma == std::string_view::npos) return {};
        const std::string_view options = place.substr(comma + 1);
        place = place.substr(0, comma);
        for (const std::string_view option : split(options, ','))
            if (auto taken = take_option(option); !taken) return taken;
        return {};
    }

    Result<void> take_option(std::string_view option) {
        const std::size_t equals = option.find('=');
        const std::string_view key = option.substr(0, equals);
        static constexpr std::string_view keys[] = {"pid", "cookie", "build_id", "name", "cpu"};
        if (std::ranges::find(keys, key) == std::end(keys) || equals == std::string_view::npos)
            return at(option,
                      fmt::format("\"{}\" is no option{}; there are pid=, cookie=, build_id=, cpu= and name=",
                                  escape_control(key), did_you_mean(key, keys)));
        const std::string_view value = option.substr(equals + 1);
        if (value.empty()) return at(value, fmt::format("{}= is empty", key));
        if (key == "name") {
            spec_.name = value;
        } else if (key == "build_id") {
            spec_.build_id = to_lower(value);
            const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
            if (value.size() < 4 || value.size() % 2 != 0 || !std::ranges::all_of(spec_.build_id, hex))
                return at(value, "a build id is an even number of hexadecimal digits");
            build_id_at_ = option;
        } else {
            const auto parsed = number(value);
            if (!parsed) return at(value, fmt::format("{}= wants a number", key));
            if (key == "pid" && (*parsed == 0 || *parsed > 4194304))
                return at(value, "a process's number lies between 1 and 4194304");
            if (key == "cpu") {
                if (*parsed > 65535) return at(value, "a processor's number lies between 0 and 65535");
                spec_.cpu = static_cast<int>(*parsed);
                cpu_at_ = option;
            } else if (key == "pid") {
                spec_.pid = static_cast<std::uint32_t>(*parsed);
                pid_at_ = option;
            } else {
                spec_.cookie = *parsed;
                cookie_at_ = option;
            }
        }
        return {};
    }

    Result<void> check_options() const {
        const bool user = spec_.kind == AttachKind::uprobe || spec_.kind == AttachKind::uretprobe ||
                          spec_.kind == AttachKind::usdt;
        if (!build_id_at_.empty() && !user)
            return at(build_id_at_, "build_id= goes with uprobe, uretprobe and usdt");
        if (!pid_at_.empty() && !user && spec_.kind != AttachKind::perf && spec_.kind != AttachKind::section)
            return at(pid_at_, "pid= goes with uprobe, uretprobe, usdt and perf");
        if (!cpu_at_.empty() && spec_.kind != AttachKind::perf) return at(cpu_at_, "cpu= goes with perf");
        if (!cpu_at_.empty() && spec_.pid) return at(cpu_at_, "cpu= and pid= are two answers; say one");
        if (!cookie_at_.empty() && !takes_cookie(spec_.kind))
            return at(cookie_at_, fmt::format("cookie= does not reach a program at {}", form_->word));
        return {};
    }

    static bool takes_cookie(AttachKind kind) {
        switch (kind) {
            case AttachKind::section:
            case AttachKind::kprobe:
            case AttachKind::kretprobe:
            case AttachKind::kprobe_multi:
            case AttachKind::kretprobe_multi:
            case AttachKind::uprobe:
            case AttachKind::uretprobe:
            case AttachKind::usdt:
            case AttachKind::tracepoint:
            case AttachKind::fentry:
            case AttachKind::fexit:
            case AttachKind::perf:
                return true;
            case AttachKind::raw_tp:
            case AttachKind::tp_btf:
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

    Result<void> take_place(std::string_view rest, bool colon) {
        switch (spec_.kind) {
            case AttachKind::section:
                if (colon)
                    return at(rest, "section stands alone: the place is the one the program's section names");
                return {};
            case AttachKind::kprobe:
            case AttachKind::kretprobe:
                return take_function(rest);
            case AttachKind::uprobe:
            case AttachKind::uretprobe:
                return take_user_function(rest);
            case AttachKind::usdt:
                return take_usdt(rest);
            case AttachKind::perf:
                return take_perf(rest);
            case AttachKind::tracepoint: {
                const std::size_t middle = rest.find(':');
                if (middle == std::string_view::npos) return wants(rest);
                spec_.group = rest.substr(0, middle);
                spec_.target = rest.substr(middle + 1);
                if (spec_.group.empty()) return wants(rest);
                if (spec_.target.empty()) return wants(rest.substr(middle + 1));
                if (const std::size_t bad = rest.find('/'); bad != std::string_view::npos)
                    return at(rest.substr(bad), "a tracepoint's name has no '/'");
                return {};
            }
            case AttachKind::tc:
            case AttachKind::cgroup_skb:
                return take_direction(rest);
            case AttachKind::sockops:
                if (rest.empty()) return wants(rest);
                spec_.path = rest;
                return {};
            case AttachKind::kprobe_multi:
            case AttachKind::kretprobe_multi:
            case AttachKind::raw_tp:
            case AttachKind::tp_btf:
            case AttachKind::fentry:
            case AttachKind::fexit:
            case AttachKind::lsm:
            case AttachKind::iter:
            case AttachKind::xdp:
                if (rest.empty()) return wants(rest);
                spec_.target = rest;
                return {};
        }
        return {};
    }

    Result<void> take_function(std::string_view rest) {
        const std::size_t plus = rest.find('+');
        spec_.target = rest.substr(0, plus);
        if (spec_.target.empty()) return wants(rest);
        if (plus == std::string_view::npos) return {};
        const std::string_view behind = rest.substr(plus + 1);
        const auto offset = number(behind);
        if (!offset) return at(behind, "the offset behind + is a number of bytes, as +4 or +0x10");
        if (spec_.kind == AttachKind::kretprobe || spec_.kind == AttachKind::uretprobe)
            return at(rest.substr(plus), "a return has no offset");
        spec_.offset = *offset;
        return {};
    }

    Result<void> take_user_function(std::string_view rest) {
        const std::size_t colon = rest.rfind(':');
        if (colon == std::string_view::npos) return wants(rest);
        spec_.path = rest.substr(0, colon);
        if (spec_.path.empty() && spec_.build_id.empty()) return wants(rest);
        const std::string_view function = rest.substr(colon + 1);
        if (const auto offset = number(function); offset && !function.empty()) {
            spec_.offset = *offset;
            return {};
        }
        return take_function(function);
    }

    Result<void> take_usdt(std::string_view rest) {
        const std::size_t last = rest.rfind(':');
        const std::size_t first =
            last == std::string_view::npos || last == 0 ? last : rest.rfind(':', last - 1);
        if (last == std::string_view::npos || first == std::string_view::npos || first == last)
            return wants(rest);
        spec_.path = rest.substr(0, first);
        spec_.group = rest.substr(first + 1, last - first - 1);
        spec_.target = rest.substr(last + 1);
        if ((spec_.path.empty() && spec_.build_id.empty()) || spec_.group.empty()) return wants(rest);
        if (spec_.target.empty()) return wants(rest.substr(last + 1));
        return {};
    }

    Result<void> take_perf(std::string_view rest) {
        const std::size_t mark = rest.find_first_of("@#");
        const std::string_view event = rest.substr(0, mark);
        const kernel::PerfEvent* known = kernel::perf_event_named(event);
        if (!known) {
            if (event.empty()) return wants(rest);
            return at(rest, fmt::format("\"{}\" is no perf event{}", escape_control(event),
                                        did_you_mean(event, kernel::perf_event_names())));
        }
        spec_.target = known->name;
        if (mark == std::string_view::npos)
            return at(
                rest.substr(rest.size()),
                fmt::format("how often? {}@99 is 99 times a second, {}#100 at each 100th", event, event));
        const std::string_view behind = rest.substr(mark + 1);
        const auto often = number(behind);
        if (!often || *often == 0) return at(behind, "this is no number above 0");
        if (rest[mark] == '@' && *often > 100'000) return at(behind, "at most 100000 times a second");
        (rest[mark] == '@' ? spec_.hertz : spec_.every) = *often;
        return {};
    }

    // "profile:hz:99" on every processor, "interval:s:1" on one.
    Result<void> take_timer(std::string_view word, std::string_view rest) {
        struct Step {
            std::string_view unit;
            std::uint64_t ns;  // 0: so many times a second
        };
        static constexpr Step steps[] = {{"hz", 0}, {"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}};
        const std::size_t colon = rest.find(':');
        const auto* step = std::ranges::find(steps, rest.substr(0, colon), &Step::unit);
        const std::uint64_t often =
            colon == std::string_view::npos ? 0 : number(rest.substr(colon + 1)).value_or(0);
        if (step == std::end(steps) || often == 0 || often > 100'000)
            return at(rest, fmt::format("{} wants {}:hz:N, {}:s:N, {}:ms:N or {}:us:N", word, word, word,
                                        word, word));
        spec_.target = "cpu-clock";
        (step->ns ? spec_.every : spec_.hertz) = step->ns ? often * step->ns : often;
        if (word.starts_with('i')) spec_.cpu = 0;
        return {};
    }

    // "software:faults:100": at each 100th page fault.
    Result<void> take_event(std::string_view word, std::string_view rest) {
        const std::size_t colon = rest.find(':');
        const auto* event = kernel::perf_event_named(rest.substr(0, colon));
        if (!event)
            return at(rest,
                      fmt::format("\"{}\" is no {} event{}", escape_control(rest.substr(0, colon)), word,
                                  did_you_mean(rest.substr(0, colon), kernel::perf_event_names())));
        const std::uint64_t every =
            colon == std::string_view::npos ? 1'000'000 : number(rest.substr(colon + 1)).value_or(0);
        if (every == 0) return at(rest.substr(colon + 1), "this is no number above 0");
        spec_.target = event->name;
        spec_.every = every;
        return {};
    }

    Result<void> take_direction(std::string_view rest) {
        const std::size_t colon = rest.rfind(':');
        if (colon == std::string_view::npos || colon == 0) return wants(rest);
        const std::string_view direction = rest.substr(colon + 1);
        static constexpr std::string_view known[] = {"ingress", "egress"};
        if (direction != known[0] && direction != known[1])
            return at(direction,
                      fmt::format("\"{}\" is neither ingress (what comes in) nor egress (what goes out){}",
                                  escape_control(direction), did_you_mean(direction, known)));
        spec_.ingress = direction == known[0];
        (spec_.kind == AttachKind::tc ? spec_.target : spec_.path) = rest.substr(0, colon);
        return {};
    }

    std::string_view text_;
    const AttachForm* form_ = nullptr;
    AttachSpec spec_;
    std::string_view pid_at_, cookie_at_, build_id_at_, cpu_at_;
};

}  // namespace

std::string_view to_string(AttachKind kind) { return form_of(kind).word; }

Result<AttachSpec> AttachSpec::parse(std::string_view text) { return Parser(text).parse(); }

std::string to_string(const AttachSpec& spec) {
    std::string out(to_string(spec.kind));
    const auto offset = [&] { return spec.offset ? fmt::format("+{:#x}", spec.offset) : std::string(); };
    const std::string_view direction = spec.ingress ? "ingress" : "egress";
    switch (spec.kind) {
        case AttachKind::section:
            break;
        case AttachKind::uprobe:
        case AttachKind::uretprobe:
            out += spec.target.empty() ? fmt::format(":{}:{:#x}", spec.path, spec.offset)
                                       : fmt::format(":{}:{}{}", spec.path, spec.target, offset());
            break;
        case AttachKind::usdt:
            out += fmt::format(":{}:{}:{}", spec.path, spec.group, spec.target);
            break;
        case AttachKind::tracepoint:
            out += fmt::format(":{}:{}", spec.group, spec.target);
            break;
        case AttachKind::perf:
            out += spec.hertz ? fmt::format(":{}@{}", spec.target, spec.hertz)
                              : fmt::format(":{}#{}", spec.target, spec.every);
            break;
        case AttachKind::tc:
            out += fmt::format(":{}:{}", spec.target, direction);
            break;
        case AttachKind::cgroup_skb:
            out += fmt::format(":{}:{}", spec.path, direction);
            break;
        case AttachKind::sockops:
            out += ":" + spec.path;
            break;
        case AttachKind::kprobe:
        case AttachKind::kretprobe:
        case AttachKind::kprobe_multi:
        case AttachKind::kretprobe_multi:
        case AttachKind::raw_tp:
        case AttachKind::tp_btf:
        case AttachKind::fentry:
        case AttachKind::fexit:
        case AttachKind::lsm:
        case AttachKind::iter:
        case AttachKind::xdp:
            out += fmt::format(":{}{}", spec.target, offset());
            break;
    }
    if (spec.pid) out += fmt::format(",pid={}", spec.pid);
    if (spec.cpu >= 0) out += fmt::format(",cpu={}", spec.cpu);
    if (spec.cookie) out += fmt::format(",cookie={:#x}", spec.cookie);
    if (!spec.build_id.empty()) out += ",build_id=" + spec.build_id;
    return escape_control(out);
}

}  // namespace waggle
