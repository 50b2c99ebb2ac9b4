// SPDX-License-Identifier: Apache-2.0
#include "engine/types/value_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"

namespace waggle::kernel {
namespace {

constexpr int deepest = 64;
constexpr std::uint32_t most_values = 65'536;
constexpr std::uint64_t most_elements_as_text = 64;

// Length of the UTF-8 character that `text` begins with, and the character; 0 where it begins with none.
std::size_t utf8_character(std::string_view text, std::uint32_t& character) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80       ? 1
                               : lead >> 5 == 6  ? 2
                               : lead >> 4 == 14 ? 3
                               : lead >> 3 == 30 ? 4
                                                 : 0;
    if (length == 0 || length > text.size()) return 0;
    character = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (byte(i) >> 6 != 2) return 0;
        character = character << 6 | (byte(i) & 0x3f);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
        return 0;
    return length;
}

std::int64_t sign_extended(std::uint64_t value, std::uint32_t bits) {
    if (bits == 0 || bits >= 64) return static_cast<std::int64_t>(value);
    const std::uint64_t sign = 1ull << (bits - 1);
    return static_cast<std::int64_t>((value ^ sign) - sign);
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : escape_control(text)) {
        if (c == '"') out += '\\';
        out += c;
    }
    return out + '"';
}

}  // namespace

std::string json_string(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        std::uint32_t character = 0xfffd;
        const std::size_t length = utf8_character(text, character);
        if (length == 0) character = 0xfffd;
        text.remove_prefix(std::max<std::size_t>(length, 1));
        if (character == '"' || character == '\\') {
            out += '\\';
            out += static_cast<char>(character);
        } else if (character >= 0x20 && character < 0x7f) {
            out += static_cast<char>(character);
        } else if (character > 0xffff) {
            character -= 0x10000;
            out +=
                fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (character >> 10), 0xdc00 + (character & 0x3ff));
        } else {
            out += fmt::format("\\u{:04x}", character);
        }
    }
    return out + '"';
}

std::string ValuePrinter::print(TypeId type) {
    out_.clear();
    values_ = 0;
    put(type, {0, value_.size(), 0, 0}, 0);
    return std::move(out_);
}

std::string ValuePrinter::print_field(const TypeField& field) {
    out_.clear();
    values_ = 0;
    const std::uint64_t end = field.size ? field.offset + field.size : value_.size();
    put(field.type_id,
        {field.offset, std::min<std::uint64_t>(end, value_.size()), field.bit_offset, field.bits}, 0);
    return std::move(out_);
}

void ValuePrinter::put_text(std::string_view text) {
    out_ += form_ == Form::json ? json_string(text) : quoted(text);
}

bool ValuePrinter::bits_at(Place place, std::uint32_t size, std::uint64_t& out) const {
    const std::uint32_t bits = place.bits ? place.bits : size * 8;
    if (bits == 0 || bits > 64) return false;
    const std::uint64_t first = place.offset + place.bit_offset / 8;
    const std::uint32_t shift = place.bit_offset % 8;
    const std::size_t bytes = (shift + bits + 7) / 8;
    if (!inside(first, bytes)) return false;
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, value_.data() + first, std::min<std::size_t>(bytes, 8));
    if (bytes > 8) std::memcpy(&high, value_.data() + first + 8, 1);
    out = low >> shift;
    if (shift != 0 && bytes > 8) out |= high << (64 - shift);
    if (bits < 64) out &= (1ull << bits) - 1;
    return true;
}

bool ValuePrinter::is_char(TypeId type) const {
    const BtfTypes::Type element = types_.type(types_.plain(type));
    return element.kind == BtfKind::integer && element.size == 1 &&
           (types_.integer(element).is_char || element.name == "char");
}

void ValuePrinter::put(TypeId type, Place place, int depth) {
    if (depth >= deepest || ++values_ > most_values) return put_missing();
    const BtfTypes::Type plain = types_.type(types_.plain(type));
    switch (plain.kind) {
        case BtfKind::integer:
            return put_integer(plain, place);
        case BtfKind::enumeration:
        case BtfKind::enumeration64:
            return put_enum(plain, place);
        case BtfKind::floating:
            return put_float(plain, place);
        case BtfKind::pointer:
            return put_pointer(place);
        case BtfKind::array:
            return put_array(plain, place, depth);
        case BtfKind::structure:
        case BtfKind::union_:
            return put_struct(plain, place, depth);
        case BtfKind::variable:
            return put(plain.target, place, depth + 1);
        case BtfKind::none:
        case BtfKind::forward:
        case BtfKind::typedef_:
        case BtfKind::volatile_:
        case BtfKind::const_:
        case BtfKind::restrict_:
        case BtfKind::function:
        case BtfKind::function_type:
        case BtfKind::section:
        case BtfKind::decl_tag:
        case BtfKind::type_tag:
            return put_missing();  // has no value
    }
}

