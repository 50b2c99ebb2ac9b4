// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <malloc.h>
#include <unistd.h>

#include <csignal>

#include "base/text.h"
#include "cli/command.h"
#include "cli/command_line.h"

namespace {

// A recording that is read where it lies was cut meanwhile. Only what a signal handler may do.
void on_cut_file(int) {
    static constexpr std::string_view words = "waggle: a file that was being read was cut.\n";
    [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, words.data(), words.size());
    ::_exit(waggle::cli::exit_failed);
}

// A command that runs for months gives back what one busy moment took: left alone, malloc keeps larger and larger
// blocks on its heaps, among what stays.
void give_memory_back() {
#ifdef __GLIBC__
    constexpr int large = 128 << 10;
    ::mallopt(M_MMAP_THRESHOLD, large);
    ::mallopt(M_TRIM_THRESHOLD, large);
    ::mallopt(M_ARENA_MAX, 2);  // who reads the rings, and who asks
#endif
}

void on_signal(int) { waggle::cli::interrupted.store(true, std::memory_order_relaxed); }

}  // namespace

int main(int argc, char** argv) {
    give_memory_back();
    struct sigaction action{};
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGBUS, on_cut_file);
    // The terminal is gone: end in order all the same; but nohup asks to go on.
    struct sigaction before{};
    sigaction(SIGHUP, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
    // A reader that leaves is seen by print().
    waggle::cli::sigpipe_was_ignored = std::signal(SIGPIPE, SIG_IGN) == SIG_IGN;
    waggle::cli::hold_standard_descriptors();
    return waggle::cli::run(argc, argv);
}
