#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py [--all] BUILD_DIR [FILE…]: clang-tidy over the sources of src/ and sensors/ in BUILD_DIR's compile database,
in parallel. Prints what it found and a closing line; exit code 1 if it found anything. BUILD_DIR must be built.

Nearly all of its time goes into the system's headers, so it takes the files as the build compiles them: where that is
eight together, eight are looked at in the time of three. Tests, each of which the build compiles alone, are put together
for this, where none declares what another does; where they do not compile together all the same, each half of them is
tried. Looked at are the sources that a commit of the last day or a change since can have affected, by what the compiler
read for them; --all looks at all, for the night.

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
import re
import shlex
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
OURS = rf"^{TOP}/(src|sensors|include/waggle)/.*\.(h|cpp)$"
TIDY = "clang-tidy-19"


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


def found_in(words: list) -> str:
    """What it found; empty where it found nothing."""
    done = subprocess.run([TIDY, "--quiet", "--use-color=0", "--extra-arg=-w", *words], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout or done.stderr


def names_in(entry: dict) -> set[str]:
    """What it declares in its namespace, as clang-format leaves it: tests, and in unindented lines the word before ( { = ;"""
    text = pathlib.Path(entry["file"]).read_text(encoding="utf-8")
    tests = re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+), *(\w+)\)", text, re.MULTILINE)
    lines = re.findall(r"^(?!TEST|namespace|using|#|//)\w[^\n]*?(\w+)(?: final)?(?:[({\[;]| [:={])", text, re.MULTILINE)
    place = re.search(r"^namespace ([\w:]+) {", text, re.MULTILINE)
    return {(place.group(1) if place else "") + " " + name for name in ["_".join(test) for test in tests] + lines}


def put_together(entries: list[dict], most: int = 12) -> list[list[dict]]:
    """Groups that can be compiled as one: no name twice, all with the same shared headers."""
    groups: list[tuple[str, set[str], list[dict]]] = []
    for entry in entries:
        names, shared = names_in(entry), "".join(re.findall(r"-include-pch -Xclang (\S+)", entry["command"]))
        for headers, taken, group in groups:
            if len(group) < most and headers == shared and taken.isdisjoint(names):
                group.append(entry)
                taken |= names
                break
        else:
            groups.append((shared, names, [entry]))
    return [group for _, _, group in groups]


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

    def wanted(entry: dict) -> bool:
        path = pathlib.Path(entry["file"])
        if chosen:
            return str(path) in chosen
        together = "/Unity/" in entry["file"]
        if not together and not any(path.is_relative_to(TOP / room) for room in ("src", "sensors")):
            return False
        known = inputs.get(object_of(entry))
        return not (known and changed is not None) or not changed.isdisjoint(known)

    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    ours = [entry for entry in entries if wanted(entry)]

    def remember(entry: dict) -> pathlib.Path | None:
        known = inputs.get(object_of(entry))
        return remembered / key_of(entry, known, salt) if known else None

    checks = ["--checks=-bugprone-suspicious-include", f"--header-filter={OURS}"]

    def look_at_all_of(group: list[dict]) -> str:
        """What it found in them put together; what the compiler says where that cannot be."""
        with tempfile.NamedTemporaryFile("w", suffix=".cpp", dir=build) as source:
            source.writelines(f'#include "{entry["file"]}"\n' for entry in group)
            source.flush()
            flags = [word for entry in group for word in shlex.split(entry["command"]) if re.match("-[ID]|-isystem", word)]
            own = shlex.split(group[0]["command"])[1:]
            own = [word for word in own[: own.index("-o")] if word not in flags]
            return found_in([*checks, source.name, "--", *dict.fromkeys(flags), *own])

    def look(group: list[dict]) -> int:
        """How many of the group have findings."""
        keys = [remember(entry) for entry in group]
        if not every and all(key and key.exists() for key in keys):
            return 0
        text = look_at_all_of(group) if len(group) > 1 else found_in([*checks, "-p", build, group[0]["file"]])
        if "clang-diagnostic-error" in text and len(group) > 1:
            middle = len(group) // 2
            return look(group[:middle]) + look(group[middle:])
        print(text, end="", flush=True)
        for key in keys:
            if key and not text:
                key.touch()
        return len([entry for entry in group if entry["file"] in text]) or 1 if text else 0

    alone = [entry for entry in ours if "_test.cpp" not in entry["file"]]
    tests = [entry for entry in ours if entry not in alone]
    if not every:  # one that is clean already takes nobody's place
        tests = [entry for entry in tests if not ((key := remember(entry)) and key.exists())]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = sum(pool.map(look, [[entry] for entry in alone] + put_together(tests)))
    print(f"{len(ours)} sources looked at, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
