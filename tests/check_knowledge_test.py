#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/check_knowledge.py refuses, with the file, line and reason that it must print."""
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOOD = """_kind: errno
_title: "error number"
ENOSPC:
  number: 28
  what: "The disk is full."
  because:
    - "Many files."
  impact: "Writes fail."
  try:
    - "df -h"
"""


class CheckKnowledge(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def write(self, path, text):
        full = os.path.join(self.directory.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        return full

    def run_check(self, *arguments):
        tool = os.path.join(SOURCE, "tools", "check_knowledge.py")
        command = [sys.executable, tool, "--root", self.directory.name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def refuses(self, text, message):
        self.write("knowledge/en/errno.yaml", text)
        result = self.run_check()
        self.assertEqual(result.returncode, 1)
        self.assertIn(message, result.stderr)

    def test_a_good_file_passes_and_is_counted(self):
        self.write("knowledge/en/errno.yaml", GOOD)
        result = self.run_check()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 entries in 1 files", result.stdout)

    def test_no_files_is_a_fault(self):
        self.assertEqual(self.run_check().returncode, 1)

    def test_broken_yaml_names_its_line(self):
        self.refuses(GOOD + "EIO: [\n", "knowledge/en/errno.yaml:12: not YAML")

    def test_a_missing_part_names_the_entry(self):
        self.refuses(GOOD.replace('  impact: "Writes fail."\n', ""), "errno.yaml:3: ENOSPC: lacks impact")

    def test_an_errno_needs_its_number(self):
        self.refuses(GOOD.replace("  number: 28\n", ""), "ENOSPC: lacks number")

    def test_a_number_is_not_text(self):
        self.refuses(GOOD.replace("28", '"28"'), "errno.yaml:4: number: is not int")

    def test_an_unknown_part_is_refused(self):
        self.refuses(GOOD.replace("impact:", "impakt:"), "errno.yaml:8: ENOSPC: unknown part 'impakt'")

    def test_vague_words_are_refused(self):
        self.refuses(GOOD.replace("Many", "It may be many"), "errno.yaml:7: forbidden words 'may'")

    def test_other_letters_are_refused(self):
        self.refuses(GOOD.replace("full", "f\u00fcll"), "errno.yaml:5: '\u00fc' is not ASCII")

    def test_long_lines_are_refused(self):
        self.refuses(GOOD.replace("full", "f" * 200), "errno.yaml:5: 223 characters")

    def test_a_key_or_alias_twice_is_refused(self):
        self.refuses(GOOD + GOOD.split("\n", 2)[2], "errno.yaml:11: ENOSPC is already the entry of line 3")
        again = GOOD.split("\n", 2)[2].replace("ENOSPC:", "EDQUOT:\n  names: [enospc]")
        self.refuses(GOOD + again, "errno.yaml:11: enospc is already the entry of line 3")

    def test_an_entry_that_is_another_needs_nothing_else_and_one_that_is_none_does(self):
        self.refuses(GOOD + 'ENOSP:\n  is: "errno ENOSPC"\nENOSQ:\n  see: ["errno ENOSPC"]\n', "errno.yaml:13: ENOSQ: lacks what")

    def test_a_name_in_two_files_of_a_kind_is_refused(self):
        self.write("knowledge/en/a.yaml", GOOD)
        self.refuses(GOOD, "ENOSPC is already the entry of line 3")

    def test_anchors_are_refused_because_entries_are_parsed_alone(self):
        self.refuses(GOOD.replace('"df -h"', '&a "df -h"'), "errno.yaml:10: anchors and aliases")

    def test_a_reason_without_an_entry_is_named_with_its_line(self):
        reasons = GOOD.replace("_kind: errno", "_kind: drop_reason").replace("number: 28", "loss: true")
        self.write("knowledge/en/drops.yaml", reasons.replace("ENOSPC:", "XDP:\n  names: [SKB_DROP_REASON_XDP]"))
        listed = self.write("list", "# a comment\nSKB_DROP_REASON_XDP\n___XDP\n")
        self.assertEqual(self.run_check("--reasons", listed).returncode, 0)
        listed = self.write("list", "# a comment\nSKB_DROP_REASON_XDP\nSKB_DROP_REASON_NEW\n")
        result = self.run_check("--reasons", listed)
        self.assertEqual(result.returncode, 1)
        self.assertIn("list:3: SKB_DROP_REASON_NEW has no entry", result.stderr)

    def test_an_empty_list_of_reasons_is_a_fault(self):
        self.write("knowledge/en/errno.yaml", GOOD)
        self.assertIn("names no reason", self.run_check("--reasons", self.write("list", "# none\n")).stderr)


if __name__ == "__main__":
    unittest.main()
