// SPDX-License-Identifier: Apache-2.0
// Says in words what a row of waggle's means, without waggle running: ./explain
#include <waggle/explain.h>
#include <cstdio>

namespace {

void print(const char* part, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) std::printf("%-9s %s\n", part, text.c_str());
}

void print(const waggle::Explained& explained) {
    std::printf("%s\n", explained.what.c_str());
    print("because", explained.because);
    print("evidence", explained.evidence);
    print("impact", explained.impact);
    print("try", explained.try_);
    print("check", explained.check);
}

int fail(const waggle::Error& error) {
    std::fprintf(stderr, "explain: %s\n", error.message.c_str());
    return 1;
}

}  // namespace

int main() {
    const auto explainer = waggle::Explainer::open();
    if (!explainer) return fail(explainer.error());

    // As `waggle trace process --output json` gave it.
    const waggle::NamedRow crash{
        "process_exit",
        {{"comm", "worker"}, {"pid", 812}, {"signal", "SIGSEGV"}, {"unit", "worker.service"}}};
    const auto event = explainer->explain_event(crash);
    if (!event) return fail(event.error());
    print(*event);

    // As `waggle top block_io --output json` gave them.
    const waggle::NamedRow figures{"block_io_top",
                                   {{"device", "vda"},
                                    {"comm", "postgres"},
                                    {"pid", 77},
                                    {"operation", "READ"},
                                    {"requests", 1200},
                                    {"bytes", 9'830'400},
                                    {"mean_queue_ns", 41'000},
                                    {"mean_device_ns", 8'100'000},
                                    {"p99_device_ns", 31'000'000}}};
    const auto performance = explainer->explain_performance(figures);
    if (!performance) return fail(performance.error());
    std::printf("\n");
    print(*performance);
}
