# SPDX-License-Identifier: Apache-2.0
"""Who watches: waggle, and what a user would otherwise pick. Each is started as a user would, its output into a file."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import machine

EXEC = 'tracepoint:sched:sched_process_exec { printf("%-6d %-16s %s\\n", pid, comm, str(args->filename)); }'
BLOCK = ("tracepoint:block:block_rq_issue { @start[args->dev, args->sector] = nsecs; } "
         "tracepoint:block:block_rq_complete /@start[args->dev, args->sector]/ "
         "{ @us[args->dev] = hist((nsecs - @start[args->dev, args->sector]) / 1000); delete(@start[args->dev, args->sector]); }")
DROPS = "tracepoint:skb:kfree_skb { @[args->reason, ksym(args->location)] = count(); }"


class CannotRun(Exception):
    """Why a watcher does not run here, in words."""


class Watcher:
    """A program that watches. It does once it has printed `ready` and holds BPF programs, and a moment has passed."""

    def __init__(self, name: str, command: list[str], ready: str, settle: float = 1.0):
        self.name, self.command, self.ready, self.settle = name, command, ready, settle
        self.process, self.output = None, None

    def start(self) -> None:
        if not shutil.which(self.command[0]):
            raise CannotRun(f"{self.command[0]} is not installed")
        self.output = tempfile.TemporaryFile(prefix="waggle-bench-")
        # bcc's tools are Python, which would keep their first line to itself.
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        env={**os.environ, "PYTHONUNBUFFERED": "1"})
        deadline = time.monotonic() + (300 if os.environ.get("WAGGLE_VM") else 30)
        while self.ready not in self.text() or not self.programs():
            if self.process.poll() is not None:
                raise CannotRun(self.reason())
            if time.monotonic() > deadline:
                self.stop()
                raise CannotRun("did not begin to watch")
            time.sleep(0.02)
        time.sleep(self.settle * (5 if os.environ.get("WAGGLE_VM") else 1))
        if self.process.poll() is not None:
            raise CannotRun(self.reason())

    def text(self) -> str:
        """The beginning of what it printed."""
        return os.pread(self.output.fileno(), 65536, 0).decode(errors="replace")

    def reason(self) -> str:
        text = self.text()
        if "kernel headers" in text:
            return "it compiles against kernel headers and there are none for this kernel"
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1][:120] if lines else f"ended with code {self.process.returncode}"

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.output:
            self.output.close()
        self.process = self.output = None

    def __enter__(self) -> "Watcher":
        try:
            self.start()
        except CannotRun:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def cpu(self) -> float:
        return sum(machine.exact_cpu_seconds(pid) for pid in machine.family(self.process.pid))

    def memory(self) -> float:
        return sum(machine.resident_mib(pid) for pid in machine.family(self.process.pid))

    def programs(self) -> dict:
        found = {}
        for pid in machine.family(self.process.pid):
            found.update(machine.programs(pid))
        return found


def always_on(waggle: str) -> Watcher:
    return Watcher("waggle", [waggle, "--for", "1h"], "\n")


def trace(waggle: str, sensor: str) -> Watcher:
    return Watcher(f"waggle trace {sensor}", [waggle, "trace", sensor, "--for", "1h"], "")


def bpftrace(name: str, program: str) -> Watcher:
    return Watcher(name, ["bpftrace", "-e", program], "Attaching", 2.0)


def execsnoop_bcc() -> Watcher:
    return Watcher("execsnoop-bpfcc", ["execsnoop-bpfcc"], "PCOMM")


def execsnoop_bt() -> Watcher:
    return Watcher("execsnoop.bt", ["execsnoop.bt"], "TIME", 2.0)
