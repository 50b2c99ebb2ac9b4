#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks knowledge/: that every file parses and every entry says what it must, in words that waggle allows.

  tools/check_knowledge.py                    the files, and that every drop reason of the kernels listed in
                                              tests/data/drop_reasons.* has an entry
  tools/check_knowledge.py --reasons FILE...  only that no name in FILE (one a line; # starts a comment) lacks one
  --root DIR                                  the source tree (default: where this script lies)

Prints file:line: reason for each fault and exits with 1 if there is one.
"""
import argparse
import glob
import os
import re
import sys

import yaml

FIELDS = {  # field: what it holds
    "names": list, "what": str, "short": str, "because": list, "impact": str, "try": list, "check": list,
    "loss": bool, "since": str, "number": int,
    "match": list, "of": str, "is": str, "see": list, "unless": list,
}
# Kinds whose every entry explains a fault need all parts; the others need at least what and impact.
FULL_KINDS = {"drop_reason", "errno", "signal"}
FULL_PARTS = ("what", "because", "impact", "try")
SHORT_PARTS = ("what", "impact")
BRIEF_PARTS = ("what",)  # of files that say `_brief: true`: long lists of counters and fields
KIND_PARTS = {"drop_reason": ("loss",), "errno": ("number",), "signal": ("number",)}
FORBIDDEN = re.compile(r"\b(may|might)\b|check your configuration|e\.g\.", re.IGNORECASE)
LONGEST_LINE = 199
TAGS = {str: "str", bool: "bool", int: "int"}


class Checker:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.names = {}  # (language, kind): {NAME: (file, line)}

    def fault(self, path, line, reason):
        self.faults.append((os.path.relpath(path, self.root), line, reason))

    def check_lines(self, path, text):
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LONGEST_LINE:
                self.fault(path, number, f"{len(line)} characters; at most {LONGEST_LINE} are allowed")
            if not line.isascii():
                odd = next(c for c in line if not c.isascii())
                self.fault(path, number, f"{odd!r} is not ASCII")
            if "\t" in line:
                self.fault(path, number, "a tab; use spaces")
            word = FORBIDDEN.search(line)
            if word:
                self.fault(path, number, f"forbidden words {word.group(0)!r}: say the fact")

    def check_nodes(self, path, text):
        """The file as pairs of nodes, or None. Anchors are refused: each entry is parsed alone."""
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if getattr(event, "anchor", None):
                    self.fault(path, event.start_mark.line + 1, "anchors and aliases are not allowed")
                    return None
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self.fault(path, line, f"not YAML: {error.problem}")
            return None
        if not isinstance(node, yaml.MappingNode):
            self.fault(path, 1, "not a mapping of words to entries")
            return None
        return node.value

    def check_value(self, path, field, node):
        line = node.start_mark.line + 1
        wanted = FIELDS[field]
        if wanted is list:
            if not isinstance(node, yaml.SequenceNode) or not node.value:
                self.fault(path, line, f"{field}: is not a list with entries")
                return
            for item in node.value:
                if not isinstance(item, yaml.ScalarNode) or not item.tag.endswith(":str"):
                    self.fault(path, item.start_mark.line + 1, f"{field}: an entry is not text; quote it")
                elif not item.value.strip():
                    self.fault(path, item.start_mark.line + 1, f"{field}: an entry is empty")
            return
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":" + TAGS[wanted]):
            self.fault(path, line, f"{field}: is not {'text; quote it' if wanted is str else wanted.__name__}")
        elif wanted is str and not node.value.strip():
            self.fault(path, line, f"{field}: is empty")

    def check_entry(self, path, kind, key, node, brief):
        line = key.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            self.fault(path, line, f"{key.value}: has no parts")
            return []
        parts = {}
        for field, value in node.value:
            at = field.start_mark.line + 1
            if field.value in parts:
                self.fault(path, at, f"{key.value}: {field.value} twice")
            parts[field.value] = value
            if field.value not in FIELDS:
                self.fault(path, at, f"{key.value}: unknown part {field.value!r}; known: {', '.join(FIELDS)}")
            else:
                self.check_value(path, field.value, value)
        # What is another entry by another name has that one's parts.
        wanted = () if "is" in parts else (FULL_PARTS if kind in FULL_KINDS else BRIEF_PARTS if brief else SHORT_PARTS) + KIND_PARTS.get(kind, ())
        for part in wanted:
            if part not in parts:
                self.fault(path, line, f"{key.value}: lacks {part}")
        names = parts.get("names")
        return [n.value for n in names.value] if isinstance(names, yaml.SequenceNode) else []

    def check_file(self, path):
        language = os.path.basename(os.path.dirname(path))
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            self.fault(path, 1, str(error))
            return
        self.check_lines(path, text)
        pairs = self.check_nodes(path, text)
        if pairs is None:
            return
        head = [key.value for key, _ in pairs[:2]]
        if head != ["_kind", "_title"]:
            self.fault(path, 1, "the first keys are not _kind and _title")
            return
        kind = pairs[0][1].value
        brief = any(key.value == "_brief" for key, _ in pairs)
        names = self.names.setdefault((language, kind), {})
        if len(pairs) == 2:
            self.fault(path, 1, "no entries")
        for key, value in pairs[2:]:
            line = key.start_mark.line + 1
            if key.value == "_brief":
                if value.value != "true":
                    self.fault(path, line, "_brief is true, or not there")
                continue
            if key.value.startswith("_"):
                self.fault(path, line, f"unknown file key {key.value}")
                continue
            if not key.tag.endswith(":str"):
                self.fault(path, line, f"the key {key.value} is not text; quote it")
            for name in [key.value] + self.check_entry(path, kind, key, value, brief):
                seen = names.setdefault(name.upper(), (path, line))
                if seen != (path, line):
                    self.fault(path, line, f"{name} is already the entry of line {seen[1]}")

    def check_reasons(self, path):
        """Every reason named in the list has an entry. BTF spells the radio's with leading underscores as well."""
        known = self.names.get(("en", "drop_reason"), {})
        try:
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self.fault(path, 1, str(error))
            return
        count = 0
        for number, line in enumerate(lines, 1):
            name = line.split("#", 1)[0].strip()
            if not name:
                continue
            count += 1
            if name.upper() not in known and name.upper().lstrip("_") not in known:
                self.fault(path, number, f"{name} has no entry in the knowledge of drop reasons")
        if count == 0:
            self.fault(path, 1, "names no reason")


def main():
    parser = argparse.ArgumentParser(description="Checks the knowledge base.")
    parser.add_argument("--reasons", nargs="+", metavar="FILE", help="lists of drop reasons that need an entry")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    arguments = parser.parse_args()
    root = os.path.abspath(arguments.root)
    checker = Checker(root)
    # The phrases and the verifier's words are checked by what compiles them (tools/phrases.py,
    # tools/rejections.py); rules by the rule book.
    files = [path for path in sorted(glob.glob(os.path.join(root, "knowledge", "[a-z][a-z]", "*.yaml")))
             if os.path.basename(path) not in ("phrases.yaml", "verifier.yaml")]
    if not files:
        checker.fault(os.path.join(root, "knowledge"), 1, "no knowledge files")
    for path in files:
        checker.check_file(path)
    lists = arguments.reasons or sorted(glob.glob(os.path.join(root, "tests", "data", "drop_reasons.*")))
    for path in lists:
        checker.check_reasons(os.path.abspath(path))
    for path, line, reason in sorted(checker.faults):
        print(f"{path}:{line}: {reason}", file=sys.stderr)
    if checker.faults:
        return 1
    entries = sum(len({at for at in names.values()}) for names in checker.names.values())
    print(f"knowledge: {entries} entries in {len(files)} files, {len(lists)} kernels' drop reasons: all explained")
    return 0


if __name__ == "__main__":
    sys.exit(main())
