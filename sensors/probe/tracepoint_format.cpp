// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/tracepoint_format.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/errno_name.h"
#include "base/text.h"
#include "sensors/probe/system_calls.h"

namespace waggle::sensors {
namespace {

std::int64_t number_behind(std::string_view line, std::string_view word) {
    const std::size_t at = line.find(word);
    std::int64_t value = -1;
    if (at != std::string_view::npos)
        std::from_chars(line.data() + at + word.size(), line.data() + line.size(), value);
    return value;
}

using Shape = ProbeField::Shape;

// What "const char * filename", "char comm[16]" and "__data_loc char[] name" are.
void take_declaration(std::string_view declared, ProbeField& field) {
    const bool is_char = declared.find("char") != std::string_view::npos;
    const auto stars = std::ranges::count(declared, '*');
    const bool is_array = declared.find('[') != std::string_view::npos;
    const bool relative = declared.starts_with("__rel_loc");
    if (relative || declared.starts_with("__data_loc")) {
        field.figure.source = relative ? PROBE_REL_LOC : PROBE_DATA_LOC;
        field.shape = is_char ? Shape::text : Shape::number;
        field.figure.text = is_char ? PROBE_STRING : PROBE_NUMBER;
        if (!is_char) field.figure.source = PROBE_CONTEXT;
    } else if (is_array) {
        field.figure.source = PROBE_RECORD;
        field.shape = is_char ? Shape::text : Shape::bytes;
        field.figure.text = is_char ? PROBE_STRING : PROBE_BYTES;
    } else if (stars > 0) {
        field.shape = Shape::pointer;
        if (is_char && !declared.starts_with("unsigned")) {
            field.shape = Shape::text;
            field.figure.text = stars > 1 ? PROBE_LIST : PROBE_STRING;
        } else if (stars == 1 && declared.find("struct sockaddr ") != std::string_view::npos) {
            field.shape = Shape::address;
            field.figure.text = PROBE_SOCKADDR;
        }
    }
}

// A small constant expression: "(1UL << (3))", "0x40", "8 | 2"; nothing where it is another.
class Constant {
  public:
    explicit Constant(std::string_view text) : rest_(text) {}
    std::optional<std::uint64_t> value() {
        const auto out = either();
        skip();
        return rest_.empty() ? out : std::nullopt;
    }

  private:
    void skip() {
        while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    }
    bool take(std::string_view sign) {
        skip();
        if (!rest_.starts_with(sign)) return false;
        rest_.remove_prefix(sign.size());
        return true;
    }
    std::optional<std::uint64_t> either() {
        auto out = shifted();
        while (out && take("|")) {
            const auto more = shifted();
            out = more ? std::optional(*out | *more) : std::nullopt;
        }
        return out;
    }
    std::optional<std::uint64_t> shifted() {
        auto out = one();
        while (out && take("<<")) {
            const auto by = one();
            out = by && *by < 64 ? std::optional(*out << *by) : std::nullopt;
        }
        return out;
    }
    std::optional<std::uint64_t> one() {
        skip();
        if (take("(")) {
            const auto out = either();
            return out && take(")") ? out : std::nullopt;
        }
        const bool hex = rest_.starts_with("0x");
        if (hex) rest_.remove_prefix(2);
        std::uint64_t value = 0;
        const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, hex ? 16 : 10);
        if (read.ec != std::errc()) return std::nullopt;
        rest_.remove_prefix(static_cast<std::size_t>(read.ptr - rest_.data()));
        while (!rest_.empty() && std::string_view("uUlL").find(rest_.front()) != std::string_view::npos)
            rest_.remove_prefix(1);
        return value;
    }
    std::string_view rest_;
};

// At commas that stand in no brackets and no quotes.
std::vector<std::string_view> arguments_of(std::string_view text) {
    std::vector<std::string_view> out;
    int depth = 0;
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted) continue;
        if (text[i] == '(' || text[i] == '{') ++depth;
        if (text[i] == ')' || text[i] == '}') --depth;
        if (text[i] != ',' || depth > 0) continue;
        out.push_back(trim(text.substr(begin, i - begin)));
        begin = i + 1;
    }
    out.push_back(trim(text.substr(begin)));
    return out;
}

// The field that an argument of the print line tells alone: "REC->saddr".
ProbeField* told_by(std::string_view argument, ProbeFields& fields) {
    argument = trim(argument);
    if (!argument.starts_with("REC->")) return nullptr;
    argument.remove_prefix(5);
    if (!std::ranges::all_of(argument, is_word)) return nullptr;
    const auto found = std::ranges::find(fields.fields, argument, &ProbeField::name);
    return found == fields.fields.end() ? nullptr : &*found;
}

// "__print_flags(REC->mode, "|", { 0x1, "READ" }, ...)" and "__print_symbolic(REC->state, { 1, "OPEN" }, ...)".
void take_names(std::string_view argument, ProbeFields& fields) {
    const bool flags = argument.starts_with("__print_flags");
    if (!flags && !argument.starts_with("__print_symbolic")) return;
    const std::size_t open = argument.find('('), close = argument.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) return;
    const auto parts = arguments_of(argument.substr(open + 1, close - open - 1));
    ProbeField* field = told_by(parts.front(), fields);
    if (!field) return;
    for (std::string_view part : parts) {
        if (!part.starts_with('{') || !part.ends_with('}')) continue;
        const auto pair = arguments_of(part.substr(1, part.size() - 2));
        if (pair.size() != 2 || pair[1].size() < 2 || !pair[1].starts_with('"')) continue;
        const auto value = Constant(pair[0]).value();
        if (!value) continue;
        std::string name(pair[1].substr(1, pair[1].size() - 2));
        if (flags)
            field->flags.emplace_back(*value, std::move(name));
        else
            field->names.emplace(*value, std::move(name));
    }
}

