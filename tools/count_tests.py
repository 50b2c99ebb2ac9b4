#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count_tests.py [--failed N] LOG...: names the failed tests in ctest logs, then sums, GoogleTest's one by one, as
`N passed, N failed`.

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


FAILURE = re.compile(r"^.*: Failure$\n(?:(?!\[  |.*: Failure$).*\n){0,4}", re.MULTILINE)


def name_failures(name: str, text: str) -> list[str]:
    """The GoogleTest tests of a section that began and did not pass, each with what it said first."""
    named = []
    for part in text.split("[ RUN      ] ")[1:]:
        test, _, said = part.partition("\n")
        if re.search(rf"\[       OK \] {re.escape(test)} \(|\[  SKIPPED \] {re.escape(test)} \(", said):
            continue
        failure = FAILURE.search(said)
        words = " ".join(failure.group().split()) if failure else "began and never ended"
        named.append(f"{name}: {test}: {words[:400]}")
    return named


def read_log(path: str) -> tuple[int, int, int, list[str]]:
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    names = re.findall(r"^\d+/\d+ Test: (.*)$", text, re.MULTILINE)
    passed, failed, skipped, failures = 0, 0, len(re.findall(r"^skipped .*: needs root$", text, re.MULTILINE)), []
    for name, section in zip(names, SECTION.split(text)[1:]):
        counts = count_section(section)
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
        if counts[1]:
            failures += name_failures(name, section) or [f"{name}: failed"]
    return passed, failed, skipped, failures


def main() -> None:
    words = sys.argv[1:]
    other = 0
    if words[:1] == ["--failed"]:
        other, words = int(words[1]), words[2:]
    failures: list[str] = []
    total = [0, other, 0]
    for path in words:
        *counts, named = read_log(path)
        total = [a + b for a, b in zip(total, counts)]
        failures += named
    for failure in failures:
        print(f"failed {failure}")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))


main()
