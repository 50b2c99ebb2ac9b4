# SPDX-License-Identifier: Apache-2.0
"""The measurements. Each returns plain dictionaries: what bench/run keeps as JSON and the page is made from."""
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time

from . import machine, watchers
from .loads import Load


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def compare(load: Load, candidates: list, rounds: int, seconds: float) -> dict:
    """Slowdown of a load by each watcher. Runs with and without alternate; each run with one is set against the mean of
    the run before and the run after it, so that a machine that grows slower or faster meanwhile changes little."""
    out = {watcher.name: {"wall": [], "cpu": [], "added": []} for watcher in candidates}
    load.run(seconds)  # warm
    before = load.run(seconds)
    for turn in range(rounds):
        say(f"{load.name}: round {turn + 1} of {rounds}")
        for watcher in candidates[turn % len(candidates):] + candidates[:turn % len(candidates)]:
            figures = out[watcher.name]
            if "cannot" in figures:
                continue
            try:
                with watcher:
                    during = load.run(seconds)
            except watchers.CannotRun as why:
                say(f"{watcher.name}: {why}")
                out[watcher.name] = {"cannot": str(why)}
                continue
            after = load.run(seconds)
            base_wall, base_cpu = (before.wall_ns + after.wall_ns) / 2, (before.cpu_ns + after.cpu_ns) / 2
            figures["wall"].append(during.wall_ns / base_wall)
            figures["cpu"].append(during.cpu_ns / base_cpu)
            figures["added"].append(during.cpu_ns - base_cpu)
            out.setdefault("", {"wall": [], "cpu": []})
            out[""]["wall"].append(after.wall_ns)
            out[""]["cpu"].append(after.cpu_ns)
            before = after
    return {name: {key: spread(values) if isinstance(values, list) else values for key, values in figures.items()}
            for name, figures in out.items()}


def cost(load: Load | None, candidates: list, seconds: float) -> dict:
    """What each watcher itself takes of the machine under a load (None: idle)."""
    out = {}
    for watcher in candidates:
        say(f"cost of {watcher.name}, {load.name if load else 'idle'}")
        try:
            with watcher:
                began, cpu = time.monotonic(), watcher.cpu()
                if load:
                    load.run(seconds)
                else:
                    time.sleep(seconds)
                used = (watcher.cpu() - cpu) / (time.monotonic() - began) / os.cpu_count()
                out[watcher.name] = {"machine_percent": used * 100, "peak_mib": watcher.memory()}
        except watchers.CannotRun as why:
            out[watcher.name] = {"cannot": str(why)}
    return out


def in_kernel(load: Load, candidates: list, seconds: float) -> dict:
    """Time in the BPF programs of each watcher under a load, by the kernel's own count."""
    out = {}
    with machine.bpf_stats():
        for watcher in candidates:
            say(f"programs of {watcher.name} under {load.name}")
            try:
                with watcher:
                    before = watcher.programs()
                    speed = load.run(seconds)
                    ran = machine.per_program(before, watcher.programs())
            except watchers.CannotRun as why:
                out[watcher.name] = {"cannot": str(why)}
                continue
            out[watcher.name] = {
                "operations": speed.count,
                "per_operation_ns": sum(runs * ns for runs, ns in ran.values()) / speed.count,
                "programs": {name: {"runs": runs, "ns": ns} for name, (runs, ns) in ran.items()},
            }
    return out


def first_row(commands: dict[str, tuple[list[str], int]], load: Load, rounds: int) -> dict:
    """Milliseconds from the start of a program to the end of its n-th line: its first row. The load makes the rows."""
    out = {name: [] for name in commands}
    busy = subprocess.Popen([word.replace("SECONDS", "86400") for word in load.command], stdout=subprocess.DEVNULL)
    try:
        for turn in range(rounds):
            for name, (command, lines) in commands.items():
                if isinstance(out[name], dict):
                    continue
                began = time.monotonic()
                with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT) as process:
                    seen = list(itertools.islice(process.stdout, lines))
                    took = (time.monotonic() - began) * 1000
                    process.terminate()
                    process.stdout.read()
                if len(seen) == lines:
                    out[name].append(took)
                else:
                    out[name] = {"cannot": b"".join(seen).decode(errors="replace").strip()[-120:]}
            say(f"start-up: round {turn + 1} of {rounds}")
    finally:
        busy.kill()
        busy.wait()
    return {name: values if isinstance(values, dict) else spread(values) for name, values in out.items()}


def own_code(bench: str) -> dict:
    """Google Benchmark's figures, by name: the median of five."""
    say("own code")
    made = subprocess.run([bench, "--benchmark_filter=-^histogram/", "--benchmark_format=json", "--benchmark_repetitions=5", "--benchmark_min_time=0.2",
                           "--benchmark_enable_random_interleaving=true"], stdout=subprocess.PIPE, check=True)
    out: dict = {}
    for run in json.loads(made.stdout)["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        if run.get("error_occurred"):
            raise RuntimeError(f"{run['name']}: {run['error_message']}")
        per_second = run.get("items_per_second", 1e9 / run["cpu_time"])
        entry = out.setdefault(run["name"].split("/iterations")[0].split("/manual_time")[0], {"per_second": []})
        entry["per_second"].append(per_second)
        for key in ("sent", "received", "lost", "libbpf", "ratio"):
            if key in run:
                entry.setdefault(key, []).append(run[key])
    for entry in out.values():
        for key in ("per_second", "libbpf", "ratio"):
            if key in entry:
                entry[key] = spread(entry[key])
    return out


def histograms(bench: str) -> dict:
    """Nanoseconds to count a value, by how many records are counted into and by way: of nine runs."""
    say("histograms")
    made = subprocess.run([bench, "--benchmark_filter=^histogram/", "--benchmark_format=json", "--benchmark_repetitions=9",
                           "--benchmark_min_time=2"], stdout=subprocess.PIPE, check=True)
    out: dict = {}
    for run in json.loads(made.stdout)["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        if run.get("error_occurred"):
            raise RuntimeError(f"{run['name']}: {run['error_message']}")
        entry = out.setdefault(run["name"].split("/")[1], {})
        for way in ("log2", "fine", "fine_u64", "octaves"):
            entry.setdefault(way, []).append(run[way])
            entry.setdefault(f"{way} over log2", []).append(run[way] - run["log2"])
    return {records: {way: spread(values) for way, values in entry.items()} for records, entry in out.items()}


def instructions(bench: str, names: list[str]) -> dict:
    """Instructions per item, by callgrind: a run of 40,000 items less a run of 20,000, so that the start does not count."""
    out = {}
    for name in names:
        say(f"instructions of {name}")
        few, many = (count_instructions(bench, name, n) for n in (20_000, 40_000))
        out[name] = (many - few) / 20_000
    return out


def count_instructions(bench: str, name: str, items: int) -> int:
    made = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", bench, f"--repeat={name}",
                           f"--items={items}"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=False)
    found = re.search(r"Collected : (\d+)", made.stderr)
    if made.returncode or not found:
        raise RuntimeError(f"callgrind of {name}: {made.stderr.strip()[-300:]}")
    return int(found[1])
