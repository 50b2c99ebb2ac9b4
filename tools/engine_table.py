#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine_table.py [BUILD]: runs the engine's kernel tests here and on the kernels of the VMs, and writes what held into
docs/engine.md, between its <!-- engine --> markers. Needs root; BUILD is build/release unless said."""
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESTS = ["attach_kernel_test", "map_kernel_test", "events_kernel_test", "engine_object_kernel_test", "probe_kernel_test"]
ENDED = re.compile(r"^\[ +(OK|FAILED) +\] (\S+?) \(\d+ ms\)$", re.MULTILINE)
MARKED = re.compile(r"(<!-- engine -->\n)(.*?)(<!-- /engine -->)", re.DOTALL)


def run(kernel: str, command: list[str]) -> str:
    prefix = [f"{TOP}/tests/vm/run", kernel, "--"] if kernel else []
    return subprocess.run(prefix + command, stdout=subprocess.PIPE, text=True, check=False).stdout


def sentence(test: str) -> tuple[str, str]:
    """The subject and the words of a test's name; what a parameter adds stands in brackets."""
    parts = test.split("/")
    suite, name = next(part for part in parts if "." in part).split(".")
    parameter = f" ({parts[-1]})" if len(parts) > 2 or "." not in parts[-1] else ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", suite).replace(" Kernel", "").lower(), name.replace("_", " ") + parameter


def main() -> int:
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else f"{TOP}/build/release")
    with open(f"{build}/kernel_tests.txt", encoding="utf-8") as f:
        commands = [line.split(" ", 1)[1].strip() for line in f if line.split(" ")[0] in TESTS]
    kernels, hooks, held = {}, {}, {}
    for kernel in ("", "6.1", "6.12"):
        doctor = json.loads(run(kernel, [f"{build}/bin/waggle", "doctor", "--output", "json"]))
        name = kernel or ".".join(doctor["kernel"].split(".")[:2])
        kernels[name] = doctor["kernel"]
        for hook in doctor["hooks"]:
            hooks.setdefault(hook["kind"], {})[name] = "yes" if hook["works"] else f"no: {hook['option']}"
        said = run(kernel, ["sh", "-c", "; ".join(commands)])
        for result, test in ENDED.findall(said):
            held.setdefault(test, {})[name] = "yes" if result == "OK" else "**no**"
    head = list(kernels)
    lines = ["| kind of place | " + " | ".join(head) + " |", "| --- |" + " --- |" * len(head)]
    lines += [f"| `{kind}` | " + " | ".join(found.get(name, "") for name in head) + " |" for kind, found in hooks.items()]
    lines += ["", "| of | holds, with exact counts | " + " | ".join(head) + " |", "| --- | --- |" + " --- |" * len(head)]
    for test, found in held.items():
        subject, words = sentence(test)
        lines.append(f"| {subject} | {words} | " + " | ".join(found.get(name, "not run") for name in head) + " |")
    path = f"{TOP}/docs/engine.md"
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(MARKED.sub(lambda m: m[1] + "\n" + "\n".join(lines) + "\n\n" + m[3], text))
    return 0 if all(value == "yes" for found in held.values() for value in found.values()) else 1


sys.exit(main())
