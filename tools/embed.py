#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns data files into one C++ source: embed.py NAMESPACE ROOT OUT FILE..."""
import os
import sys


def literal(data: bytes) -> str:
    """The bytes as adjacent string literals; octal escapes never swallow the digit after them."""
    lines = []
    for line in data.splitlines(keepends=True):
        text = "".join(
            chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in line)
        lines.append(f'    "{text}"')
    return "\n".join(lines) or '    ""'


def main() -> None:
    namespace, root, out, files = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    parts = ["#include <array>", '#include "base/embedded.h"', f"namespace {namespace} {{", "namespace {"]
    entries = []
    for i, path in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        parts.append(f"constexpr char file_{i}[] =\n{literal(data)};")
        entries.append(f'    {{"{os.path.relpath(path, root)}", {{file_{i}, {len(data)}}}}},')
    parts.append(f"constexpr std::array<waggle::EmbeddedFile, {len(entries)}> all = {{{{\n" + "\n".join(entries) + "\n}};")
    parts.append("}  // namespace")
    parts.append("std::span<const waggle::EmbeddedFile> embedded_files() { return all; }")
    parts.append(f"}}  // namespace {namespace}\n")
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(parts))


main()
