# SPDX-License-Identifier: Apache-2.0
"""The loads: each runs for a while and says how fast it went."""
import json
import subprocess
from dataclasses import dataclass


@dataclass
class Speed:
    count: int  # operations
    wall_ns: float  # per operation
    cpu_ns: float  # per operation, the load's own processes, kernel work for them included


@dataclass
class Load:
    name: str
    what: str  # for the page
    operation: str  # "fork + exec + wait"
    command: list[str]
    sensor: str  # whose programs it keeps busy

    def run(self, seconds: float) -> Speed:
        command = [word.replace("SECONDS", f"{seconds:g}") for word in self.command]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return fio_speed(done.stdout) if command[0] == "fio" else load_speed(done.stdout)


def load_speed(line: str) -> Speed:
    count, wall, cpu = map(int, line.split())
    return Speed(count, wall / count, cpu / count)


def fio_speed(text: str) -> Speed:
    job = json.loads(text[text.index("{"):])["jobs"][0]
    count, wall_ms = job["read"]["total_ios"], job["read"]["runtime"]
    cpu = (job["usr_cpu"] + job["sys_cpu"]) / 100 * wall_ms * 1e6
    return Speed(count, wall_ms * 1e6 / count, cpu / count)


def all_loads(binaries: str, device: str) -> list[Load]:
    load = f"{binaries}/bench_load"
    return [
        Load("exec", "fork, exec and wait, one after the other", "fork + exec + wait",
             [load, "exec", "SECONDS", f"{binaries}/bench_nothing"], "process"),
        Load("fio", "fio, 4 KiB random direct reads, one at a time, on a loop device over a cached file", "read",
             ["fio", "--name=bench", f"--filename={device}", "--rw=randread", "--bs=4k", "--direct=1", "--ioengine=psync",
              "--time_based", "--runtime=SECONDS", "--output-format=json", "--thread", "--cpus_allowed=1"], "block_io"),
        Load("udp-received", "UDP over loopback, every packet read", "packet",
             [load, "udp-received", "SECONDS"], "packet_drop"),
        Load("udp-dropped", "UDP over loopback to a full socket, every packet dropped", "packet",
             [load, "udp-dropped", "SECONDS"], "packet_drop"),
    ]
