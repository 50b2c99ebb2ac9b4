// SPDX-License-Identifier: Apache-2.0
// The loads that bench/run puts on the machine, each for a given time on one CPU:
//   bench_load exec SECONDS PROGRAM   fork, exec PROGRAM, wait for it, again and again
//   bench_load fork SECONDS           the same without the exec
//   bench_load udp-received SECONDS   UDP over the loopback of a network namespace of its own, all of it read
//   bench_load udp-dropped SECONDS    the same to a socket that nobody reads: every packet is dropped
// Prints one line: operations, wall nanoseconds, CPU nanoseconds (its own, its children's and the kernel's
// for them).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char* what) {
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}

static unsigned long long cpu_ns(void) {
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    unsigned long long sum = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage usage;
        getrusage(whose[i], &usage);
        sum += (unsigned long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ull;
        sum += (unsigned long long)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ull;
    }
    return sum;
}

// A load that wanders between CPUs measures the wandering.
static void stay_on_the_last_cpu(void) {
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0) die("sched_getaffinity");
    CPU_ZERO(&one);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    if (sched_setaffinity(0, sizeof one, &one) != 0) die("sched_setaffinity");
}

static char* program[2];

static void once_fork(void) {
    const pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        if (program[0]) execv(program[0], program);
        _exit(program[0] ? 127 : 0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) die("the child did not end well");
}

static int sender, receiver;

static void open_sockets(void) {
    if (unshare(CLONE_NEWNET) != 0) die("a network namespace");
    receiver = socket(AF_INET, SOCK_DGRAM, 0);
    sender = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (ioctl(sender, SIOCSIFFLAGS, &lo) != 0) die("lo up");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7777)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(receiver, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
    if (connect(sender, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
}

static void once_send(void) {
    static const char packet[64];
    if (send(sender, packet, sizeof packet, 0) != sizeof packet) die("send");
}

static void once_send_and_receive(void) {
    char packet[64];
    once_send();
    if (recv(receiver, packet, sizeof packet, 0) != sizeof packet) die("recv");
}

int main(int argc, char** argv) {
    const char* what = argc > 2 ? argv[1] : "";
    void (*once)(void) = NULL;
    if (!strcmp(what, "exec") && argc > 3) {
        program[0] = argv[3];
        once = once_fork;
    } else if (!strcmp(what, "fork")) {
        once = once_fork;
    } else if (!strcmp(what, "udp-received")) {
        open_sockets();
        once = once_send_and_receive;
    } else if (!strcmp(what, "udp-dropped")) {
        open_sockets();
        for (int i = 0; i < 10000; i++) once_send();  // from here on its buffer is full
        once = once_send;
    }
    if (!once) {
        fprintf(stderr, "usage: bench_load exec SECONDS PROGRAM | fork|udp-received|udp-dropped SECONDS\n");
        return 2;
    }
    stay_on_the_last_cpu();
    for (int i = 0; i < 10; i++) once();
    const unsigned long long cpu = cpu_ns(), begin = now_ns();
    const unsigned long long end = begin + (unsigned long long)(atof(argv[2]) * 1e9);
    unsigned long long count = 0, now = begin;
    for (; now < end; now = now_ns()) {
        for (int i = 0; i < 10; i++) once();
        count += 10;
    }
    printf("%llu %llu %llu\n", count, now - begin, cpu_ns() - cpu);
    return 0;
}
