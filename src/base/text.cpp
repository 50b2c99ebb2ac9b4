// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "waggle/owned_fd.h"

namespace waggle {
namespace {

// Length of the valid, printable UTF-8 sequence that starts here; 0 where there is none. C1 controls
// (U+0080..U+009F) and the bidirectional overrides count as unprintable: both can forge what is read.
std::size_t printable_sequence(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    char32_t code = first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0) != 0x80) return 0;
        code = (code << 6) | (at(i) & 0x3fu);
    }
    const char32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    if (code <= 0x9f || (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069))
        return 0;
    return length;
}

}  // namespace

std::string escape_control(std::string_view text) {
    const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '\\'; };
    if (std::all_of(text.begin(), text.end(), plain)) return std::string(text);
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t good = printable_sequence(text);
        if (good == 0) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
        } else if (text.front() == '\\') {
            out += "\\\\";
        } else {
            out += text.substr(0, good);
        }
        text.remove_prefix(std::max<std::size_t>(good, 1));
    }
    return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                now[j] = std::min(now[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(now);
    }
    return last[b.size()];
}

std::vector<std::string> nearest_words(std::string_view word, std::span<const std::string_view> known,
                                       std::size_t most) {
    struct Candidate {
        std::size_t distance;
        std::string_view word;
    };
    std::vector<Candidate> near;
    const std::string wanted = to_lower(word);
    const std::size_t farthest = std::max<std::size_t>(2, word.size() / 3);
    for (const std::string_view candidate : known) {
        // Each letter that it is shorter by is an edit: the time for a long word is that of the words near it.
        if (candidate.size() + farthest < wanted.size()) continue;
        std::size_t distance = edit_distance(wanted, candidate);
        // A word typed in part is nearer than its length says.
        if (wanted.size() >= 3 && to_lower(candidate).find(wanted) != std::string::npos)
            distance = std::min<std::size_t>(distance, 2);
        if (distance <= farthest) near.push_back({distance, candidate});
    }
    std::stable_sort(near.begin(), near.end(),
                     [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
    std::vector<std::string> out;
    for (const Candidate& candidate : near) {
        if (out.size() == most) break;
        if (std::find(out.begin(), out.end(), candidate.word) == out.end()) out.emplace_back(candidate.word);
    }
    return out;
}

bool glob_match(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::vector<int> numbers_of_list(std::string_view list) {
    std::vector<int> out;
    for (const std::string_view range : split(trim(list), ',')) {
        int first = 0;
        const char* end = range.data() + range.size();
        const auto parsed = std::from_chars(range.data(), end, first);
        int last = first;
        if (parsed.ptr != end && *parsed.ptr == '-') std::from_chars(parsed.ptr + 1, end, last);
        for (int number = first; number <= last; ++number) out.push_back(number);
    }
    return out;
}

std::string name_at(std::span<const std::string_view> names, std::uint64_t number) {
    return number < names.size() ? std::string(names[number]) : std::string();
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error{fmt::format("cannot open {}: {}", path, std::strerror(errno))};
    std::string text;
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{fmt::format("cannot read {}: {}", path, std::strerror(errno))};
        if (got == 0) return text;
        if (text.size() + static_cast<std::size_t>(got) > limit)
            return Error{fmt::format("{} is larger than {} bytes", path, limit)};
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

}  // namespace waggle