void ValuePrinter::put_integer(const BtfTypes::Type& type, Place place) {
    const BtfTypes::Integer integer = types_.integer(type);
    if (place.bits == 0 && (integer.bit_offset != 0 || integer.bits != type.size * 8)) {
        place.bit_offset += integer.bit_offset;
        place.bits = integer.bits;
    }
    if (type.size > 8 && place.bits == 0) {
        if (!inside(place.offset, type.size)) return put_missing();
        std::string digits;
        for (std::uint32_t i = type.size; i-- > 0;)
            digits += fmt::format("{:02x}", static_cast<unsigned>(value_[place.offset + i]));
        out_ += form_ == Form::json ? "\"0x" + digits + '"' : "0x" + digits;
        return;
    }
    std::uint64_t value = 0;
    if (!bits_at(place, type.size, value)) return put_missing();
    const std::uint32_t bits = place.bits ? place.bits : type.size * 8;
    if (integer.is_bool || type.name == "_Bool" || type.name == "bool")
        out_ += value == 0 ? "false" : value == 1 ? "true" : fmt::to_string(value);
    else if (integer.is_signed || integer.is_char || type.name == "char")
        out_ += fmt::to_string(sign_extended(value, bits));
    else
        out_ += fmt::to_string(value);
}

void ValuePrinter::put_enum(const BtfTypes::Type& type, Place place) {
    std::uint64_t value = 0;
    if (!bits_at(place, type.size, value)) return put_missing();
    const std::uint32_t bits = place.bits ? place.bits : type.size * 8;
    const std::int64_t extended = sign_extended(value, bits);
    const std::string_view name =
        types_.value_name(type, type.flag ? static_cast<std::uint64_t>(extended) : value);
    if (!name.empty())
        out_ += form_ == Form::json ? json_string(name) : escape_control(name);
    else
        out_ += type.flag ? fmt::to_string(extended) : fmt::to_string(value);
}

void ValuePrinter::put_float(const BtfTypes::Type& type, Place place) {
    if (!inside(place.offset, type.size)) return put_missing();
    double value = 0;
    if (type.size == 4) {
        value = load<float>(value_, place.offset);
        if (std::isfinite(value)) {
            out_ += fmt::to_string(load<float>(value_, place.offset));
            return;
        }
    } else if (type.size == 8) {
        value = load<double>(value_, place.offset);
    } else if (type.size == 16 && sizeof(long double) == 16) {
        long double wide = 0;
        std::memcpy(&wide, value_.data() + place.offset, 10);
        value = static_cast<double>(wide);
    } else {
        return put_missing();
    }
    if (!std::isfinite(value) && form_ == Form::json)
        out_ += "null";
    else
        out_ += fmt::to_string(value);
}

void ValuePrinter::put_pointer(Place place) {
    std::uint64_t address = 0;
    place.bits = 0;
    place.bit_offset = 0;
    if (!bits_at(place, 8, address)) return put_missing();
    const std::string symbol = symbols_ && address ? symbols_(address) : std::string{};
    if (form_ == Form::json)
        out_ += json_string(fmt::format("{:#x}{}{}", address, symbol.empty() ? "" : " ", symbol));
    else
        out_ += symbol.empty() ? fmt::format("{:#x}", address)
                               : fmt::format("{:#x} ({})", address, escape_control(symbol));
}

void ValuePrinter::put_array(const BtfTypes::Type& type, Place place, int depth) {
    const BtfTypes::Array array = types_.array(type);
    const std::uint64_t element = types_.size_of(array.element);
    std::uint64_t count = array.count;
    if (count == 0 && element != 0 && place.end > place.offset) count = (place.end - place.offset) / element;
    if (is_char(array.element)) {
        if (place.offset > value_.size()) return put_missing();
        const std::uint64_t size = std::min<std::uint64_t>(count, value_.size() - place.offset);
        const char* text = reinterpret_cast<const char*>(value_.data()) + place.offset;
        return put_text({text, strnlen(text, size)});
    }
    out_ += '[';
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i) out_ += form_ == Form::json ? "," : ", ";
        const std::uint64_t offset = place.offset + i * element;
        const bool cut = (form_ == Form::text && i == most_elements_as_text) || values_ >= most_values ||
                         element == 0 || offset >= value_.size();
        if (cut) {
            out_ += form_ == Form::json ? "null" : fmt::format("... {} more", count - i);
            break;
        }
        put(array.element, {offset, offset + element, 0, 0}, depth + 1);
    }
    out_ += ']';
}

void ValuePrinter::put_struct(const BtfTypes::Type& type, Place place, int depth) {
    bool first = true;
    out_ += '{';
    put_members(type, place, depth, first);
    out_ += '}';
}

void ValuePrinter::put_members(const BtfTypes::Type& type, Place place, int depth, bool& first) {
    for (std::uint32_t i = 0; i < type.count; ++i) {
        const BtfTypes::Member member = types_.member(type, i);
        Place part{place.offset + member.bit_offset / 8, 0, member.bit_offset % 8, member.bits};
        const std::uint64_t size = types_.size_of(member.type), own_end = place.offset + type.size;
        // Only what stands at the very end can go on behind it.
        const std::uint64_t end = part.offset + size;
        part.end = end == own_end && place.end > own_end ? place.end : size == 0 ? own_end : end;
        const BtfTypes::Type plain = types_.type(types_.plain(member.type));
        const bool holds_members = plain.kind == BtfKind::structure || plain.kind == BtfKind::union_;
        if (member.name.empty()) {
            // Padding bits have no name either, and nothing to say.
            if (holds_members && depth + 1 < deepest && ++values_ <= most_values)
                put_members(plain, part, depth + 1, first);
            continue;
        }
        if (!first) out_ += form_ == Form::json ? "," : ", ";
        first = false;
        if (form_ == Form::json)
            out_ += json_string(member.name) + ":";
        else
            out_ += escape_control(member.name) + ": ";
        put(member.type, part, depth + 1);
        if (values_ > most_values) return;
    }
}

}  // namespace waggle::kernel