// The conversions of a print line, in its arguments' order: "d", "pI4", "s".
std::vector<std::string_view> conversions_of(std::string_view line) {
    std::vector<std::string_view> out;
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
        if (line[i] != '%') continue;
        if (line[++i] == '%') continue;
        while (i < line.size() &&
               std::string_view("0123456789.-+# *hlzjt").find(line[i]) != std::string_view::npos)
            if (line[i++] == '*') out.emplace_back("*");
        const std::size_t begin = i;
        if (i < line.size() && line[i] == 'p')
            while (i + 1 < line.size() && is_word(line[i + 1])) ++i;
        out.push_back(line.substr(begin, i - begin + 1));
    }
    return out;
}

void take_print_line(std::string_view format, ProbeFields& out) {
    constexpr std::string_view begin = "print fmt: \"";
    const std::size_t at = format.find(begin);
    if (at == std::string_view::npos) return;
    std::string_view text = format.substr(at + begin.size());
    text = text.substr(0, text.find('\n'));
    std::size_t end = 0;
    while (end < text.size() && (text[end] != '"' || (end > 0 && text[end - 1] == '\\'))) ++end;
    if (end + 1 >= text.size()) return;
    const auto conversions = conversions_of(text.substr(0, end));
    std::string_view behind = trim(text.substr(end + 1));
    if (behind.starts_with(',')) behind.remove_prefix(1);
    const auto arguments = arguments_of(behind);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        take_names(arguments[i], out);
        const bool is_address =
            i < conversions.size() && (conversions[i].starts_with("pI") || conversions[i].starts_with("pi"));
        if (ProbeField* field = is_address ? told_by(arguments[i], out) : nullptr;
            field && field->shape == Shape::bytes)
            field->shape = Shape::address;
    }
}

void name_open_flags(ProbeField& field) {
    field.flags = {{O_WRONLY, "O_WRONLY"},   {O_RDWR, "O_RDWR"},           {O_CREAT, "O_CREAT"},
                   {O_EXCL, "O_EXCL"},       {O_NOCTTY, "O_NOCTTY"},       {O_TRUNC, "O_TRUNC"},
                   {O_APPEND, "O_APPEND"},   {O_NONBLOCK, "O_NONBLOCK"},   {O_SYNC, "O_SYNC"},
                   {O_DSYNC, "O_DSYNC"},     {O_DIRECT, "O_DIRECT"},       {0100000, "O_LARGEFILE"},
                   {O_TMPFILE, "O_TMPFILE"}, {O_DIRECTORY, "O_DIRECTORY"}, {O_NOFOLLOW, "O_NOFOLLOW"},
                   {O_NOATIME, "O_NOATIME"}, {O_CLOEXEC, "O_CLOEXEC"},     {O_PATH, "O_PATH"}};
    field.names.emplace(0, "O_RDONLY");
}

}  // namespace

void add_tracepoint_fields(std::string_view format, ProbeFields& out) {
    for (const std::string_view line : split(format, '\n')) {
        const std::size_t begin = line.find("field:");
        if (begin == std::string_view::npos) continue;
        const std::size_t end = line.find(';', begin);
        if (end == std::string_view::npos) continue;
        const std::string_view declared = line.substr(begin + 6, end - begin - 6);
        const std::int64_t offset = number_behind(line, "offset:"), size = number_behind(line, "size:");
        if (offset < 0 || size < 0 || offset + size > PROBE_CONTEXT_MAX) continue;
        out.context_bytes = std::max(out.context_bytes, static_cast<std::uint32_t>(offset + size));
        const bool elsewhere = declared.starts_with("__data_loc") || declared.starts_with("__rel_loc");
        if (elsewhere) out.context_bytes = PROBE_CONTEXT_MAX;  // its bytes lie behind the fixed fields
        const std::string_view before = elsewhere ? declared : trim(declared.substr(0, declared.find('[')));
        const std::size_t space = before.find_last_of(" *");
        ProbeField field;
        field.name = before.substr(space == std::string_view::npos ? 0 : space + 1);
        if (field.name.starts_with("common_")) continue;
        field.type = declared;
        field.figure.source = PROBE_CONTEXT;
        field.figure.is_signed = number_behind(line, "signed:") == 1;
        field.figure.size = static_cast<__u16>(size);
        field.figure.at = static_cast<__u32>(offset);
        take_declaration(declared, field);
        out.fields.push_back(std::move(field));
    }
    take_print_line(format, out);
}

void name_system_call_fields(std::string_view tracepoint, ProbeFields& out) {
    for (ProbeField& field : out.fields) {
        // Each argument has eight bytes there, whatever it is.
        const bool is_int = field.type.starts_with("int "),
                   is_unsigned = field.type.starts_with("unsigned int ");
        if (is_int || is_unsigned) field.figure.size = 4;
        if (is_int || field.type.starts_with("long ")) field.figure.is_signed = 1;
        if (is_int && field.name.ends_with("dfd")) field.names.emplace(AT_FDCWD, "AT_FDCWD");
        if (field.name == "__syscall_nr" || field.name == "id") {
            field.names = system_calls();
        } else if (field.name == "ret") {
            field.figure.is_signed = 1;
            for (std::uint64_t error = 1; error < 134; ++error)
                if (std::string name = errno_name(error); !name.empty())
                    field.names.emplace(-error, "-" + name);
        } else if (field.name == "flags" &&
                   (tracepoint == "sys_enter_openat" || tracepoint == "sys_enter_open")) {
            name_open_flags(field);
        }
    }
}

}  // namespace waggle::sensors
