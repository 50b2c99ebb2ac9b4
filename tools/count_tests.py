#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count_tests.py [--failed N] LOG...: sums the tests in ctest logs, GoogleTest's one by one, as `N passed, N failed`.

A test that began and never ended (a crash, a timeout) has failed. A ctest test that holds no GoogleTest output
counts as one, and so does one that failed although all its GoogleTest tests passed. N more failures are added.
"""
import re
import sys

SECTION = re.compile(r"^\d+/\d+ Test: ", re.MULTILINE)


def count_section(text: str) -> tuple[int, int, int]:
    run = len(re.findall(r"\[ RUN      \] ", text, re.MULTILINE))
    passed = len(re.findall(r"\[       OK \] .*ms\)$", text, re.MULTILINE))
    skipped = len(re.findall(r"\[  SKIPPED \] .*ms\)$", text, re.MULTILINE))
    ctest_passed = re.search(r"^Test Passed\.$", text, re.MULTILINE) is not None
    failed = run - passed - skipped
    if run == 0:
        return (1, 0, 0) if ctest_passed else (0, 1, 0)
    if failed == 0 and not ctest_passed:
        failed = 1
    return passed, failed, skipped


def count_log(path: str) -> tuple[int, int, int]:
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    counts = [count_section(section) for section in SECTION.split(text)[1:]]
    by_name = len(re.findall(r"^skipped .*: needs root$", text, re.MULTILINE))
    return (sum(c[0] for c in counts), sum(c[1] for c in counts), sum(c[2] for c in counts) + by_name)


def main() -> None:
    words = sys.argv[1:]
    other = 0
    if words[:1] == ["--failed"]:
        other, words = int(words[1]), words[2:]
    counts = [(0, other, 0)] + [count_log(path) for path in words]
    passed, failed, skipped = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


main()
