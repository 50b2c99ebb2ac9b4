#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the table of who may include whom, and checks product, tests and benchmarks against it.

check_layers.py [ROOT]           checks every #include "folder/…" below ROOT (default: this repository), who touches
                                 libbpf, how large the folders are, and the table shown in ARCHITECTURE.md; one line a
                                 breach, exit code 1
check_layers.py --table          prints the table as Markdown
check_layers.py --write [ROOT]   puts the table into ARCHITECTURE.md, between its <!-- layers --> markers
"""
import pathlib
import re
import sys

EVERYTHING = "everything"

# Folder: what lives there, and the folders it may include besides itself, base and the public headers. The lists are
# exact: what an included folder may include is not allowed for that.
LAYERS = {
    "include/waggle": ("the public C++ API: what an eBPF program's author needs; the folders below carry it out", []),
    "base": ("clock, texts, units", []),
    "binary": ("ELF, BTF and object readers, checked; no libbpf", []),
    "verifier": ("the verifier's log explained; no libbpf", ["binary"]),
    "symbols": ("addresses to names", ["binary", "host"]),
    "engine": ("RAII over libbpf: carries out the public headers", ["binary", "verifier", "symbols", "bpf"]),
    "model": ("Schema, Row, Subject, Table, Source", ["bpf"]),
    "host": ("/proc, netlink, namespaces, control groups as read from the system", ["bpf"]),
    "context": ("who: process, container, pod, unit", ["host", "model"]),
    "sensing": ("what every sensor does alike: probes, ladders, snapshots", ["engine", "model", "bpf"]),
    "sensors": ("one room per sensor; only the room itself includes its headers",
                ["sensing", "engine", "model", "symbols", "bpf"]),
    "facts": ("one file per table read from the system", ["host", "engine", "model", "bpf"]),
    "query": ("SQL over relations: views, functions, histograms", ["model"]),
    "explain": ("knowledge, rules, findings, words", ["query"]),
    "recording": ("the file that holds all an answer rests on", ["model", "explain"]),
    "store": ("tables and facts, and the SQL over them", ["model", "facts", "query"]),
    "render": ("terminal and JSON", ["model", "query", "explain"]),
    "agent": ("wires it all: sensors to tables to rules to answers; replay",
              ["engine", "binary", "sensors", "sensing", "facts", "store", "recording", "explain", "query", "context", "host", "model"]),
    "lab": ("faults that are made, asked about, judged and healed; the faults themselves are in `lab/` beside `src/`",
            ["explain", "query", "model", "recording"]),
    # engine: which hooks and capabilities there are, which doctor tries (support/hook_kinds.h), and nothing else.
    "cli": ("one file a command, its flags beside it",
            ["agent", "render", "model", "query", "explain", "host", "symbols", "recording", "store", "lab"]),
    "bpf": ("C shared by the kernel programs", []),
    "tests": ("what needs the whole", EVERYTHING),
    "bench": ("measured cost", EVERYTHING),
    "examples": ("programs that use the library as an outside project does", []),
}
TOUCH_LIBBPF = ["engine", "sensing", "facts", "sensors", "bpf", "bench", "examples"]
READ_KERNEL_HEADERS = TOUCH_LIBBPF + ["binary"]  # <linux/bpf.h> and <linux/btf.h>: numbers and layouts only
LARGEST_FOLDER = 30  # source files side by side

# Everything with sources lies below one of these; `src` holds folders of the table.
TOP = ["src", "sensors", "bpf", "include", "tests", "bench", "examples", "lab", "web"]
SUFFIXES = {".h", ".hpp", ".c", ".cpp", ".cc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(bpf/[^>]+|linux/bpf\.h|linux/btf\.h)>)')
MARKED = re.compile(r"(<!-- layers -->\n)(.*?)(<!-- /?layers -->)", re.DOTALL)


def allowed(folder: str) -> set[str]:
    """What `folder` may include."""
    if folder == "include/waggle":
        return {folder}
    direct = LAYERS[folder][1]
    if direct == EVERYTHING:
        return set(LAYERS)
    return {folder, "base", "include/waggle", *direct}


def table() -> str:
    lines = ["| folder | what lives there | may include, besides itself, `base` and `include/waggle` |", "| --- | --- | --- |"]
    for folder, (says, direct) in LAYERS.items():
        names = direct if direct == EVERYTHING else ", ".join(f"`{name}`" for name in direct) or "nothing"
        lines.append(f"| `{folder}` | {says} | {names} |")
    lines.append("")
    lines.append("The lists are exact: what an included folder may include is not allowed for that. libbpf is touched only by "
                 + ", ".join(f"`{name}`" for name in TOUCH_LIBBPF) + f". A folder holds at most {LARGEST_FOLDER} source files. "
                 "Test helpers live in `testing/` folders, which only tests include.")
    return "\n".join(lines) + "\n"


def place(parts: tuple[str, ...]) -> tuple[str | None, str | None]:
    """The layer and the room a path from the root, or an include path, lies in."""
    if parts[0] in ("src", "include") and len(parts) > 2:
        parts = parts[1:]
    if parts[0] == "waggle":
        return "include/waggle", None
    if parts[0] not in LAYERS or len(parts) < 2:
        return None, None
    return parts[0], parts[1] if parts[0] == "sensors" and len(parts) > 2 else None


def is_test(relative: pathlib.PurePath) -> bool:
    return relative.stem.endswith("_test") or "testing" in relative.parts or relative.parts[0] in ("tests", "bench")


def breaches_of_file(root: pathlib.Path, path: pathlib.Path) -> list[str]:
    relative = path.relative_to(root)
    folder, room = place(relative.parts)
    if folder is None:
        return [f"{relative}: lies in no folder of the table"]
    test = is_test(relative)
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        at = f"{relative}:{number}:"
        if match[2]:
            # A test may ask the kernel itself what the code under test left.
            if folder not in (TOUCH_LIBBPF if match[2].startswith("bpf/") else READ_KERNEL_HEADERS) and not test:
                found.append(f"{at} {folder} may not touch libbpf, but includes <{match[2]}>")
            continue
        parts = pathlib.PurePosixPath(match[1]).parts
        target, target_room = place(parts)
        if ".." in parts:
            found.append(f'{at} "{match[1]}" must be named from the root of the tree')
        elif "testing" in parts and not test:
            found.append(f'{at} only tests may include "{match[1]}"')
        elif target and target not in allowed(folder) and not (test and target == "tests"):
            found.append(f'{at} {folder} may not include {target}, but includes "{match[1]}"')
        elif target_room and room != target_room and folder not in ("tests", "bench"):
            found.append(f'{at} only the room itself may include "{match[1]}"')
    return found


def breaches_of_folders(paths: list[pathlib.Path], root: pathlib.Path) -> list[str]:
    counts: dict[pathlib.Path, int] = {}
    for path in paths:
        counts[path.parent] = counts.get(path.parent, 0) + 1
    return [f"{folder.relative_to(root)}: holds {count} source files; at most {LARGEST_FOLDER} lie side by side"
            for folder, count in sorted(counts.items())
            if count > LARGEST_FOLDER and folder.relative_to(root).parts[0] in ("src", "sensors", "include")]


def unknown_folders(root: pathlib.Path) -> list[str]:
    """Folders with sources that nobody has given a place."""
    found = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if folder.name not in TOP and folder.name != "build" and any(p.suffix in SUFFIXES for p in folder.rglob("*")):
            found.append(f"{folder.name}: a top folder that the table does not know")
    return found


def breach_of_page(root: pathlib.Path) -> list[str]:
    page = root / "ARCHITECTURE.md"
    if not page.exists():
        return []
    match = MARKED.search(page.read_text(encoding="utf-8"))
    if not match:
        return ["ARCHITECTURE.md: has no table between <!-- layers --> and <!-- /layers -->"]
    if match[2].strip() != table().strip():
        return ["ARCHITECTURE.md: its table differs from the one checked; run tools/check_layers.py --write"]
    return []


def write(root: pathlib.Path) -> None:
    page = root / "ARCHITECTURE.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(MARKED.sub(lambda m: m[1] + "\n" + table() + "\n" + m[3], text, count=1), encoding="utf-8")


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    root = pathlib.Path(words[0] if words else pathlib.Path(__file__).parent.parent).resolve()
    if "--table" in sys.argv:
        print(table(), end="")
        return 0
    if "--write" in sys.argv:
        write(root)
        return 0
    paths = sorted(p for top in TOP for p in root.glob(f"{top}/**/*") if p.is_file() and p.suffix in SUFFIXES)
    found = [breach for path in paths for breach in breaches_of_file(root, path)]
    found += unknown_folders(root) + breaches_of_folders(paths, root) + breach_of_page(root)
    for breach in found:
        print(breach)
    print(f"{len(paths)} files, {len(found)} breaches")
    return 1 if found else 0


sys.exit(main())
