#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py [--all] BUILD_DIR [FILE…]: clang-tidy over the sources of src/ and sensors/ in BUILD_DIR's compile database,
in parallel. Prints what it found and a closing line; exit code 1 if it found anything.

Nearly all of its time goes into the system's headers, so files with the same flags are looked at eight together, as one
source that includes them: a third of the time. Where that cannot be compiled (two files of one batch use a name each for
itself) the halves are; with --all or a single FILE each is looked at alone.

A file whose every input is unchanged is not looked at again: the key is the text of every file that the compiler read
for it, as ninja remembers them, the flags, the checks and the tool, so anything that could change the answer changes the
key. BUILD_DIR must be built. Clean files are remembered in $XDG_CACHE_HOME/waggle/tidy (default ~/.cache/waggle/tidy),
for every clone alike; --all looks at all.
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
OURS = r"(^|/)(src|sensors|include/waggle)/.*\.(h|cpp)$"
TIDY = "clang-tidy-19"


def flags_of(entry: dict) -> list[str]:
    words = shlex.split(entry["command"])
    words = words[2 if words[0].endswith("ccache") else 1:]
    at = words.index("-o")
    del words[at:at + 2]
    return [word for word in words if word not in ("-c", entry["file"])]


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


def tidy_together(batch: list[dict], build: pathlib.Path) -> list[str]:
    """What was found in the files of the batch, which have the same flags."""
    if len(batch) == 1:
        found = found_in(["-p", build, batch[0]["file"]])
        return [found] if found else []
    name = hashlib.sha256("".join(entry["file"] for entry in batch).encode()).hexdigest()[:16]
    source = build / "tidy" / f"{name}.cpp"
    source.parent.mkdir(exist_ok=True)
    source.write_text("".join(f'#include "{entry["file"]}"\n' for entry in batch), encoding="utf-8")
    found = found_in(["--checks=-bugprone-suspicious-include", f"--header-filter={OURS}", source, "--", *flags_of(batch[0])])
    if "[clang-diagnostic-error]" not in found:
        return [found] if found else []
    half = len(batch) // 2
    return tidy_together(batch[:half], build) + tidy_together(batch[half:], build)


def batches_of(entries: list[dict], most: int) -> list[list[dict]]:
    groups: dict[tuple, list[dict]] = {}
    for entry in sorted(entries, key=lambda entry: entry["file"]):
        groups.setdefault((*flags_of(entry),), []).append(entry)
    return [group[at:at + most] for group in groups.values() for at in range(0, len(group), most)]


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--all"]
    build = pathlib.Path(words[0]).resolve()
    chosen = {str(pathlib.Path(name).resolve()) for name in words[1:]}
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    remembered = cache / "waggle" / "tidy"
    remembered.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    salt = version + (TOP / ".clang-tidy").read_bytes()
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(entry["file"])
        ours = path.is_relative_to(TOP / "src") or path.is_relative_to(TOP / "sensors")
        if str(path) in chosen if chosen else ours:
            entries.append(entry)

    inputs = inputs_of_all(build)

    def remember(entry: dict) -> pathlib.Path | None:
        known = inputs.get(object_of(entry))
        return remembered / key_of(entry, known, salt) if known else None

    alone = "--all" in sys.argv or len(entries) == 1
    found = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        keys = {entry["file"]: remember(entry) for entry in entries}
        unknown = [entry for entry in entries if alone or not (keys[entry["file"]] and keys[entry["file"]].exists())]
        batches = batches_of(unknown, 1 if alone else 8)
        for batch, texts in zip(batches, pool.map(lambda batch: tidy_together(batch, build), batches)):
            found += len(texts)
            print("".join(texts), end="", flush=True)
            for entry in batch if not texts else []:
                if keys[entry["file"]]:
                    keys[entry["file"]].touch()
    print(f"{len(entries)} files, {len(unknown)} looked at, {found} with findings")
    return 1 if found else 0


sys.exit(main())
