#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""doxygen_filter.py HEADER: the header with its plain comments as doxygen wants them, on standard output.

The head of a file becomes \\file, a comment on lines of its own belongs to what follows, one behind code to that code.
What every type has and nobody explains, moving and ending, is left out.
"""
import re
import sys

USUAL = re.compile(r"^\s*(~\w+\(\)|\w+\(\w+&&( \w+)?\) noexcept|\w+& operator=\(\w+&&( \w+)?\)( noexcept)?)( = default| = delete)?;$")
BEHIND = re.compile(r"^(\s*[^/\s][^\"]*?\S)\s+// ?(.*)$")


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = f.read().splitlines()
    out, in_head, behind = [], True, False
    for line in lines:
        text = line.strip()
        if in_head and text.startswith("//"):
            out.append("/// \\file" if "SPDX-License-Identifier" in text else "///" + text[2:])
        elif text.startswith("//"):
            # A comment behind code goes on below it, in the same column.
            follows = behind and len(line) - len(line.lstrip()) > 20
            out.append(line.replace("//", "///<" if follows else "///", 1))
            continue
        elif match := BEHIND.match(line):
            out.append(f"{match[1]}  ///< {match[2]}")
            behind = True
            continue
        elif not USUAL.match(line):
            out.append(line)
        else:
            out.append("")
        in_head = in_head and text.startswith("//")
        behind = False
    print("\n".join(line.replace("@", "\\@") if "///" in line else line for line in out))


main()
