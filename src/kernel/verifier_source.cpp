// SPDX-License-Identifier: Apache-2.0
// Source lines out of .BTF.ext, read without libbpf, which keeps them to itself.
#include <elf.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "kernel/elf_file.h"
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
        out.push_back({std::string(elf.sections()[symbol.section].name), symbol.value, symbol.size});
    }
    for (std::size_t i = 0; i < named.size(); ++i)
        if (!named[i]) out.push_back({std::string(elf.sections()[i].name), 0, elf.sections()[i].size});
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

// The last of the lines that begin at the instruction or before it: the one the kernel shows.
template <class Line>
const Line* line_at(const std::vector<Line>& lines, std::uint32_t insn) {
    const auto after =
        std::upper_bound(lines.begin(), lines.end(), insn,
                         [](std::uint32_t wanted, const Line& line) { return wanted < line.insn; });
    return after == lines.begin() ? nullptr : &*(after - 1);
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
    out.variables_ = variables_of<Variable>(*elf);
    for (const ElfSymbol& symbol : elf->symbols()) {
        if (symbol.type != STT_FUNC || symbol.section >= elf->sections().size()) continue;
        const auto found = by_section.find(elf->sections()[symbol.section].name);
        if (found == by_section.end()) continue;
        out.programs_.push_back({std::string(symbol.name), found->second,
                                 static_cast<std::uint32_t>(symbol.value / insn_bytes),
                                 static_cast<std::uint32_t>(symbol.size / insn_bytes)});
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

std::optional<std::uint64_t> SourceLines::variable_end(std::string_view section, std::uint64_t offset) const {
    for (const Variable& each : variables_)
        if (each.section == section && offset >= each.offset && offset - each.offset < each.size)
            return each.offset + each.size;
    return std::nullopt;
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
