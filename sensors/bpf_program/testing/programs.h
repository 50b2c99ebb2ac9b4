// SPDX-License-Identifier: Apache-2.0
// Programs of another process, and what the room tells of them, for its kernel tests.
#pragma once

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <functional>
#include <memory>

#include "model/columns.h"
#include "sensors/bpf_program/bpf_program.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {

inline bpf_insn insn(int code, int to, int from, int offset, int number) {
    bpf_insn out{};
    out.code = static_cast<__u8>(code);
    out.dst_reg = static_cast<__u8>(to & 0xf);
    out.src_reg = static_cast<__u8>(from & 0xf);
    out.off = static_cast<__s16>(offset);
    out.imm = number;
    return out;
}

// Counts to `rounds` where the process is `pid`, and returns 0.
inline std::vector<bpf_insn> loop_for(std::uint32_t pid, int rounds) {
    return {insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_pid_tgid),
            insn(BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32),
            insn(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 3, static_cast<int>(pid)),
            insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
            insn(BPF_ALU64 | BPF_ADD, 0, 0, 0, 1),  // BPF_K, a number, is 0
            insn(BPF_JMP | BPF_JLT | BPF_K, 0, 0, -2, rounds),
            insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
            insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}
// One that every kind of program can be.
inline std::vector<bpf_insn> nothing() {
    return {insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0), insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}
inline OwnedFd load(bpf_prog_type type, const char* name, const std::vector<bpf_insn>& code) {
    return OwnedFd(::bpf_prog_load(type, name, "GPL", code.data(), code.size(), nullptr));
}
inline std::uint32_t id_of(int fd) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    return ::bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

// Another process that sets something up, says a number, and does what it is told: 'd' closes the descriptor that
// `set_up` gave as `let_go`.
class OtherProcess {
  public:
    struct Set {
        std::uint32_t id = 0;
        OwnedFd held;
        OwnedFd let_go;
    };
    explicit OtherProcess(const std::function<Set()>& set_up) {
        int told[2], asked[2];
        if (::pipe(told) != 0 || ::pipe(asked) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::close(told[0]);
            ::close(asked[1]);
            Set set = set_up();
            if (::write(told[1], &set.id, sizeof set.id) < 0) ::_exit(1);
            for (char word = 0; ::read(asked[0], &word, 1) == 1;) {
                set.let_go = OwnedFd();
                if (::write(told[1], &set.id, sizeof set.id) < 0) ::_exit(1);
            }
            ::_exit(0);
        }
        ::close(told[1]);
        ::close(asked[0]);
        told_ = OwnedFd(told[0]);
        asked_ = OwnedFd(asked[1]);
        answer();
    }
    ~OtherProcess() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;
    std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }
    std::uint32_t id() const { return id_; }
    void let_go() {
        if (::write(asked_.get(), "d", 1) == 1) answer();
    }

  private:
    void answer() {
        if (::read(told_.get(), &id_, sizeof id_) != sizeof id_) id_ = 0;
    }
    pid_t pid_ = -1;
    OwnedFd told_, asked_;
    std::uint32_t id_ = 0;
};

// At every system call, looping where this process makes it.
inline OtherProcess::Set looping(int rounds) {
    OtherProcess::Set set;
    set.held = load(BPF_PROG_TYPE_RAW_TRACEPOINT, "looping",
                    loop_for(static_cast<std::uint32_t>(::getppid()), rounds));
    if (!set.held) return set;
    set.let_go = OwnedFd(::bpf_raw_tracepoint_open("sys_enter", set.held.get()));
    if (set.let_go) set.id = id_of(set.held.get());
    return set;
}

inline std::unique_ptr<Running> started(const StartOptions& options = {}) {
    static Names names;
    Result<std::unique_ptr<Running>> running = bpf_program_source.start(options, names);
    EXPECT_TRUE(running) << running.error().message;
    return running ? std::move(*running) : nullptr;
}

struct Told {
    std::uint64_t runs = 0, run_time_ns = 0, measuring_ns = 0, covers_ns = 0, rows = 0;
};
inline Told totals_of(Running& running, std::uint32_t id) {
    Told out;
    running.snapshot([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = running.read(record);
            ASSERT_TRUE(row) << row.error().message;
            if (row->u64("id") != id) continue;
            out.runs += row->u64("runs");
            out.run_time_ns += row->u64("run_time_ns");
            out.measuring_ns += row->u64("measuring_ns");
            out.covers_ns += row->u64("covers_ns");
            ++out.rows;
        }
    });
    return out;
}

// Calls `visit` with each row of a table whose id is this.
inline std::size_t each_state(Running& running, std::string_view table, std::uint32_t id,
                              const std::function<void(const Row&)>& visit) {
    std::size_t rows = 0;
    running.state([&](const Schema& schema, std::span<const Bytes> records) {
        EXPECT_TRUE(schema.is_state);
        for (const Bytes record : records) {
            const Result<Row> row = running.read(record);
            ASSERT_TRUE(row) << row.error().message;
            if (row->schema().name != table || row->u64("id") != id) continue;
            visit(*row);
            ++rows;
        }
    });
    return rows;
}

inline std::uint64_t thread_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}
inline std::uint64_t call_often(int times) {
    const std::uint64_t began = thread_ns();
    for (int i = 0; i < times; ++i) ::syscall(SYS_getppid);
    return thread_ns() - began;
}

}  // namespace waggle::sensors
