// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace waggle::sensors {
namespace {

std::uint64_t shortened(std::uint64_t value, const probe_figure& figure) {
    const unsigned bits = 64u - 8u * std::min<unsigned>(figure.size, 8);
    if (bits >= 64) return value;
    value <<= bits;
    return figure.is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> bits)
                            : value >> bits;
}

std::string_view until_nul(const char* text, std::size_t most) { return {text, ::strnlen(text, most)}; }

// "libc.so.6+0x9a120": the file that was mapped there, and how deep in it.
std::string user_place(std::uint64_t address, std::uint32_t pid) {
    std::ifstream maps(fmt::format("/proc/{}/maps", pid));
    for (std::string text; std::getline(maps, text);) {
        std::uint64_t from = 0, to = 0, offset = 0;
        int at = 0;
        if (std::sscanf(text.c_str(), "%lx-%lx %*s %lx %*s %*s %n", &from, &to, &offset, &at) < 3) continue;
        if (address < from || address >= to) continue;
        const std::string path = text.substr(static_cast<std::size_t>(at));
        const std::size_t slash = path.rfind('/');
        return fmt::format("{}+{:#x}", slash == std::string::npos ? path : path.substr(slash + 1),
                           address - from + offset);
    }
    return {};
}

}  // namespace

std::uint64_t figure_of(const probe_event& event, const probe_figure& figure) {
    switch (figure.source) {
        case PROBE_ARGUMENT:
            return shortened(event.arguments[figure.at % PROBE_ARGUMENTS], figure);
        case PROBE_CONTEXT: {
            std::uint64_t value = 0;
            const std::size_t size = std::min<std::size_t>(figure.size, sizeof value);
            if (figure.at + size <= sizeof event.context)
                std::memcpy(&value, event.context + figure.at, size);
            return shortened(value, figure);
        }
        case PROBE_RETURN:
            return shortened(event.returned, figure);
        case PROBE_LATENCY:
            return event.latency_ns;
        case PROBE_CPU:
            return event.cpu;
        default:
            return 0;
    }
}

// The kernel's symbols, read (30 to 80 ms) when the first address is named; null where it hides them.
const kernel::Symbols* ProbeWords::symbols() const {
    if (!symbols_) {
        symbols_.emplace();
        const Result<OwnedFd> file = kernel::Symbols::open();
        if (Result<kernel::Symbols> read = file ? kernel::Symbols::read(*file) : file.error())
            symbols_->emplace(std::move(*read));
    }
    return *symbols_ ? &**symbols_ : nullptr;
}

std::string ProbeWords::address(std::uint64_t value) const {
    if (value == 0) return "0";
    const std::string name = symbols() ? to_string(symbols()->find(value)) : "";
    return name.empty() ? fmt::format("{:#x}", value) : name;
}

std::string ProbeWords::number(const ProbeField& field, std::uint64_t value) const {
    if (const auto named = field.names.find(value); named != field.names.end()) return named->second;
    if (field.shape == ProbeField::Shape::pointer) return address(value);
    return field.figure.is_signed ? fmt::format("{}", static_cast<std::int64_t>(value))
                                  : fmt::format("{}", value);
}

std::optional<std::string> ProbeWords::text(const probe_event& event, const ProbeField& field) const {
    if (field.shape == ProbeField::Shape::bytes) {
        std::string hex;
        for (std::size_t i = 0; i < field.figure.size && field.figure.at + i < event.context_bytes; ++i)
            hex += fmt::format("{:02x}", event.context[field.figure.at + i]);
        return hex;
    }
    if (field.shape != ProbeField::Shape::text) return {};
    if (field.figure.source == PROBE_ARGUMENT) {
        std::size_t place = 0;
        for (const ProbeField& each : place_.fields().fields) {
            if (&each == &field) break;
            place += each.shape == ProbeField::Shape::text && each.figure.source == PROBE_ARGUMENT;
        }
        if (place >= PROBE_TEXTS) return fmt::format("{:#x}", event.arguments[field.figure.at]);
        return std::string(until_nul(event.texts[place], PROBE_TEXT_MAX));
    }
    std::size_t at = field.figure.at, size = field.figure.size;
    if (const bool relative = field.type.starts_with("__rel_loc");
        relative || field.type.starts_with("__data_loc")) {
        const auto place =
            static_cast<std::uint32_t>(figure_of(event, {PROBE_CONTEXT, 0, 4, field.figure.at}));
        at = (place & 0xffff) + (relative ? at + 4 : 0);  // relative to the end of this word
        size = place >> 16;
    }
    if (at >= event.context_bytes) return {};
    const std::size_t held = std::min<std::size_t>(size, event.context_bytes - at);
    const std::string_view words = until_nul(reinterpret_cast<const char*>(event.context) + at, held);
    return std::string(words) + (words.size() == held && held < size ? "…" : "");
}

std::string ProbeWords::frame(std::uint64_t address, bool of_user, std::uint32_t pid) const {
    std::string name;
    if (of_user)
        name = user_place(address, pid);
    else if (symbols())
        name = to_string(symbols()->find_return(address));
    return name.empty() ? fmt::format("{:#x}", address) : name;
}

std::string ProbeWords::stack(std::int32_t kernel_key, std::int32_t user_key, std::uint32_t pid) const {
    std::string out;
    for (const auto& [key, of_user] : {std::pair{kernel_key, false}, std::pair{user_key, true}})
        for (const std::uint64_t address : place_.stack(key))
            out += (out.empty() ? "" : "\n") + frame(address, of_user, pid);
    return out;
}

}  // namespace waggle::sensors
