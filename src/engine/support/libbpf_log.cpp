// SPDX-License-Identifier: Apache-2.0
#include "engine/support/libbpf_log.h"

#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "base/text.h"

namespace waggle::kernel {
namespace {

thread_local std::string captured_log;

int capture(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    va_list again;
    va_copy(again, arguments);
    // A rejected program's whole log comes as one message.
    const int length = std::vsnprintf(nullptr, 0, format, arguments);
    const std::size_t before = captured_log.size();
    if (length > 0) {
        captured_log.resize(before + static_cast<std::size_t>(length) + 1);
        std::vsnprintf(captured_log.data() + before, static_cast<std::size_t>(length) + 1, format, again);
        captured_log.pop_back();
    }
    va_end(again);
    constexpr std::size_t most = 16u << 20;
    if (captured_log.size() > most) captured_log.erase(0, captured_log.size() - most / 2);
    return length;
}

}  // namespace

void capture_libbpf_log() { libbpf_set_print(capture); }

std::string& libbpf_log() { return captured_log; }

std::string libbpf_last_words(int error) {
    std::string_view best;
    for (std::string_view line : split(captured_log, '\n')) {
        line = trim(line);
        if (line.empty() || line.starts_with("processed ") || line.starts_with("-- ") ||
            line.starts_with("verification time") || line.starts_with("stack depth") ||
            line.find("failed to load") != std::string_view::npos ||
            line.find("raising 'ulimit -l'") != std::string_view::npos)
            continue;
        best = line;
    }
    const std::string_view reason = std::strerror(error);
    if (best.starts_with("libbpf: ")) best.remove_prefix(8);
    if (best.starts_with("prog '") && best.find("': ") != std::string_view::npos)
        best.remove_prefix(best.find("': ") + 3);
    if (best.empty()) return std::string(reason);
    return best.find(reason) == std::string_view::npos ? fmt::format("{} ({})", best, reason)
                                                       : std::string(best);
}

}  // namespace waggle::kernel
