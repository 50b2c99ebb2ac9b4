// SPDX-License-Identifier: Apache-2.0
#include "explain/lines/log_line.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "explain/lines/line_parts.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_words = 200;

// Words that mean one thing wherever they stand; READ or ESTABLISHED in a line can be anything.
constexpr std::array<std::string_view, 7> sure_kinds = {
    "errno", "signal", "capability", "sysctl", "drop_reason", "name_lookup", "container_word"};
// What a line "NAME VALUE" of a file in /proc, of nstat or of a control group can name.
constexpr std::array<std::string_view, 8> valued_kinds = {
    "counter", "vmstat", "meminfo", "sysctl", "pressure", "cgroup_file", "cgroup_value", "status_field"};

bool is_sure(const Explanation& entry, std::string_view word) {
    if (std::find(sure_kinds.begin(), sure_kinds.end(), entry.kind) == sure_kinds.end()) return false;
    // STOP and KILL alone are words of many programs.
    if (entry.kind == "signal") return word.starts_with("SIG");
    // A drop reason such as TCP_CSUM; NETFILTER alone would be any word.
    return entry.kind == "errno" || entry.kind == "name_lookup" || entry.kind == "container_word" ||
           word.find_first_of("_.") != std::string_view::npos;
}

void add(std::vector<Explanation>& to, std::vector<Explanation> found, std::string_view word,
         bool sure_only) {
    for (Explanation& entry : found) {
        if (sure_only && !is_sure(entry, word)) continue;
        if (std::none_of(to.begin(), to.end(), [&](const Explanation& other) {
                return other.kind == entry.kind && other.word == entry.word;
            }))
            to.push_back(std::move(entry));
    }
}

// Whether the line speaks of errors, so that a negative number in it can be one.
bool speaks_of_errors(std::string_view line) {
    const std::string plain = to_lower(line);
    for (const std::string_view word : {"err", "fail", "ret", "status"})
        if (plain.find(word) != std::string::npos) return true;
    return false;
}

bool is_negative_number(std::string_view word) {
    return word.size() >= 2 && word.size() <= 4 && word.front() == '-' &&
           std::all_of(word.begin() + 1, word.end(), is_digit);
}

// A name as the kernel writes it: ENOSPC, SIGKILL, TCP_LISTEN_OVERFLOW; or a setting: net.core.somaxconn.
bool is_name(std::string_view word) {
    if (word.size() < 4 || is_digit(word.front())) return false;
    const bool capitals = std::all_of(
        word.begin(), word.end(), [](char c) { return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; });
    // CrashLoopBackOff
    const bool joined =
        std::all_of(word.begin(), word.end(), is_word) && is_lower(word[word.size() - 1]) &&
        std::count_if(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) >= 2;
    return capitals || joined || std::count(word.begin(), word.end(), '.') >= 2 || word.starts_with("vm.") ||
           word.starts_with("kernel.") || word.starts_with("fs.");
}

std::vector<std::string_view> pieces(std::string_view line, std::string_view separators) {
    std::vector<std::string_view> out;
    while (!line.empty() && out.size() < most_words) {
        const std::size_t end = line.find_first_of(separators);
        if (const std::string_view piece = trim(line.substr(0, end)); !piece.empty()) out.push_back(piece);
        if (end == std::string_view::npos) break;
        line.remove_prefix(end + 1);
    }
    return out;
}

// Lines of control groups have names that are any words (file, max, low); alone they mean nothing.
bool is_any_word(const Explanation& entry) {
    return entry.kind == "cgroup_value" && std::all_of(entry.word.begin(), entry.word.end(), is_lower);
}

// "pgmajfault 1234", "MemAvailable:  312340 kB", "net.core.somaxconn = 128", "TcpExtListenDrops  129  0.0".
Result<std::vector<Explanation>> find_valued(const Knowledge& knowledge, std::string_view line) {
    std::vector<Explanation> out;
    line = trim(line);
    std::size_t end = line.find_first_of(" \t:=");
    // nstat's groups: "TcpExt: ListenDrops 12".
    if (end != std::string_view::npos && line.substr(end).starts_with(": ") && line.size() > end + 2 &&
        is_word(line[end + 2]) && !is_digit(line[end + 2]) &&
        line.find_first_of(" \t", end + 2) != std::string_view::npos)
        end = line.find_first_of(" \t", end + 2);
    if (end == 0 || end == std::string_view::npos) return out;
    const std::string_view name = line.substr(0, end);
    const std::size_t at = line.find_first_not_of(" \t:=", end);
    if (at == std::string_view::npos) return out;
    const std::vector<std::string_view> values = pieces(line.substr(at), " \t");
    const std::string_view first = values.front();
    const bool number =
        is_digit(first.front()) || (first.size() > 1 && first.front() == '-' && is_digit(first[1]));
    // One value with its unit, or the columns of a table; a sentence is longer.
    if ((!number && first != "max") || values.size() > 3) return out;
    Result<std::vector<Explanation>> found = knowledge.find(name);
    if (!found) return found;
    std::erase_if(*found, [](const Explanation& entry) {
        return std::find(valued_kinds.begin(), valued_kinds.end(), entry.kind) == valued_kinds.end();
    });
    for (Explanation& entry : *found) fill_capitals(entry, {{"VALUE", std::string(first)}});
    return found;
}

// PHP: "Permission denied in /a.php on line 3".
std::string_view without_place(std::string_view piece) {
    return piece.find(" on line ") == std::string_view::npos ? piece : piece.substr(0, piece.find(" in "));
}
// MySQL: "13 - Permission denied".
std::string_view behind_dash(std::string_view piece) {
    const std::size_t dash = piece.find(" - ");
    return dash == std::string_view::npos ? piece : piece.substr(dash + 3);
}

}  // namespace

Result<std::vector<Explanation>> find_in_line(const Knowledge& knowledge, std::string_view line) {
    Result<std::vector<Explanation>> whole = knowledge.find(line);
    if (!whole) return whole;
    std::erase_if(*whole, is_any_word);
    if (whole->empty()) whole = find_valued(knowledge, line);
    if (!whole) return whole;
    std::vector<Explanation> out = std::move(*whole);
    const Captures parts = parts_of_line(line);
    const auto with_its_parts = [&] {
        for (Explanation& entry : out) fill_capitals(entry, parts);
        return out;
    };
    if (!out.empty()) return with_its_parts();
    // "cp: cannot create 'x': No space left on device"
    for (const std::string_view piece : pieces(line, ":;,()[]{}\"'`")) {
        for (const std::string_view text : {piece, without_place(piece), behind_dash(piece)}) {
            if (text.find(' ') == std::string_view::npos) continue;
            Result<std::vector<Explanation>> found = knowledge.find(text);
            if (!found) return found;
            std::erase_if(*found, [](const Explanation& entry) { return entry.kind != "errno"; });
            add(out, std::move(*found), text, false);
        }
    }
    const bool errors = speaks_of_errors(line);
    for (std::string_view word : pieces(line, " \t=:;,()[]<>'\"")) {
        const bool number = errors && is_negative_number(word);
        if (!number && word.starts_with('-')) word.remove_prefix(1);
        while (word.ends_with('.') || word.ends_with('!') || word.ends_with('?')) word.remove_suffix(1);
        if (!number && !is_name(word)) continue;
        Result<std::vector<Explanation>> found = knowledge.find(word);
        if (!found) return found;
        add(out, std::move(*found), word, true);
    }
    return with_its_parts();
}

}  // namespace waggle::explain
