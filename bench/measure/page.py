# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/performance.md, made from the measured figures and put between its markers."""
import re

TARGETS = {"machine_percent": 1.0, "peak_mib": 40.0, "first_row_ms": 300.0, "decode": 10e6, "share_of_execsnoop": 1 / 20,
           "events_per_second": 200_000, "ring": 10e6, "batch_gain": 5.0,
           "histogram_ns": 15.0}


def count(value: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def duration(ns: float) -> str:
    for size, unit in ((1e9, " s"), (1e6, " ms"), (1e3, " us")):
        if abs(ns) >= size:
            return f"{ns / size:.3g}{unit}"
    return f"{ns:.0f} ns"


def ratio(spread: dict) -> str:
    return f"{spread['median']:.3f} ({spread['min']:.2f} to {spread['max']:.2f})"


def percent(value: float) -> str:
    return f"{value:.2f} %" if value < 10 else f"{value:.0f} %"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def machine_table(results: dict) -> str:
    lines = [f"- {part}: {results[part]['machine']}, {results[part]['day']}" for part in results]
    return "\n".join(lines)


def code_table(results: dict) -> str:
    figures = results["code"]["figures"]
    schemas = [name.split("/")[1] for name in figures if name.startswith("read/")]
    rows = [[schema] + [count(figures[f"{rung}/{schema}"]["per_second"]["median"])
                        for rung in ("read", "append", "columns")] for schema in schemas]
    first = table(["rows/s/core of", "read", "read and append to its table", "read every column"], rows)
    words = {"ring_to_table": "ring to table, reader alone", "recording/write": "recording written",
             "recording/read": "recording read", "sql/count": "SQL: `count(*)`", "sql/filter": "SQL: `where` on a number",
             "sql/group_by_number": "SQL: `group by` a number", "sql/group_by_text": "SQL: `group by` a text",
             "sql/empty": "SQL: queries of an empty table (not rows)"}
    rows = [[said, count(figures[name]["per_second"]["median"]),
             f"{count(figures[name]['per_second']['min'])} to {count(figures[name]['per_second']['max'])}"]
            for name, said in words.items() if name in figures]
    second = table(["per second and core", "median of 5", "range"], rows)
    fast = figures["ring_full_speed"]
    last = (f"A sender as fast as one core makes it, the reader looking every 10 ms: {count(fast['per_second']['median'])} "
            f"events/s; {sum(fast['sent']):,.0f} sent, {sum(fast['received']):,.0f} received, "
            f"{sum(fast['lost']):,.0f} counted as lost.")
    return "\n\n".join([first, second, last])


def engine_table(results: dict) -> str:
    words = {"ring": "records of 64 bytes from a full ring",
             "ring_checked/0": "the same, each record checked (pid, time, length)",
             "ring_buffered/100000000": "the same, checked and kept in a bounded buffer",
             "hash_batch": "entries of a hash map, in batches", "hash_one_by_one": "entries of a hash map, one by one"}
    rows = []
    for name, said in words.items():
        figure = results["code"]["figures"][f"engine/{name}"]
        rows.append([said, count(figure["per_second"]["median"]), count(figure["libbpf"]["median"]),
                     f"{figure['ratio']['median']:.2f} ({figure['ratio']['min']:.2f} to {figure['ratio']['max']:.2f})"])
    return table(["per second and core", "waggle", "plain libbpf", "ratio"], rows)


def nanoseconds(spread: dict) -> str:
    return f"{spread['median']:.1f} ns ({spread['min']:.1f} to {spread['max']:.1f})"


def histogram_table(results: dict) -> str:
    figures = results["histogram"]["figures"]
    words = {"log2": "by powers of two, `u64` slots, as before", "fine": "16 steps an octave, `u32` slots: what is built",
             "fine_u64": "16 steps an octave, `u64` slots", "octaves": "16 steps an octave, each octave an entry of a second map"}
    rows = [[said] + [nanoseconds(figures[records][key]) for records in figures for key in (way, f"{way} over log2")]
            for way, said in words.items()]
    head = [f"{what} {records} record{'' if records == '1' else 's'}" for records in figures
            for what in ("into", "over log2, into")]
    return table(["a value counted", *head], rows)


def kernel_table(results: dict) -> str:
    rows = []
    for load, watched in results["kernel"]["figures"].items():
        for watcher, figure in watched.items():
            if "cannot" in figure:
                rows.append([load, watcher, f"cannot run here: {figure['cannot']}", "", ""])
                continue
            programs = "; ".join(f"{name} {entry['ns']:.0f} ns" for name, entry in
                                 sorted(figure["programs"].items(), key=lambda item: -item[1]["runs"] * item[1]["ns"])[:5])
            rows.append([load, watcher, f"{figure['per_operation_ns']:.0f} ns", programs,
                         count(figure["operations"])])
    return table(["load", "watcher", "all its programs, per operation", "per run of each program", "operations"], rows)


def loads_table(results: dict) -> str:
    rows = []
    for load, watched in results["loads"]["figures"].items():
        base = watched.get("", {}).get("cpu")
        if base:
            rows.append([load, "nobody", "1", "1", f"{duration(base['median'])} each"])
        for watcher, figure in watched.items():
            if not watcher:
                continue
            if "cannot" in figure:
                rows.append([load, watcher, f"cannot run here: {figure['cannot']}", "", ""])
                continue
            added = figure["added"]
            rows.append([load, watcher, ratio(figure["wall"]), ratio(figure["cpu"]),
                         f"{duration(added['median'])} ({duration(added['min'])} to {duration(added['max'])})"])
    return table(["load", "watched by", "wall time, ratio", "CPU time, ratio", "CPU time added to each operation"], rows)


def cost_table(results: dict) -> str:
    rows = []
    for load, watched in results["cost"]["figures"].items():
        for watcher, figure in watched.items():
            if "cannot" in figure:
                rows.append([load, watcher, f"cannot run here: {figure['cannot']}", ""])
                continue
            cpu, memory = percent(figure["machine_percent"]), f"{figure['peak_mib']:.0f} MiB"
            if watcher == "waggle":
                cpu += " " + verdict(figure["machine_percent"] < TARGETS["machine_percent"])
                memory += " " + verdict(figure["peak_mib"] < TARGETS["peak_mib"])
            rows.append([load, watcher, cpu, memory])
    return table(["load", "watcher", "CPU of the whole machine", "most memory held"], rows)


def start_table(results: dict) -> str:
    rows = []
    for name, figure in results["start"]["figures"].items():
        if "cannot" in figure:
            rows.append([name, f"cannot run here: {figure['cannot']}", ""])
            continue
        word = " " + verdict(figure["median"] < TARGETS["first_row_ms"]) if name.startswith("waggle") else ""
        rows.append([name, f"{figure['median']:.0f} ms{word}", f"{figure['min']:.0f} to {figure['max']:.0f} ms"])
    return table(["from its start to", "median", "range"], rows)


def vm_table(results: dict) -> str:
    rows = []
    for part in [name for name in results if name.startswith("vm ")]:
        figures = results[part]["figures"]
        for watcher, figure in figures["loads"]["exec"].items():
            if not watcher:
                continue
            if "cannot" in figure:
                rows.append([part[3:], watcher, f"cannot run here: {figure['cannot']}", "", ""])
                continue
            inside = figures["kernel"]["exec"].get(watcher, {}).get("per_operation_ns")
            base = figures["loads"]["exec"][""]["cpu"]["median"]
            rows.append([part[3:], watcher, ratio(figure["wall"]), ratio(figure["cpu"]),
                         f"{inside / base * 100:.2f} %" if inside else "not counted"])
    return table(["kernel", "watched by", "wall time, ratio", "CPU time, ratio", "its programs' share of one operation"], rows)


def instructions_table(results: dict) -> str:
    return table(["work", "instructions per item"],
                 [[f"`{name}`", f"{value:,.0f}"] for name, value in results["instructions"]["figures"].items()])


def parts_with(results: dict, part: str) -> dict:
    """That part's figures of the exec load, of this machine and of each VM."""
    found = {"this machine": results.get(part), **{name[3:]: results[name] for name in results if name.startswith("vm ")}}
    return {where: one["figures"].get(part, one["figures"])["exec"] for where, one in found.items() if one}


def added_shares(results: dict) -> list[list[str]]:
    """What `trace process` adds to a fork and exec, beside each execsnoop: in the programs alone, and in all."""
    rows = []
    measures = (("kernel", "time in its programs", lambda figure: figure.get("per_operation_ns")),
                ("loads", "CPU time of the load", lambda figure: figure.get("added", {}).get("median")))
    for part, said, read in measures:
        for where, watched in parts_with(results, part).items():
            ours = read(watched.get("waggle trace process", {}))
            for watcher in ("execsnoop-bpfcc", "execsnoop.bt"):
                theirs = read(watched.get(watcher, {}))
                if not ours or not theirs:
                    continue
                share = ours / theirs if theirs > 0 else float("inf")
                rows.append([f"`trace process` adds to each fork and exec at most 1/20 of what {watcher} adds ({said}, {where})",
                             f"{duration(ours)} against {duration(theirs)}: {share:.3f}",
                             verdict(share <= TARGETS["share_of_execsnoop"])])
    return rows


def targets_table(results: dict) -> str:
    rows = []
    if "cost" in results:
        ours = [watched["waggle"] for watched in results["cost"]["figures"].values() if "machine_percent" in watched["waggle"]]
        worst_cpu, worst_memory = (max(figure[key] for figure in ours) for key in ("machine_percent", "peak_mib"))
        rows.append(["always-on CPU below 1 % of the machine, idle and under each load", f"at most {percent(worst_cpu)}",
                     verdict(worst_cpu < TARGETS["machine_percent"])])
        rows.append(["memory below 40 MiB", f"at most {worst_memory:.0f} MiB", verdict(worst_memory < TARGETS["peak_mib"])])
    if "start" in results:
        slowest = max(figure["median"] for name, figure in results["start"]["figures"].items() if name.startswith("waggle"))
        rows.append(["start to first row below 300 ms", f"{slowest:.0f} ms", verdict(slowest < TARGETS["first_row_ms"])])
    if "code" in results:
        figures = results["code"]["figures"]
        slowest = min(figures[name]["per_second"]["median"] for name in figures if name.startswith("read/"))
        rows.append(["rows decoded: above 10 M/s/core", f"at least {count(slowest)}", verdict(slowest > TARGETS["decode"])])
        fast = figures["ring_full_speed"]
        lost, rate = sum(fast["lost"]), fast["per_second"]["median"]
        rows.append(["no event lost at 200,000 events/s", f"{lost:.0f} lost at {count(rate)} events/s",
                     verdict(lost == 0 and rate >= TARGETS["events_per_second"])])
        rows.append(["reader stopped for 1 s: every lost event counted", "tests/ring_kernel_test.cpp, on every kernel",
                     "met where it passes"])
        batch, single = (figures[f"engine/hash_{name}"]["per_second"]["median"] for name in ("batch", "one_by_one"))
        ring = figures["engine/ring"]["per_second"]["median"]
        rows.append(["engine: 64-byte records from a full ring above 10 M/s/core", count(ring), verdict(ring > TARGETS["ring"])])
        rows.append(["engine: a hash map in batches at least 5 times as fast as one by one", f"{batch / single:.1f} times",
                     verdict(batch >= TARGETS["batch_gain"] * single)])
    if "histogram" in results:
        added = [by_way["fine over log2"]["median"] for by_way in results["histogram"]["figures"].values()]
        rows.append(["a value counted in 16 steps an octave: at most 15 ns more than by powers of two", f"at most {max(added):.1f} ns",
                     verdict(max(added) <= TARGETS["histogram_ns"])])
    return table(["target", "measured", ""], rows + added_shares(results))


TABLES = {"targets": targets_table, "histogram": histogram_table, "code": code_table, "engine": engine_table, "kernel": kernel_table, "loads": loads_table, "cost": cost_table,
          "start": start_table, "vm": vm_table, "instructions": instructions_table, "machine": machine_table}


def rewrite(text: str, results: dict) -> str:
    """The page with every table made again whose figures are there."""
    for name, make in TABLES.items():
        part_of = {"engine": "code"}.get(name, name)
        there = name in ("targets", "machine") or any(part == part_of or part.startswith(part_of + " ") for part in results)
        marked = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.S)
        if not marked.search(text):
            raise ValueError(f"docs/performance.md lacks the markers of the table {name}")
        if there:
            made = make(results)
            text = marked.sub(lambda found, made=made: found[1] + made + "\n" + found[2], text)
    return text
