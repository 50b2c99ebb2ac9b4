// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_words.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

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

std::string hexadecimal(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return out;
}

std::string ip(int family, const char* from) {
    char text[INET6_ADDRSTRLEN] = {};
    return ::inet_ntop(family, from, text, sizeof text) ? text : "";
}

// An address of IP of 4 or 16 bytes.
std::string address_words(std::string_view bytes) {
    if (bytes.size() == 4) return ip(AF_INET, bytes.data());
    if (bytes.size() == 16) return ip(AF_INET6, bytes.data());
    return hexadecimal(bytes);
}

// A socket's address (struct sockaddr): "192.0.2.1:53", "/run/x.sock".
std::string socket_address_words(std::string_view bytes) {
    std::uint16_t family = 0, port = 0;
    std::memcpy(&family, bytes.data(), sizeof family);
    std::memcpy(&port, bytes.data() + 2, sizeof port);
    if (family == AF_INET)
        return fmt::format("{}:{}", ip(AF_INET, bytes.data() + offsetof(sockaddr_in, sin_addr)), ntohs(port));
    if (family == AF_INET6)
        return fmt::format("[{}]:{}", ip(AF_INET6, bytes.data() + offsetof(sockaddr_in6, sin6_addr)),
                           ntohs(port));
    if (family != AF_UNIX) return fmt::format("family {}", family);
    const bool is_abstract = bytes[2] == 0;
    const std::string_view path = bytes.substr(is_abstract ? 3 : 2);
    return (is_abstract ? "@" : "") + std::string(until_nul(path.data(), path.size()));
}

bool was_not_read(std::string_view text) { return text.starts_with({PROBE_NOT_READ, sizeof PROBE_NOT_READ}); }

// What the kernel side left of a text or bytes in a buffer.
std::optional<std::string> words_of(const ProbeField& field, std::string_view held) {
    if (was_not_read(held)) return {};
    if (field.figure.text == PROBE_SOCKADDR) return socket_address_words(held);
    if (field.figure.text != PROBE_BYTES) return std::string(until_nul(held.data(), held.size()));
    const std::string_view bytes = held.substr(0, field.figure.size);
    return field.shape == ProbeField::Shape::address ? address_words(bytes) : hexadecimal(bytes);
}

}  // namespace

std::optional<std::uint64_t> figure_of(const probe_event& event, const ProbeField& field) {
    const probe_figure& figure = field.figure;
    if (field.value_at >= 0) {
        const unsigned at = static_cast<unsigned>(field.value_at) % PROBE_VALUES;
        return (event.unread_values >> at & 1) != 0 ? std::nullopt
                                                    : std::optional(std::uint64_t{event.values[at]});
    }
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
        case PROBE_PLACE:
            return event.place;
        default:
            return {};
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
    if (field.shape == ProbeField::Shape::address)
        return address_words({reinterpret_cast<const char*>(&value), 4});
    if (field.shape == ProbeField::Shape::pointer) return address(value);
    std::string flags;
    std::uint64_t left = value;
    for (const auto& [bits, name] : field.flags) {
        if (bits == 0 || (left & bits) != bits) continue;
        flags += (flags.empty() ? "" : "|") + name;
        left &= ~bits;
    }
    if (!flags.empty()) return left ? fmt::format("{}|{:#x}", flags, left) : flags;
    return field.figure.is_signed ? fmt::format("{}", static_cast<std::int64_t>(value))
                                  : fmt::format("{}", value);
}

std::optional<std::string> ProbeWords::text(const probe_event& event, const ProbeField& field) const {
    if (!field.is_text()) {
        const auto figure = figure_of(event, field);
        return figure ? std::optional(number(field, *figure)) : std::nullopt;
    }
    if (field.text_at >= 0)
        return words_of(field, {event.texts[field.text_at % PROBE_TEXTS], PROBE_TEXT_MAX});
    if (!field.in_record()) return {};
    const auto* record = reinterpret_cast<const char*>(event.context);
    std::size_t at = field.figure.at, size = field.figure.size;
    if (field.figure.source != PROBE_RECORD) {
        std::uint32_t place = 0;
        if (at + sizeof place > sizeof event.context) return {};
        std::memcpy(&place, record + at, sizeof place);
        at = (place & 0xffff) + (field.figure.source == PROBE_REL_LOC ? at + 4 : 0);
        size = place >> 16;
    }
    if (at >= event.context_bytes) return {};
    const std::size_t held = std::min<std::size_t>(size, event.context_bytes - at);
    if (field.figure.text == PROBE_BYTES) return words_of(field, {record + at, held});
    const std::string_view words = until_nul(record + at, held);
    return std::string(words) + (words.size() == held && held < size ? "…" : "");
}

std::string ProbeWords::key(const probe_key& key, std::uint32_t pid) const {
    std::string out;
    std::size_t text = 0, part = 0;
    for (const ProbeField* field : place_.keys()) {
        const std::string said =
            field->is_text() ? words_of(*field, {key.texts[text++ % PROBE_KEY_TEXTS], PROBE_KEY_TEXT_MAX})
                                   .value_or("(not readable)")
                             : number(*field, key.values[part]);
        out += (part++ ? ", " : "") + said;
    }
    const std::string frames = stack(key.kernel_stack, key.user_stack, pid);
    if (frames.empty() && place_.keys().empty()) return "(no stack)";
    return out.empty() || frames.empty() ? out + frames : out + "\n" + frames;
}

std::string ProbeWords::user_frame(const UserFrame& frame, bool is_innermost, std::uint32_t pid) const {
    std::string name;
    if (!frame.build_id.empty())
        name = user_symbols_.at(frame.build_id, frame.offset, !is_innermost);
    else if (pid)
        name = user_symbols_.at(pid, frame.offset, !is_innermost);
    if (!name.empty()) return name;
    return frame.build_id.empty()
               ? fmt::format("{:#x}", frame.offset)
               : fmt::format("build id {}+{:#x}", frame.build_id.substr(0, 12), frame.offset);
}

std::string ProbeWords::stack(std::int32_t kernel_key, std::int32_t user_key, std::uint32_t pid) const {
    std::string out;
    for (const std::uint64_t address : place_.stack(kernel_key)) {
        const std::string name = symbols() ? to_string(symbols()->find_return(address)) : "";
        out += (out.empty() ? "" : "\n") + (name.empty() ? fmt::format("{:#x}", address) : name);
    }
    bool is_innermost = true;
    for (const UserFrame& frame : place_.user_stack(user_key)) {
        out += (out.empty() ? "" : "\n") + user_frame(frame, is_innermost, pid);
        is_innermost = false;
    }
    return out;
}

}  // namespace waggle::sensors
