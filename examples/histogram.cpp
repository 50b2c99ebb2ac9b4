// SPDX-License-Identifier: Apache-2.0
// Reads a map that the kernel side counts into, and draws it: exits of processes by CPU. Run it as root:
// ./histogram exits.bpf.o 3     (seconds)
#include <unistd.h>

#include <waggle/engine.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int fail(const waggle::Error& error) {
    std::fprintf(stderr, "histogram: %s\n", error.message.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    auto object = waggle::Object::open_file(argc > 1 ? argv[1] : "exits.bpf.o");
    if (!object) return fail(object.error());
    if (auto started = object->start("on_process_exit", "raw_tp:sched_process_exit"); !started)
        return fail(started.error());
    sleep(argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 3);

    auto by_cpu = waggle::Map<std::uint32_t, std::uint64_t>::open(*object, "by_cpu");
    if (!by_cpu) return fail(by_cpu.error());
    std::uint64_t most = 1;
    if (auto read = by_cpu->each([&](std::uint32_t, std::uint64_t count) { most = std::max(most, count); });
        !read)
        return fail(read.error());
    auto drawn = by_cpu->each([&](std::uint32_t cpu, std::uint64_t count) {
        const std::string bar(static_cast<std::size_t>(count * 50 / most), '#');
        std::printf("CPU %-3u %8llu %s\n", cpu, static_cast<unsigned long long>(count), bar.c_str());
    });
    return drawn ? 0 : fail(drawn.error());
}
