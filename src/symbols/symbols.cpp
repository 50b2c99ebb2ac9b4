// SPDX-License-Identifier: Apache-2.0
#include "symbols/symbols.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <numeric>
#include <optional>

#include "base/text.h"

namespace waggle::kernel {
namespace {

// Behind the last function of the kernel or a module lies other memory: an address farther from its symbol
// than any function is long is not inside it.
constexpr std::uint64_t longest_function = 256u << 10;

struct Line {
    std::uint64_t address;
    std::string_view name;
    std::string_view module;
};

// As nm(1) has them: code; initialized, zero and read-only data, and weak objects.
std::string_view letters_of(SymbolKind kind) { return kind == SymbolKind::functions ? "tTwW" : "dDbBrRvV"; }

// "ffffffff81000000 T _text" or "ffffffffc0000000 t nft_do_chain\t[nf_tables]"; nothing for what is not of this kind.
std::optional<Line> parse(std::string_view line, SymbolKind kind) {
    Line out{};
    const auto number = std::from_chars(line.data(), line.data() + line.size(), out.address, 16);
    std::string_view rest(number.ptr, static_cast<std::size_t>(line.data() + line.size() - number.ptr));
    if (number.ec != std::errc{} || rest.size() < 4 || rest[0] != ' ' || rest[2] != ' ') return std::nullopt;
    if (letters_of(kind).find(rest[1]) == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(3);
    const std::size_t tab = rest.find('\t');
    out.name = trim(rest.substr(0, tab));
    if (tab != std::string_view::npos) {
        out.module = trim(rest.substr(tab + 1));
        if (out.module.starts_with('[')) out.module.remove_prefix(1);
        if (out.module.ends_with(']')) out.module.remove_suffix(1);
    }
    if (out.name.empty()) return std::nullopt;
    return out;
}

// Calls `each` with every line of the file until it returns false, without holding the file.
template <class Each>
Result<void> for_each_line(const OwnedFd& file, Each&& each) {
    if (::lseek(file.get(), 0, SEEK_SET) < 0)
        return Error{fmt::format("cannot read the kernel's symbols: {}", std::strerror(errno))};
    std::vector<char> buffer(64u << 10);
    std::size_t have = 0;
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer.data() + have, buffer.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{fmt::format("cannot read the kernel's symbols: {}", std::strerror(errno))};
        have += static_cast<std::size_t>(got);
        std::string_view text(buffer.data(), have);
        for (std::size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
            if (!each(text.substr(0, end))) return {};
        if (got == 0) {
            each(text);
            return {};
        }
        // A line longer than any symbol's is not a symbol.
        have = text.size() == buffer.size() ? 0 : text.size();
        std::memmove(buffer.data(), text.data(), have);
    }
}

// By the byte in front of it: a call can be the last of its function.
template <class Finder>
Symbol find_before(Finder& finder, std::uint64_t address) {
    if (address == 0) return {};
    Symbol symbol = finder.find(address - 1);
    if (!symbol.name.empty()) ++symbol.offset;
    return symbol;
}

}  // namespace

Result<OwnedFd> Symbols::open(const std::string& path) {
    OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Error{fmt::format("cannot open {}: {}", path, std::strerror(errno))};
    bool hidden = false;
    const auto look = [&](std::string_view text) {
        const std::optional<Line> line = parse(text, SymbolKind::functions);
        if (line) hidden = line->address == 0;
        return !line;
    };
    if (auto done = for_each_line(file, look); !done) return done.error();
    if (!hidden) return file;
    const Result<std::string> restrict = read_file("/proc/sys/kernel/kptr_restrict", 64);
    return Error{fmt::format("the kernel hides the addresses of its functions (kernel.kptr_restrict is {}); "
                             "a process with CAP_SYSLOG sees them",
                             restrict ? trim(*restrict) : "unknown"),
                 ErrorKind::privilege};
}

Result<Symbols> Symbols::read(const OwnedFd& file, SymbolKind kind) {
    Symbols symbols;
    std::vector<std::uint64_t> addresses;
    const auto take = [&](std::string_view text) {
        const std::optional<Line> line = parse(text, kind);
        // Below the kernel's half lie no symbols but offsets: variables that each processor has its own of.
        if (!line || line->address >> 63 == 0) return true;
        if (!addresses.empty() && addresses.back() == line->address) {
            // Of two names for one place the one without leading underscores is the one people know.
            const bool better = line->name.front() != '_' && symbols.names_[symbols.name_at_.back()] == '_';
            if (!better) return true;
            symbols.names_.resize(symbols.name_at_.back());
        } else {
            addresses.push_back(line->address);
            symbols.name_at_.push_back(static_cast<std::uint32_t>(symbols.names_.size()));
        }
        symbols.names_.append(line->name);
        if (!line->module.empty()) symbols.names_.append(1, '\t').append(line->module);
        symbols.names_.push_back('\0');
        return true;
    };
    if (auto done = for_each_line(file, take); !done) return done.error();
    if (addresses.empty())
        return Error{
            fmt::format("the kernel names no {}", kind == SymbolKind::functions ? "function" : "variable")};

    // The kernel's own symbols come sorted, its modules' do not.
    std::vector<std::uint32_t> order(addresses.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return addresses[i]; });
    symbols.base_ = addresses[order.front()];
    symbols.offsets_.reserve(order.size());
    std::vector<std::uint32_t> name_at;
    name_at.reserve(order.size());
    for (const std::uint32_t i : order) {
        const std::uint64_t offset = addresses[i] - symbols.base_;
        // Beyond 4 GiB lie no functions of the kernel or its modules on any machine waggle runs on.
        if (offset > UINT32_MAX) break;
        symbols.offsets_.push_back(static_cast<std::uint32_t>(offset));
        name_at.push_back(symbols.name_at_[i]);
    }
    symbols.name_at_ = std::move(name_at);
    symbols.names_.shrink_to_fit();
    return symbols;
}

Symbol Symbols::find(std::uint64_t address) const {
    if (address < base_ || address - base_ > UINT32_MAX) return {};
    const auto above = std::ranges::upper_bound(offsets_, static_cast<std::uint32_t>(address - base_));
    if (above == offsets_.begin()) return {};
    const auto index = static_cast<std::size_t>(above - offsets_.begin()) - 1;
    const std::uint64_t offset = address - base_ - offsets_[index];
    if (offset >= longest_function) return {};
    const std::string_view text = text_at(index);
    const std::size_t tab = text.find('\t');
    if (text == "_etext") return {};
    return {text.substr(0, tab), tab == std::string_view::npos ? std::string_view{} : text.substr(tab + 1),
            offset};
}

Symbol Symbols::find_return(std::uint64_t address) const { return find_before(*this, address); }

std::size_t Symbols::held_bytes() const {
    return names_.capacity() + (offsets_.capacity() + name_at_.capacity()) * sizeof(std::uint32_t);
}

Symbol SymbolFinder::find(std::uint64_t address) {
    if (symbols_)
        if (const Symbol known = symbols_->find(address); !known.name.empty()) return known;
    if (reads_left_ == 0) return {};
    --reads_left_;
    Result<Symbols> symbols = Symbols::read(file_, kind_);
    if (!symbols) return {};
    symbols_ = std::move(*symbols);
    return symbols_->find(address);
}

Symbol SymbolFinder::find_return(std::uint64_t address) { return find_before(*this, address); }

std::string to_string(const Symbol& symbol) {
    if (symbol.name.empty()) return {};
    std::string text =
        symbol.offset ? fmt::format("{}+{:#x}", symbol.name, symbol.offset) : std::string(symbol.name);
    if (!symbol.module.empty()) text += fmt::format(" [{}]", symbol.module);
    return text;
}

}  // namespace waggle::kernel
