#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py [--all] BUILD_DIR [FILE…]: clang-tidy over the sources of src/ and sensors/ in BUILD_DIR's compile database,
in parallel. Prints what it found and a closing line; exit code 1 if it found anything. BUILD_DIR must be built.

Much of its time goes into the system's headers, so it takes the files as the build compiles them: where that is eight
together, eight are looked at in the time of three. clang-tidy before 22 looked for findings in those headers too, and
took three times as long; it cannot read the headers that the build's own clang has compiled, and reads their text.
Looked at are the sources that a commit of the last day or a change since has touched, and of a header those in its
folder that read it, or one, where none there does; --all looks at all, for the night.

A source whose every input is unchanged is not looked at again: the key is the text of all that the compiler read for it,
the flags, the checks and the tool. Clean ones are remembered in $XDG_CACHE_HOME/waggle/tidy (default
~/.cache/waggle/tidy), for every clone alike; --all looks at them too.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
OURS = rf"^{TOP}/(src|sensors|include/waggle)/.*\.(h|cpp)$"
TIDY = "clang-tidy-22"


def object_of(entry: dict) -> str:
    words = shlex.split(entry["command"])
    return words[words.index("-o") + 1]


def inputs_of_all(build: pathlib.Path) -> dict[str, list[str]]:
    """By object file, the files that the compiler read for it; a file whose object is not up to date has none."""
    done = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True)
    inputs: dict[str, list[str]] = {}
    current: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("    "):
            current.append(os.path.normpath(build / line.strip()))
        elif ": #deps" in line:
            current = []
            if line.endswith("(VALID)"):
                inputs[line.split(": #deps")[0]] = current
    return inputs


@functools.cache
def digest_of(path: str) -> bytes:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).digest()


def key_of(entry: dict, inputs: list[str], salt: bytes) -> str:
    # Where the tree lies does not change what is found in it.
    parts = salt + entry["command"].replace(str(TOP), ".").encode()
    for path in inputs:
        parts += path.replace(str(TOP), ".").encode() + digest_of(path)
    return hashlib.sha256(parts).hexdigest()


def flags_of(entry: dict) -> list[str]:
    """How it is compiled, without the compiled headers: their text is included."""
    words = shlex.split(entry["command"])
    words = words[1 : words.index("-o")]
    if "-include-pch" in words:
        at = words.index("-include-pch")
        del words[at - 1 : at + 3]
    return words


def changed_lately() -> set[str] | None:
    """The files that commits of the last day or changes since touched; None where no history tells."""
    git = ["git", "-C", str(TOP)]
    log = subprocess.run([*git, "log", "--since=1.day", "--name-only", "--format="], capture_output=True, text=True, check=False)
    now = subprocess.run([*git, "status", "--porcelain", "--no-renames"], capture_output=True, text=True, check=False)
    if log.returncode or now.returncode or os.path.exists(TOP / ".git/shallow"):
        return None
    names = log.stdout.split("\n") + [line[3:] for line in now.stdout.split("\n")]
    changed = {str(TOP / name) for name in names if name}
    return None if str(TOP / ".clang-tidy") in changed else changed


def touched(entries: list[dict], inputs: dict[str, list[str]], changed: set[str]) -> list[dict]:
    """Those of which a source changed, or a header beside one; for another header the first that reads it."""
    chosen, readers = [], {}
    for entry in entries:
        known = inputs.get(object_of(entry))
        if not known:
            chosen.append(entry)
            continue
        sources = [path for path in known if path.endswith(".cpp")]
        folders = {os.path.dirname(path) for path in sources}
        hit = changed.intersection(known)
        if any(path in sources or os.path.dirname(path) in folders for path in hit):
            chosen.append(entry)
        for path in hit:
            readers.setdefault(path, []).append(entry)
    for path in sorted(readers):
        if not any(entry in chosen for entry in readers[path]):
            chosen.append(readers[path][0])
    return chosen


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--all"]
    build = pathlib.Path(words[0]).resolve()
    chosen = {str(pathlib.Path(name).resolve()) for name in words[1:]}
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    remembered = cache / "waggle" / "tidy"
    remembered.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    salt = version + (TOP / ".clang-tidy").read_bytes()
    inputs = inputs_of_all(build)
    every = "--all" in sys.argv or chosen
    changed = None if every else changed_lately()

    def may_be_looked_at(entry: dict) -> bool:
        path = pathlib.Path(entry["file"])
        if chosen:
            return str(path) in chosen
        return "/Unity/" in entry["file"] or any(path.is_relative_to(TOP / room) for room in ("src", "sensors"))

    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    ours = [entry for entry in entries if may_be_looked_at(entry)]
    if changed is not None and not chosen:
        ours = touched(ours, inputs, changed)

    def remember(entry: dict) -> pathlib.Path | None:
        known = inputs.get(object_of(entry))
        return remembered / key_of(entry, known, salt) if known else None

    checks = ["--quiet", "--use-color=0", "--extra-arg=-w", "--checks=-bugprone-suspicious-include", f"--header-filter={OURS}"]

    def found_in(source: str, flags: list[str]) -> str:
        """What it found; empty where it found nothing."""
        done = subprocess.run([TIDY, *checks, source, "--", *flags], cwd=build, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout or done.stderr

    def look(entry: dict) -> int:
        """1 where it has findings."""
        key = remember(entry)
        if not every and key and key.exists():
            return 0
        text = found_in(entry["file"], flags_of(entry))
        print(text, end="", flush=True)
        if key and not text:
            key.touch()
        return 1 if text else 0

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = sum(pool.map(look, ours))
    print(f"{len(ours)} sources looked at, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
