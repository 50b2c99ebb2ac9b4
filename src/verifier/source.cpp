// SPDX-License-Identifier: Apache-2.0
// Source lines out of .BTF.ext, read without libbpf, which keeps them to itself.
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "binary/elf_file.h"
#include "waggle/verifier.h"

namespace waggle {
namespace {

using kernel::ElfFile;
using kernel::ElfSection;
using kernel::ElfSymbol;

// A T at `offset`, where it lies inside.
template <class T>
std::optional<T> at(Bytes bytes, std::size_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    return load<T>(bytes, offset);
}

Bytes part(Bytes bytes, std::size_t offset, std::size_t size) {
    if (offset > bytes.size() || size > bytes.size() - offset) return {};
    return bytes.subspan(offset, size);
}

std::string_view text_at(Bytes strings, std::size_t offset) {
    if (offset >= strings.size()) return {};
    const auto* begin = reinterpret_cast<const char*>(strings.data()) + offset;
    const auto* end = std::find(begin, begin + (strings.size() - offset), '\0');
    return {begin, static_cast<std::size_t>(end - begin)};
}

Bytes content_of(const ElfFile& elf, std::string_view name) {
    const ElfSection* section = elf.section(name);
    return section ? section->content : Bytes{};
}

struct BtfHeader {
    std::uint16_t magic;
    std::uint8_t version, flags;
    std::uint32_t hdr_len, type_off, type_len, str_off, str_len;
};
struct BtfExtHeader {
    std::uint16_t magic;
    std::uint8_t version, flags;
    std::uint32_t hdr_len, func_info_off, func_info_len, line_info_off, line_info_len;
};
struct LineInfo {
    std::uint32_t insn_off, file_name_off, line_off, line_col;
};
// The global variables; a section whose variables have no names counts as one.
template <class Variable>
std::vector<Variable> variables_of(const ElfFile& elf) {
    std::vector<Variable> out;
    std::vector<bool> named(elf.sections().size());
    for (const ElfSymbol& symbol : elf.symbols()) {
        if (symbol.type != STT_OBJECT || symbol.section >= elf.sections().size()) continue;
        named[symbol.section] = true;
        out.push_back({std::string(elf.sections()[symbol.section].name), symbol.value, symbol.size,
                       std::string(symbol.name)});
    }
    for (std::size_t i = 0; i < named.size(); ++i)
        if (!named[i]) out.push_back({std::string(elf.sections()[i].name), 0, elf.sections()[i].size, {}});
    return out;
}

struct UndefinedUse {
    std::string_view section, symbol;
    std::uint32_t insn;
};
constexpr std::uint16_t btf_magic = 0xeb9f;
constexpr std::size_t insn_bytes = 8;

// The instructions that are to get the address of a symbol that the object does not define.
std::vector<UndefinedUse> undefined_uses(const ElfFile& elf) {
    std::vector<UndefinedUse> out;
    const std::vector<ElfSymbol> symbols = elf.symbols();
    for (const ElfSection& section : elf.sections()) {
        if (section.type != SHT_REL || section.info >= elf.sections().size()) continue;
        const std::string_view target = elf.sections()[section.info].name;
        for (std::size_t i = 0; const auto entry = at<Elf64_Rel>(section.content, i);
             i += sizeof(Elf64_Rel)) {
            const std::size_t symbol = ELF64_R_SYM(entry->r_info);
            if (symbol >= symbols.size() || symbols[symbol].section != SHN_UNDEF) continue;
            out.push_back(
                {target, symbols[symbol].name, static_cast<std::uint32_t>(entry->r_offset / insn_bytes)});
        }
    }
    return out;
}

struct BtfType {
    std::uint32_t name_off, info, type;
};
struct BtfParam {
    std::uint32_t name_off, type;
};

// What follows a type of this kind; none: no such kind.
std::optional<std::size_t> trailing_bytes(std::uint32_t kind, std::uint32_t count) {
    switch (kind) {
        case 1:
        case 14:
        case 17:
            return 4;  // int, variable, declaration tag
        case 3:
            return 12;  // array
        case 4:
        case 5:
        case 15:
        case 19:
            return std::size_t{count} * 12;  // structs, sections, 64-bit enums
        case 6:
        case 13:
            return std::size_t{count} * 8;  // enum, prototype
        case 2:
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
        case 16:
        case 18:
            return 0;
        default:
            return std::nullopt;
    }
}

struct FunctionType {
    std::string first_parameter;
    bool returns_int = true;
};
struct ObjectTypes {
    std::map<std::string, FunctionType, std::less<>> functions;
    std::map<std::string, std::uint32_t, std::less<>> arrays;
};

// The functions and the arrays that the object's types name.
ObjectTypes types_of(Bytes types, Bytes strings) {
    constexpr std::uint32_t kind_int = 1, kind_array = 3, kind_struct = 4, kind_union = 5, kind_typedef = 8,
                            kind_volatile = 9, kind_const = 10, kind_function = 12, kind_prototype = 13,
                            kind_variable = 14;
    std::vector<std::size_t> begins{0};  // of type 1, 2, ...; 0 is void
    for (std::size_t offset = 0; const auto type = at<BtfType>(types, offset);) {
        begins.push_back(offset);
        const auto behind = trailing_bytes(type->info >> 24 & 0x1f, type->info & 0xffff);
        if (!behind) break;
        offset += sizeof(BtfType) + *behind;
    }
    const auto type_of = [&](std::uint32_t id) -> std::optional<BtfType> {
        if (id == 0 || id >= begins.size()) return std::nullopt;
        return at<BtfType>(types, begins[id]);
    };
    const auto kind_of = [](const BtfType& type) { return type.info >> 24 & 0x1f; };
    ObjectTypes all;
    auto& out = all.functions;
    const auto note_array = [&](std::string_view name, std::uint32_t id) {
        auto type = type_of(id);
        for (int depth = 0; type && depth < 32; ++depth) {
            const std::uint32_t kind = kind_of(*type);
            if (kind != kind_typedef && kind != kind_const && kind != kind_volatile) break;
            id = type->type;
            type = type_of(id);
        }
        if (!type || kind_of(*type) != kind_array || name.empty()) return;
        const auto length = at<std::uint32_t>(types, begins[id] + sizeof(BtfType) + 8);
        if (!length) return;
        const auto [found, is_new] = all.arrays.emplace(std::string(name), *length);
        if (!is_new && found->second != *length) found->second = 0;
    };
    for (std::uint32_t id = 1; id < begins.size(); ++id) {
        const auto function = type_of(id);
        if (!function) continue;
        if (kind_of(*function) == kind_variable)
            note_array(text_at(strings, function->name_off), function->type);
        if (kind_of(*function) == kind_struct || kind_of(*function) == kind_union)
            for (std::size_t i = 0; i < (function->info & 0xffff); ++i)
                if (const auto member = at<BtfParam>(types, begins[id] + sizeof(BtfType) + i * 12))
                    note_array(text_at(strings, member->name_off), member->type);
        if (kind_of(*function) != kind_function) continue;
        const auto prototype = type_of(function->type);
        if (!prototype || (prototype->info >> 24 & 0x1f) != kind_prototype) continue;
        FunctionType found;
        if ((prototype->info & 0xffff) > 0)
            if (const auto first = at<BtfParam>(types, begins[function->type] + sizeof(BtfType)))
                found.first_parameter = text_at(strings, first->name_off);
        auto returned = type_of(prototype->type);
        for (int depth = 0; returned && depth < 32; ++depth) {
            const std::uint32_t kind = returned->info >> 24 & 0x1f;
            if (kind != kind_typedef && kind != kind_const) break;
            returned = type_of(returned->type);
        }
        found.returns_int = returned && (returned->info >> 24 & 0x1f) == kind_int;
        out.emplace(std::string(text_at(strings, function->name_off)), std::move(found));
    }
    return all;
}

struct Insn {
    std::uint8_t code, registers;
    std::int16_t offset;
    std::int32_t immediate;
};

// The helpers that the function calls, by number.
std::vector<std::int32_t> helpers_called(Bytes code, std::uint32_t first, std::uint32_t count) {
    constexpr std::uint8_t call = 0x85;
    std::vector<std::int32_t> out;
    for (std::uint32_t i = first; i < first + count; ++i) {
        const auto insn = at<Insn>(code, std::size_t{i} * insn_bytes);
        if (!insn) break;
        if (insn->code == call && insn->registers >> 4 == 0 &&
            std::find(out.begin(), out.end(), insn->immediate) == out.end())
            out.push_back(insn->immediate);
    }
    return out;
}

// The last of the lines that begin at the instruction or before it: the one the kernel shows.
template <class Line>
const Line* line_at(const std::vector<Line>& lines, std::uint32_t insn) {
    const auto after =
        std::upper_bound(lines.begin(), lines.end(), insn,
                         [](std::uint32_t wanted, const Line& line) { return wanted < line.insn; });
    return after == lines.begin() ? nullptr : &*(after - 1);
}

// The lines of a source file; empty where it is none, or too long to be one. The name comes out of the
// object: what is no plain file is not even waited for.
std::vector<std::string> read_source(const std::string& path) {
    constexpr off_t most_bytes = 1 << 20;
    const bool is_source = path.ends_with(".c") || path.ends_with(".h") || path.ends_with(".cpp");
    const int fd = is_source ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (fd < 0) return {};
    struct stat about{};
    std::string text;
    if (::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size <= most_bytes) {
        text.resize(static_cast<std::size_t>(about.st_size));
        const ssize_t got = ::read(fd, text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    ::close(fd);
    std::vector<std::string> out;
    for (std::string_view line : split(text, '\n')) out.emplace_back(line);
    return out;
}

}  // namespace

SourceLines SourceLines::open(Bytes bytes) {
    SourceLines out;
    const Result<ElfFile> elf = ElfFile::parse(bytes);
    if (!elf) return out;
    const Bytes btf = content_of(*elf, ".BTF"), ext = content_of(*elf, ".BTF.ext");
    const auto btf_header = at<BtfHeader>(btf, 0);
    const auto ext_header = at<BtfExtHeader>(ext, 0);
    if (!btf_header || !ext_header || btf_header->magic != btf_magic || ext_header->magic != btf_magic)
        return out;
    const Bytes strings =
        part(btf, std::size_t{btf_header->hdr_len} + btf_header->str_off, btf_header->str_len);
    Bytes info =
        part(ext, std::size_t{ext_header->hdr_len} + ext_header->line_info_off, ext_header->line_info_len);
    const auto record_size = at<std::uint32_t>(info, 0);
    if (!record_size || *record_size < sizeof(LineInfo)) return out;
    info = info.subspan(4);
    std::map<std::string, std::size_t, std::less<>> by_section;
    while (const auto section_name = at<std::uint32_t>(info, 0)) {
        const auto count = at<std::uint32_t>(info, 4);
        if (!count || *count > (info.size() - 8) / *record_size) break;
        std::vector<Line> lines;
        for (std::size_t i = 0; i < *count; ++i) {
            const auto record = load<LineInfo>(info, 8 + i * *record_size);
            Line line{static_cast<std::uint32_t>(record.insn_off / insn_bytes), {}};
            line.at.file = text_at(strings, record.file_name_off);
            line.at.line = record.line_col >> 10;
            line.at.column = record.line_col & 0x3ff;
            const std::string_view whole = text_at(strings, record.line_off);
            line.at.text = trim(whole);
            // The column counts in the line as it was; ours begins after its indentation.
            const std::size_t indent = whole.find_first_not_of(" \t");
            if (indent != std::string_view::npos && line.at.column > indent)
                line.at.column -= static_cast<std::uint32_t>(indent);
            lines.push_back(std::move(line));
        }
        std::stable_sort(lines.begin(), lines.end(),
                         [](const Line& a, const Line& b) { return a.insn < b.insn; });
        by_section[std::string(text_at(strings, *section_name))] = out.lines_.size();
        out.lines_.push_back(std::move(lines));
        info = info.subspan(8 + std::size_t{*count} * *record_size);
    }
    constexpr std::size_t most_files = 16;
    for (const std::vector<Line>& lines : out.lines_)
        for (const Line& line : lines)
            if (out.files_.size() < most_files && !out.files_.contains(line.at.file))
                out.files_[line.at.file] = read_source(line.at.file);
    const auto differs = [&](const Line& line) {
        const auto file = out.files_.find(line.at.file);
        return file != out.files_.end() && (line.at.line == 0 || line.at.line > file->second.size() ||
                                            trim(file->second[line.at.line - 1]) != line.at.text);
    };
    for (const std::vector<Line>& lines : out.lines_)
        for (const Line& line : lines)
            if (differs(line)) out.files_.erase(line.at.file);
    out.variables_ = variables_of<Variable>(*elf);
    ObjectTypes types = types_of(
        part(btf, std::size_t{btf_header->hdr_len} + btf_header->type_off, btf_header->type_len), strings);
    const auto& functions = types.functions;
    out.arrays_ = std::move(types.arrays);
    for (const ElfSymbol& symbol : elf->symbols()) {
        if (symbol.type != STT_FUNC || symbol.section >= elf->sections().size()) continue;
        const auto found = by_section.find(elf->sections()[symbol.section].name);
        if (found == by_section.end()) continue;
        Program program;
        program.name = symbol.name;
        program.section_name = elf->sections()[symbol.section].name;
        program.section = found->second;
        program.first = static_cast<std::uint32_t>(symbol.value / insn_bytes);
        program.count = static_cast<std::uint32_t>(symbol.size / insn_bytes);
        if (const auto typed = functions.find(program.name); typed != functions.end()) {
            program.first_parameter = typed->second.first_parameter;
            program.returns_int = typed->second.returns_int;
        }
        program.helpers =
            helpers_called(elf->sections()[symbol.section].content, program.first, program.count);
        out.programs_.push_back(std::move(program));
    }
    for (const UndefinedUse& use : undefined_uses(*elf)) {
        const auto section = by_section.find(use.section);
        if (section == by_section.end()) continue;
        if (const Line* line = line_at(out.lines_[section->second], use.insn))
            out.uses_.push_back({std::string(use.symbol), line->at});
    }
    return out;
}

std::optional<SourceLine> SourceLines::using_symbol(std::string_view symbol) const {
    for (const Use& use : uses_)
        if (use.symbol == symbol) return use.at;
    return std::nullopt;
}

std::optional<SourceLine> SourceLines::only_line_with(std::string_view text) const {
    std::optional<SourceLine> found;
    for (const auto& [name, lines] : files_)
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (lines[i].find(text) == std::string::npos) continue;
            if (found) return std::nullopt;
            found = SourceLine{name, static_cast<std::uint32_t>(i + 1), 0, std::string(trim(lines[i]))};
        }
    return found;
}

std::optional<std::uint64_t> SourceLines::variable_end(std::string_view section, std::uint64_t offset) const {
    for (const Variable& each : variables_)
        if (each.section == section && offset >= each.offset && offset - each.offset < each.size)
            return each.offset + each.size;
    return std::nullopt;
}

std::string SourceLines::variable_at(std::string_view section, std::uint64_t offset) const {
    for (const Variable& each : variables_)
        if (each.section == section && each.offset == offset) return each.name;
    return {};
}

std::optional<SourceLine> SourceLines::of(std::string_view program, std::uint32_t insn) const {
    for (const Program& each : programs_) {
        if (each.name != program) continue;
        if (insn >= each.count) return std::nullopt;
        const Line* line = line_at(lines_[each.section], each.first + insn);
        if (!line || line->insn < each.first) return std::nullopt;
        return line->at;
    }
    return std::nullopt;
}

std::optional<SourceLine> SourceLines::naming(std::string_view program, std::string_view word,
                                              std::uint32_t insn) const {
    const SourceLine* before = nullptr;
    for (const Program& each : programs_) {
        if (each.name != program || word.empty()) continue;
        for (const Line& line : lines_[each.section]) {
            if (line.insn < each.first || line.insn >= each.first + each.count) continue;
            if (line.at.text.find(word) == std::string::npos) continue;
            if (line.insn >= each.first + insn) return line.at;
            before = &line.at;
        }
    }
    if (!before) return std::nullopt;
    return *before;
}

std::vector<SourceLine> SourceLines::function_around(const SourceLine& at) const {
    const auto file = files_.find(at.file);
    if (file == files_.end() || at.line == 0 || at.line > file->second.size()) return {};
    const std::vector<std::string>& lines = file->second;
    // Functions end with a bracket in the first column.
    std::size_t begin = at.line - 1, end = at.line - 1;
    while (begin > 0 && !lines[begin - 1].starts_with("}")) --begin;
    while (end + 1 < lines.size() && !lines[end].starts_with("}")) ++end;
    std::vector<SourceLine> out;
    for (std::size_t i = begin; i <= end; ++i)
        out.push_back({at.file, static_cast<std::uint32_t>(i + 1), 0, std::string(trim(lines[i]))});
    return out;
}

std::vector<SourceLine> SourceLines::all_of(std::string_view program) const {
    constexpr std::size_t most_lines = 20'000;
    std::vector<SourceLine> out;
    for (const Program& each : programs_) {
        if (each.name != program) continue;
        for (const Line& line : lines_[each.section]) {
            if (line.insn < each.first || line.insn >= each.first + each.count) continue;
            if (!out.empty() && out.back().line == line.at.line && out.back().file == line.at.file) continue;
            if (out.size() == most_lines) return out;
            out.push_back(line.at);
        }
    }
    return out;
}

std::string SourceLines::first_parameter(std::string_view function) const {
    for (const Program& each : programs_)
        if (each.name == function) return each.first_parameter;
    return {};
}

std::string SourceLines::section_of(std::string_view function) const {
    for (const Program& each : programs_)
        if (each.name == function) return each.section_name;
    return {};
}

std::optional<std::uint32_t> SourceLines::array_length(std::string_view name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end() || found->second == 0) return std::nullopt;
    return found->second;
}

std::string SourceLines::caller_without_int(std::int32_t helper) const {
    for (const Program& each : programs_)
        if (!each.returns_int &&
            std::find(each.helpers.begin(), each.helpers.end(), helper) != each.helpers.end())
            return each.name;
    return {};
}

std::optional<SourceLine> SourceLines::inside_function(std::uint32_t offset, std::string_view text,
                                                       std::uint32_t line) const {
    std::optional<SourceLine> found;
    for (const Program& each : programs_) {
        const auto here = of(each.name, offset);
        if (!here || here->text != trim(text) || (line != 0 && here->line != line)) continue;
        if (found && (found->line != here->line || found->column != here->column)) return std::nullopt;
        found = here;
    }
    return found;
}

std::optional<SourceLine> SourceLines::with_text(std::string_view text, std::uint32_t near) const {
    const SourceLine* best = nullptr;
    const auto distance = [&](const SourceLine& line) {
        return line.line > near ? line.line - near : near - line.line;
    };
    for (const std::vector<Line>& lines : lines_)
        for (const Line& line : lines)
            if (line.at.text == trim(text) && (!best || distance(line.at) < distance(*best))) best = &line.at;
    if (!best) return std::nullopt;
    SourceLine found = *best;
    // Which of several places in the line is meant, the text does not say.
    for (const std::vector<Line>& lines : lines_)
        for (const Line& line : lines)
            if (line.at.line == best->line && line.at.file == best->file && line.at.column != best->column)
                found.column = 0;
    return found;
}

}  // namespace waggle
