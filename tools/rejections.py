#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns knowledge/<language>/verifier.yaml into C++: rejections.py SOURCE FILE...

Every language must have the same classes, patterns and keys as English; else the build ends with file: reason."""
import os
import re
import sys

import yaml

FORBIDDEN = re.compile(r"\b(may|might)\b", re.IGNORECASE)
TABLES = ("releases", "acquires", "registers", "steps", "labels", "helper_ways")
PARTS = ("what", "remedy", "code")


def fail(path: str, reason: str) -> None:
    sys.exit(f"{path}: {reason}")


def texts(path: str, where: str, value) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        fail(path, f"{where} must be a list of texts; quote them")
    for text in value:
        if FORBIDDEN.search(text) or text.endswith("."):
            fail(path, f"{where}: say the fact, without a final full stop: {text}")
    return value


def read(path: str) -> dict:
    with open(path, encoding="utf-8") as f:
        tree = yaml.safe_load(f)
    if set(tree) != {"classes", *TABLES}:
        fail(path, f"the parts are classes, {', '.join(TABLES)}")
    if not tree["classes"] or list(tree["classes"])[-1] != "unrecognised":
        fail(path, "the last class is unrecognised")
    for name, entry in tree["classes"].items():
        if not set(entry) <= {"title", "messages", *PARTS} or not entry.get("title") or "messages" not in entry:
            fail(path, f"{name} must have title and messages, and can have what, remedy and code")
        messages = [{"pattern": m} if isinstance(m, str) else m for m in entry["messages"]]
        for message in messages:
            if not set(message) <= {"pattern", "when", *PARTS} or not message.get("pattern"):
                fail(path, f"{name}: a message has pattern, when, what, remedy and code")
            for part in PARTS:
                message[part] = texts(path, f"{name}: {message['pattern']}: {part}", message.get(part, []))
            # A pattern that takes numbers only and one that takes anything must not be mixed up by `:d` left out.
            if not message["what"] and not entry.get("what"):
                fail(path, f"{name}: {message['pattern']}: nothing is said of it")
            if not message["remedy"] and not entry.get("remedy"):
                fail(path, f"{name}: {message['pattern']}: no remedy is named")
        entry["messages"] = messages
        for part in PARTS:
            entry[part] = texts(path, f"{name}: {part}", entry.get(part, []))
    return tree


def shape(tree: dict) -> dict:
    return {"classes": {name: [(m["pattern"], m.get("when")) for m in entry["messages"]]
                        for name, entry in tree["classes"].items()},
            **{part: sorted(tree[part]) for part in TABLES}}


def literal(text: str) -> str:
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode()) + '"'


class Writer:
    def __init__(self, language: str):
        self.language, self.lines, self.count, self.known = language, [], 0, {}

    def array(self, items: list[str]) -> str:
        """The name of an array of these texts; the same texts are written once."""
        if not items:
            return "{}"
        key = tuple(items)
        if key not in self.known:
            self.known[key] = f"texts_{self.language}_{self.count}"
            self.count += 1
            self.lines.append(f"constexpr std::string_view {self.known[key]}[] = {{{', '.join(map(literal, items))}}};")
        return self.known[key]

    def table(self, name: str, entries: dict) -> None:
        rows = ", ".join(f"{{{literal(key)}, {literal(text)}}}" for key, text in entries.items())
        self.lines.append(f"constexpr NamedText {name}_{self.language}[] = {{{rows}}};")

    def classes(self, classes: dict) -> None:
        rows = []
        for name, entry in classes.items():
            patterns = [f"    {{{literal(m['pattern'])}, {self.array(m.get('when', []))}, "
                        + ", ".join(self.array(m[part]) for part in PARTS) + "},"
                        for m in entry["messages"]]
            held = "{}"
            if patterns:
                held = f"patterns_{self.language}_{name}"
                self.lines.append(f"constexpr RejectionPattern {held}[] = {{\n" + "\n".join(patterns) + "\n};")
            rows.append(f"    {{{literal(name)}, {literal(entry['title'])}, {held}, "
                        + ", ".join(self.array(entry[part]) for part in PARTS) + "},")
        self.lines.append(f"constexpr RejectionClass classes_{self.language}[] = {{\n" + "\n".join(rows) + "\n};")


def main() -> None:
    out, paths = sys.argv[1], sys.argv[2:]
    trees = {os.path.basename(os.path.dirname(path)): (path, read(path)) for path in paths}
    english = shape(trees["en"][1])
    lines = ['#include "verifier/words.h"', "namespace waggle::kernel {", "namespace {"]
    rows = []
    for language, (path, tree) in sorted(trees.items(), key=lambda each: each[0] != "en"):
        if shape(tree) != english:
            fail(path, "not the same classes, patterns and keys as in English")
        writer = Writer(language)
        writer.classes(tree["classes"])
        for part in TABLES:
            writer.table(part, tree[part])
        lines += writer.lines
        rows.append(f'    {{"{language}", classes_{language}, {", ".join(f"{part}_{language}" for part in TABLES)}}},')
    lines += ["constexpr VerifierWords all[] = {", *rows, "};", "}  // namespace",
              "const VerifierWords& verifier_words(std::string_view language) {",
              "    for (const VerifierWords& words : all)",
              "        if (words.language == language) return words;",
              "    return all[0];", "}", "}  // namespace waggle::kernel", ""]
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(lines))


main()
