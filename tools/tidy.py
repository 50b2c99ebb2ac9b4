#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py BUILD_DIR [FILE…]: clang-tidy over the sources of src/ and sensors/ in BUILD_DIR's compile database,
in parallel. Prints what it found and a closing line; exit code 1 if it found anything.

A file whose every input is unchanged is not looked at again: the key is the preprocessed text with comments and
macros, the checks and the tool, so anything that could change the answer changes the key.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
CLANG, TIDY = "clang-19", "clang-tidy-19"


def preprocess(entry: dict) -> bytes:
    words = shlex.split(entry["command"])[1:]
    at = words.index("-o")
    del words[at:at + 2]
    words.remove("-c")
    done = subprocess.run([CLANG, *words, "-E", "-C", "-dD"], cwd=entry["directory"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


def tidy(entry: dict, build: pathlib.Path, salt: bytes) -> str:
    text = preprocess(entry)
    clean = build / "tidy" / hashlib.sha256(salt + entry["command"].encode() + text).hexdigest()
    if text and clean.exists():
        return ""
    done = subprocess.run([TIDY, "-p", build, "--quiet", "--use-color=0", "--extra-arg=-w", entry["file"]], capture_output=True, text=True,
                          check=False)
    if done.returncode == 0:
        clean.touch()
        return ""
    return done.stdout or done.stderr


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    chosen = {str(pathlib.Path(name).resolve()) for name in sys.argv[2:]}
    (build / "tidy").mkdir(exist_ok=True)
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    salt = version + (TOP / ".clang-tidy").read_bytes()
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(entry["file"])
        ours = path.is_relative_to(TOP / "src") or path.is_relative_to(TOP / "sensors")
        if str(path) in chosen if chosen else ours:
            entries.append(entry)
    found = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in concurrent.futures.as_completed([pool.submit(tidy, entry, build, salt) for entry in entries]):
            found += done.result() != ""
            print(done.result(), end="", flush=True)
    print(f"{len(entries)} files, {found} with findings")
    return 1 if found else 0


sys.exit(main())
