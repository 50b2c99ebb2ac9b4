#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the table of who may include whom, and checks the sources against it.

check_layers.py [ROOT]           checks every #include "folder/…" below ROOT (default: this repository), who touches
                                 libbpf, and the table shown in ARCHITECTURE.md; one line a breach, exit code 1
check_layers.py --table          prints the table as Markdown
check_layers.py --write [ROOT]   puts the table into ARCHITECTURE.md, between its <!-- layers --> markers
"""
import pathlib
import re
import sys

# Folder: the folders it may include besides itself, base and the public headers, and through them what they may include.
LAYERS = {
    "include/waggle": [],
    "base": [],
    "kernel": ["bpf"],
    "model": ["bpf"],
    "context": ["model"],
    "facts": ["kernel", "model"],
    "explain": ["model"],
    "sinks": ["explain"],
    "sensors": ["kernel", "model", "bpf"],
    "agent": ["sensors", "facts", "sinks", "explain", "context"],
    "cli": ["agent"],
    "bpf": [],
}
SAYS = {
    "include/waggle": "the public C++ API: what an eBPF program's author needs; the folders below carry it out",
    "base": "clock, texts, units",
    "kernel": "RAII over libbpf; what this kernel can do",
    "model": "Schema, Row, Subject, Table, Sensor",
    "context": "who: process, container, pod, unit; symbols",
    "facts": "one file per table read from the system",
    "explain": "knowledge, rules, findings, words",
    "sinks": "terminal, JSON, dashboard, exporters",
    "sensors": "one room per sensor; only the room itself includes its headers",
    "agent": "sensors to tables to rules to sinks; recording",
    "cli": "commands and main()",
    "bpf": "C shared by the kernel programs",
}
TOUCH_LIBBPF = ["kernel", "facts", "sensors", "bpf"]

SOURCES = ("src/*/**/*", "sensors/**/*", "bpf/**/*", "include/waggle/**/*")
SUFFIXES = {".h", ".hpp", ".c", ".cpp", ".cc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<((?:bpf/[^>]+)|linux/bpf\.h|linux/btf\.h)>)')
MARKED = re.compile(r"(<!-- layers -->\n)(.*?)(<!-- /?layers -->)", re.DOTALL)


def allowed(folder: str) -> set[str]:
    """What `folder` may include, arrows followed to their ends."""
    if folder == "include/waggle":
        return {folder}
    found = {folder, "base", "include/waggle"}
    waiting = list(LAYERS[folder])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += LAYERS[name]
    return found


def table() -> str:
    lines = ["| folder | what lives there | may include, besides itself, `base` and `include/waggle` |", "| --- | --- | --- |"]
    for folder, direct in LAYERS.items():
        names = ", ".join(f"`{name}`" for name in direct) or "nothing"
        lines.append(f"| `{folder}` | {SAYS[folder]} | {names} |")
    lines.append("")
    lines.append("What an included folder may include is allowed too. libbpf is touched only by "
                 + ", ".join(f"`{name}`" for name in TOUCH_LIBBPF) + ".")
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


def breaches_of_file(root: pathlib.Path, path: pathlib.Path) -> list[str]:
    relative = path.relative_to(root)
    folder, room = place(relative.parts)
    if folder is None:
        return [f"{relative}: lies in no folder of the table"]
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        at = f"{relative}:{number}:"
        if match[2]:
            witness = path.stem.endswith("_test")  # a test may ask the kernel itself what the code under test left
            if folder not in TOUCH_LIBBPF and not witness:
                found.append(f"{at} {folder} may not touch libbpf, but includes <{match[2]}>")
            continue
        target, target_room = place(pathlib.PurePosixPath(match[1]).parts)
        if ".." in match[1].split("/"):
            found.append(f'{at} "{match[1]}" must be named from the root of the tree')
        elif target and target not in allowed(folder):
            found.append(f'{at} {folder} may not include {target}, but includes "{match[1]}"')
        elif target_room and room != target_room:
            found.append(f'{at} only the room itself may include "{match[1]}"')
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
    paths = sorted({p for pattern in SOURCES for p in root.glob(pattern) if p.is_file() and p.suffix in SUFFIXES})
    found = [breach for path in paths for breach in breaches_of_file(root, path)] + breach_of_page(root)
    for breach in found:
        print(breach)
    print(f"{len(paths)} files, {len(found)} breaches")
    return 1 if found else 0


sys.exit(main())
