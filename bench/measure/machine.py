# SPDX-License-Identifier: Apache-2.0
"""What is read from the machine, and what is made on it and taken away again."""
import contextlib
import json
import os
import re
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
STATS = "/proc/sys/kernel/bpf_stats_enabled"


def read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def describe() -> str:
    """The machine in one line."""
    model = re.search(r"model name\s*:\s*(.+)", read("/proc/cpuinfo"))
    memory = int(re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))[1]) / 2**20
    virtual = " (virtual machine)" if " hypervisor " in read("/proc/cpuinfo") else ""
    return f"{os.cpu_count()} cores {model[1].strip() if model else '?'}{virtual}, {memory:.0f} GiB, Linux {'.'.join(os.uname().release.split('.')[:2])}"


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads, to 1/100 s."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def exact_cpu_seconds(pid: int) -> float:
    """The same to the nanosecond, as the scheduler counted it; without threads that have ended."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            total += int(read(f"/proc/{pid}/task/{task}/schedstat").split()[0])
    return total / 1e9 if total else cpu_seconds(pid)


def resident_mib(pid: int) -> float:
    """The most memory the process held at once."""
    return int(re.search(r"VmHWM:\s*(\d+)", read(f"/proc/{pid}/status"))[1]) / 1024


def family(pid: int) -> list[int]:
    """The process and what it started."""
    out = [pid]
    with contextlib.suppress(OSError):
        for child in read(f"/proc/{pid}/task/{pid}/children").split():
            out += family(int(child))
    return out


@contextlib.contextmanager
def bpf_stats():
    """Has the kernel count each BPF program's runs and time, which costs every run about 40 ns; put back after."""
    before = read(STATS)
    with open(STATS, "w", encoding="utf-8") as f:
        f.write("1")
    try:
        yield
    finally:
        with open(STATS, "w", encoding="utf-8") as f:
            f.write(before.strip())


def programs(pid: int) -> dict[int, tuple[str, int, int]]:
    """The BPF programs a process holds open: id to (name, runs, nanoseconds)."""
    out = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            text = read(f"/proc/{pid}/fdinfo/{fd}")
            found = dict(re.findall(r"^(prog_id|run_cnt|run_time_ns):\s*(\d+)", text, re.M))
            if "run_cnt" in found:  # links name their program, but have no counts
                out[int(found["prog_id"])] = (int(found["run_cnt"]), int(found["run_time_ns"]))
    return {id: (program_name(id), *counts) for id, counts in out.items()}


def program_name(program: int) -> str:
    shown = subprocess.run(["bpftool", "-j", "prog", "show", "id", str(program)], stdout=subprocess.PIPE, check=False)
    return json.loads(shown.stdout or b"{}").get("name", f"program {program}")


def per_program(before: dict, after: dict) -> dict[str, tuple[int, float]]:
    """Runs and nanoseconds a run of each program between two looks, by name; programs that did not run are left out."""
    out = {}
    for id, (name, runs, ns) in after.items():
        _, runs_before, ns_before = before.get(id, (name, 0, 0))
        if runs > runs_before:
            out[name] = (runs - runs_before, (ns - ns_before) / (runs - runs_before))
    return out


@contextlib.contextmanager
def loop_device(mib: int):
    """A loop device over a file of random bytes, which is in the page cache: the device answers at once."""
    with tempfile.NamedTemporaryFile(prefix="waggle-bench-", dir="/var/tmp") as file:
        with open("/dev/urandom", "rb") as source:
            for _ in range(mib):
                file.write(source.read(1 << 20))
        file.flush()
        made = subprocess.run(["losetup", "--find", "--show", file.name], stdout=subprocess.PIPE, text=True, check=True)
        device = made.stdout.strip()
        try:
            yield device
        finally:
            subprocess.run(["losetup", "--detach", device], check=False)
            for _ in range(50):  # freed when its last reader has closed it
                if not os.path.exists(f"/sys/block/{os.path.basename(device)}/loop"):
                    break
                time.sleep(0.1)


def in_own_mounts(argv: list[str]) -> None:
    """Runs this program again in a mount namespace of its own where tracefs and debugfs are mounted: bpftrace and bcc
    look there, and nothing stays mounted."""
    if os.environ.get("WAGGLE_BENCH_MOUNTS"):
        return
    os.environ["WAGGLE_BENCH_MOUNTS"] = "1"
    script = """for fs in tracefs:/sys/kernel/tracing debugfs:/sys/kernel/debug; do
        grep -q " ${fs#*:} ${fs%%:*} " /proc/mounts || mount -t ${fs%%:*} ${fs%%:*} ${fs#*:}
    done; exec "$@" """
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", script, "sh", *argv])
