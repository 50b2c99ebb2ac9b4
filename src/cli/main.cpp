// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <csignal>

#include "base/text.h"
#include "cli/command.h"
#include "cli/command_line.h"

namespace {

void on_signal(int) { waggle::cli::interrupted.store(true, std::memory_order_relaxed); }

}  // namespace

int main(int argc, char** argv) {
    struct sigaction action{};
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a reader that leaves is seen by print()
    return waggle::cli::run(argc, argv);
}
