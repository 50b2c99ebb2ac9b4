# SPDX-License-Identifier: Apache-2.0
"""What bench/from_bcc and bench/from_bpftrace share: a known tool and waggle, run at the same time, and their lines as a page shows
them."""
import pathlib
import platform
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent
WAGGLE = TOP / "build/release/bin/waggle"
MOST_LINES, WIDTH = 9, 150


def start(words: list[str], seconds: float, inside: tuple[str, ...] = ()) -> subprocess.Popen:
    # The known tools want a trace file system; one for them alone is enough.
    own = "[ -e /sys/kernel/tracing/events ] || mount -t tracefs trace /sys/kernel/tracing; exec timeout -k 30 -s INT \"$@\""
    return subprocess.Popen(
        [*inside, "unshare", "--mount", "sh", "-c", own, "side_by_side", str(seconds), *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )


def shown(text: str, only: str) -> str:
    """What the work made of it, in so many lines as people read; of the kernel's name its number alone."""
    text = text.replace(platform.release(), number_of_kernel())
    lines = [line.rstrip()[:WIDTH] for line in text.splitlines() if line.strip() and "RLIMIT_MEMLOCK" not in line]
    if only:
        lines = [line for line in lines if re.search(only, line)]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines) or "(nothing)"


def number_of_kernel() -> str:
    return platform.release().split("-")[0]
