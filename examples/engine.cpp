// SPDX-License-Identifier: Apache-2.0
// The whole life of a BPF object: load it, attach it (a kprobe, or a tracepoint where there are none), write
// a map, read events, detach, unload. Run it as root: ./engine exits.bpf.o
#include <sys/wait.h>
#include <unistd.h>

#include <waggle/engine.h>
#include <cstdio>

namespace {

struct ExitEvent {  // as in exits.bpf.c
    std::uint32_t pid;
    std::uint32_t cpu;
    char comm[16];
};

int fail(const waggle::Error& error) {
    std::fprintf(stderr, "engine: %s\n", error.message.c_str());
    return 1;
}

void start_and_end_processes(int count) {
    for (int i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        waitpid(child, nullptr, 0);
    }
}

}  // namespace

int main(int argc, char** argv) {
    auto object = waggle::Object::open_file(argc > 1 ? argv[1] : "exits.bpf.o");
    if (!object) return fail(object.error());

    // The ladder: the first way that this kernel takes. What was refused says why.
    const char* ways[][2] = {{"on_do_exit", "kprobe:do_exit"},
                             {"on_process_exit", "raw_tp:sched_process_exit"}};
    bool attached = false;
    for (const auto& [program, place] : ways) {
        auto started = object->start(program, place);
        std::printf("%s: %s\n", place, started ? "attached" : started.error().message.c_str());
        if ((attached = bool(started))) break;
    }
    if (!attached) return 1;

    auto settings = waggle::Map<std::uint32_t, std::uint64_t>::open(*object, "settings");
    if (!settings) return fail(settings.error());
    if (auto wrote = settings->write(0, 10); !wrote) return fail(wrote.error());

    auto ring_fd = object->map_fd("events");
    if (!ring_fd) return fail(ring_fd.error());
    auto ring = waggle::Ring::open(*ring_fd);
    if (!ring) return fail(ring.error());

    start_and_end_processes(100);
    ring->drain([](std::span<const waggle::Bytes> records) {
        for (const waggle::Bytes record : records) {
            const auto event = waggle::load<ExitEvent>(record);
            std::printf("%.16s (pid %u) ended on CPU %u\n", event.comm, event.pid, event.cpu);
        }
    });
    auto exits = object->value<std::uint64_t>("exits");
    auto lost = object->value<std::uint64_t>("lost");
    if (!exits || !lost) return fail(exits ? lost.error() : exits.error());
    std::printf("%llu processes ended, %llu events lost\n", static_cast<unsigned long long>(*exits),
                static_cast<unsigned long long>(*lost));

    object->detach_all();
    auto unloaded = object->unload();
    if (!unloaded) return fail(unloaded.error());
    std::printf("unloaded %zu programs and %zu maps\n", unloaded->programs, unloaded->maps);
}
