// SPDX-License-Identifier: Apache-2.0
#include "explain/lines/line_parts.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>

#include "base/shell.h"
#include "base/text.h"

namespace waggle::explain {
namespace {

constexpr std::size_t longest_looked_at = 4096;
constexpr std::size_t most_words_looked_at = 400;
constexpr std::string_view marks = ",.;:)]}'\"";

bool is_number(std::string_view text, std::size_t most_digits) {
    return !text.empty() && text.size() <= most_digits && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_port(std::string_view text) {
    return is_number(text, 5) && std::stoi(std::string(text)) > 0 && std::stoi(std::string(text)) < 65536;
}

bool is_address(std::string_view text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    const std::string copy(text);
    return ::inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1 ||
           (text.size() > 2 && ::inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1);
}

std::string_view without_marks(std::string_view word) {
    while (!word.empty() && marks.find(word.back()) != std::string_view::npos) word.remove_suffix(1);
    while (!word.empty() && std::string_view("'\"([{").find(word.front()) != std::string_view::npos &&
           !(word.front() == '[' && word.find("]:") != std::string_view::npos))
        word.remove_prefix(1);
    return word;
}

class Reader {
  public:
    Captures read(std::string_view line) {
        for (const std::string_view raw : words(line.substr(0, longest_looked_at))) look_at(raw);
        Captures out;
        put(out, ports_, {"PORT"});
        put(out, hosts_, {"HOST", "DESTINATION"});
        put(out, paths_, {"PATH", "FILE"});
        put(out, pids_, {"PID"});
        put(out, units_, {"UNIT"});
        return out;
    }

  private:
    std::set<std::string, std::less<>> ports_, hosts_, paths_, pids_, units_;
    std::string before_;  // the word before, in small letters

    static std::vector<std::string_view> words(std::string_view line) {
        std::vector<std::string_view> out;
        while (!line.empty() && out.size() < most_words_looked_at) {
            const std::size_t end = line.find_first_of(" \t\n");
            if (end != 0) out.push_back(line.substr(0, end));
            if (end == std::string_view::npos) break;
            line.remove_prefix(end + 1);
        }
        return out;
    }

    static void put(Captures& out, const std::set<std::string, std::less<>>& found,
                    std::initializer_list<const char*> names) {
        if (found.size() != 1) return;
        for (const char* name : names) out.emplace_back(name, *found.begin());
    }

    void look_at(std::string_view raw) {
        const std::string_view word = without_marks(raw);
        if (word.empty()) return;
        if (before_ == "port" && is_port(word)) ports_.emplace(word);
        if (before_ == "pid" && is_number(word, 7)) pids_.emplace(word);
        if (before_ == "host" && !is_number(word, 7)) hosts_.emplace(word);
        for (const std::string_view start : {"pid=", "PID="})
            if (word.starts_with(start) && is_number(word.substr(start.size()), 7))
                pids_.emplace(word.substr(start.size()));
        if (word.ends_with(".service") && word.find('/') == std::string_view::npos && word.size() > 8)
            units_.emplace(word);
        if ((word.front() == '/' && word.size() > 1 && word[1] != '/') || word.starts_with("./"))
            paths_.emplace(word);
        process(raw);
        endpoint(word);
        before_ = to_lower(word);
    }

    // "app[812]:" is the process that speaks; "systemd[1]:" speaks of another.
    void process(std::string_view raw) {
        const std::size_t open = raw.find('[');
        if (open == 0 || !raw.ends_with("]:")) return;
        const std::string_view pid = raw.substr(open + 1, raw.size() - open - 3);
        if (is_number(pid, 7) && !raw.starts_with("systemd")) pids_.emplace(pid);
    }

    // "10.0.0.1:5432", "[::1]:80", ":::3000", "localhost:80", ":8080"; "http://10.0.0.1:8080/x" too.
    void endpoint(std::string_view word) {
        if (const std::size_t scheme = word.find("://"); scheme != std::string_view::npos) {
            word.remove_prefix(scheme + 3);
            word = word.substr(0, word.find('/'));
        }
        if (is_address(word)) return host(word);
        const std::size_t colon = word.rfind(':');
        if (colon == std::string_view::npos || !is_port(word.substr(colon + 1))) return;
        std::string_view address = word.substr(0, colon);
        if (address.starts_with('[') && address.ends_with(']'))
            address = address.substr(1, address.size() - 2);
        if (!is_address(address) && address != "::" && address != "*" && address != "localhost" &&
            !address.empty())
            return;
        ports_.emplace(word.substr(colon + 1));
        host(address);
    }

    void host(std::string_view address) {
        if (!address.empty() && address != "::" && address != "*" && address != "0.0.0.0")
            hosts_.emplace(address);
    }
};

std::string with_parts(std::string_view command, const Captures& parts) {
    std::string out;
    while (!command.empty()) {
        const std::size_t begin = std::find_if(command.begin(), command.end(), is_word) - command.begin();
        const std::size_t end =
            std::find_if_not(command.begin() + static_cast<std::ptrdiff_t>(begin), command.end(), is_word) -
            command.begin();
        const std::string_view word = command.substr(begin, end - begin);
        const auto part = std::find_if(parts.begin(), parts.end(), [&](const auto& each) {
            return each.first == word && shell_word(each.second) == each.second;
        });
        // $PATH is the shell's own.
        const bool variable = begin > 0 && (command[begin - 1] == '$' || command[begin - 1] == '{');
        out += command.substr(0, begin);
        out += part == parts.end() || variable ? word : std::string_view(part->second);
        command.remove_prefix(end);
    }
    return out;
}

}  // namespace

Captures parts_of_line(std::string_view line) { return Reader().read(line); }

void fill_capitals(Explanation& entry, const Captures& parts) {
    if (parts.empty()) return;
    for (std::vector<std::string>* advice : {&entry.try_, &entry.check})
        for (std::string& text : *advice)
            if (!is_sentence(text)) text = with_parts(text, parts);
}

}  // namespace waggle::explain
