#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripts in tools/ that judge others: what they must find, and what they must let pass."""
import importlib.util
import pathlib
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "tools"


def run(script: str, *words: str) -> tuple[int, str]:
    done = subprocess.run([TOOLS / script, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Layers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def refuses(self, path: str, line: str, words: str) -> None:
        self.put(path, f"#pragma once\n{line}\n")
        code, said = run("check_layers.py", str(self.root))
        self.assertEqual(code, 1, said)
        self.assertIn(f"{path}:2: ", said)
        self.assertIn(words, said)

    def allows(self, path: str, line: str) -> None:
        self.put(path, line + "\n")
        self.assertEqual(run("check_layers.py", str(self.root)), (0, "1 files, 0 breaches\n"))

    def test_an_arrow_is_allowed(self):
        self.allows("src/cli/why.cpp", '#include "waggle/result.h"\n#include "model/row.h"\n#include "render/json.h"')

    def test_what_an_included_folder_may_include_is_not_allowed_for_that(self):
        self.refuses("src/explain/rules.cpp", '#include "bpf/event.h"', "explain may not include bpf")

    def test_an_arrow_upwards_is_refused(self):
        self.refuses("src/model/row.h", '#include "query/sql.h"', "model may not include query")

    def test_a_sideways_include_is_refused(self):
        self.refuses("src/facts/network/routes.cpp", '#include "context/subject.h"', "facts may not include context")

    def test_the_public_headers_stand_on_nothing(self):
        self.refuses("include/waggle/map.h", '#include "engine/object/object_state.h"', "include/waggle may not include engine")

    def test_everybody_may_include_the_public_headers(self):
        self.allows("src/base/text.cpp", '#include "waggle/result.h"')

    def test_a_room_includes_itself(self):
        self.allows("sensors/tcp/tcp.cpp", '#include "sensors/tcp/tcp.h"\n#include <bpf/libbpf.h>')

    def test_a_room_in_another_room_is_refused(self):
        self.refuses("sensors/tcp/tcp.cpp", '#include "sensors/process/process.h"', "only the room itself")

    def test_a_room_in_the_agent_is_refused(self):
        self.refuses("src/agent/agent.cpp", '#include "sensors/process/process.h"', "only the room itself")

    def test_a_test_of_the_whole_may_include_a_room(self):
        self.allows("tests/ring_kernel_test.cpp", '#include "sensors/skeleton/skeleton.h"')

    def test_the_list_of_rooms_may_be_read_by_the_agent(self):
        self.allows("src/agent/agent.cpp", '#include "sensors/rooms.h"')

    def test_libbpf_outside_its_folders_is_refused(self):
        self.refuses("src/render/json.cpp", "#include <bpf/bpf.h>", "render may not touch libbpf")

    def test_the_readers_of_binaries_know_the_kernels_layouts_but_not_libbpf(self):
        self.allows("src/binary/btf_check.cpp", "#include <linux/btf.h>")
        self.refuses("src/binary/elf_file.cpp", "#include <bpf/btf.h>", "binary may not touch libbpf")

    def test_a_test_may_ask_libbpf(self):
        self.allows("src/agent/session_kernel_test.cpp", "#include <bpf/bpf.h>")

    def test_a_test_helper_in_product_code_is_refused(self):
        self.refuses("src/explain/rules.cpp", '#include "query/testing/tables.h"', "only tests may include")

    def test_a_test_may_use_a_test_helper(self):
        self.allows("src/explain/rules_test.cpp", '#include "query/testing/tables.h"')

    def test_tests_and_benchmarks_are_read_too(self):
        self.refuses("bench/sql_bench.cpp", '#include "../src/query/sql.h"', "from the root")

    def test_a_way_round_by_dots_is_refused(self):
        self.refuses("src/model/row.cpp", '#include "../query/sql.h"', "from the root")

    def test_an_unknown_folder_is_refused(self):
        self.put("plugins/mine.cpp", "int x;\n")
        self.assertIn("plugins: a top folder", run("check_layers.py", str(self.root))[1])
        self.put("src/plugins/mine.cpp", "int x;\n")
        self.assertIn("src/plugins/mine.cpp: lies in no folder", run("check_layers.py", str(self.root))[1])

    def test_a_folder_grown_too_large_is_refused(self):
        for number in range(31):
            self.put(f"src/base/file{number}.cpp", "int x;\n")
        self.assertIn("src/base: holds 31 source files; at most 30", run("check_layers.py", str(self.root))[1])

    def test_the_page_must_show_the_table(self):
        self.put("ARCHITECTURE.md", "# The house\n<!-- layers -->\nold\n<!-- /layers -->\n")
        self.assertEqual(run("check_layers.py", str(self.root))[0], 1)
        run("check_layers.py", "--write", str(self.root))
        self.assertEqual(run("check_layers.py", str(self.root)), (0, "0 files, 0 breaches\n"))
        self.assertIn("| `engine` |", (self.root / "ARCHITECTURE.md").read_text(encoding="utf-8"))


def section(name: str, output: str, end: str) -> str:
    return f"1/1 Testing: {name}\n1/1 Test: {name}\nOutput:\n----\n{output}<end of output>\n----\n{end}\n"


class Counts(unittest.TestCase):
    def say(self, *sections: str) -> list[str]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as log:
            log.write("Start testing\n" + "".join(sections))
            log.flush()
            return run("count_tests.py", log.name)[1].splitlines()

    def count(self, *sections: str) -> str:
        return self.say(*sections)[-1]

    def test_each_test_of_a_binary_counts(self):
        output = "[ RUN      ] A.b\n[       OK ] A.b (1 ms)\n[ RUN      ] A.c\n[  FAILED  ] A.c (1 ms)\n[  FAILED  ] A.c\n"
        self.assertEqual(self.count(section("a", output, "Test Failed.")), "1 passed, 1 failed")

    def test_a_crash_is_a_failure(self):
        output = "[ RUN      ] A.b\n[       OK ] A.b (1 ms)\n[ RUN      ] A.c\n"
        self.assertEqual(self.count(section("a", output, "Test Failed.")), "1 passed, 1 failed")

    def test_a_leak_at_the_end_is_a_failure(self):
        output = "[ RUN      ] A.b\n[       OK ] A.b (1 ms)\n"
        self.assertEqual(self.count(section("a", output, "Test Failed.")), "1 passed, 1 failed")

    def test_a_skipped_test_is_not_passed(self):
        output = "[ RUN      ] A.b\n[  SKIPPED ] A.b (1 ms)\n"
        self.assertEqual(self.count(section("a", output, "Test Failed.")), "0 passed, 1 failed, 1 skipped")

    def test_a_script_counts_as_one(self):
        self.assertEqual(self.count(section("s", "ok\n", "Test Passed."), section("t", "", "Test Failed.")), "1 passed, 1 failed")

    def test_what_failed_is_named_with_what_it_said_first(self):
        output = ("[ RUN      ] A.b\n[       OK ] A.b (1 ms)\n[ RUN      ] A.c\na.cpp:7: Failure\nValue of: x\n  Actual: 2\n\n"
                  "a.cpp:9: Failure\nlater\n[  FAILED  ] A.c (1 ms)\n[ RUN      ] A.d\nSegmentation fault\n")
        self.assertEqual(self.say(section("a", output, "Test Failed."), section("t", "", "Test Failed.")), [
            "failed a: A.c: a.cpp:7: Failure Value of: x Actual: 2",
            "failed a: A.d: began and never ended",
            "failed t: failed",
            "1 passed, 3 failed",
        ])


class Tidy(unittest.TestCase):
    """Which sources clang-tidy looks at after a change."""

    def touched(self, changed: str) -> list[str]:
        spec = importlib.util.spec_from_file_location("tidy", TOOLS / "tidy.py")
        tidy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tidy)
        inputs = {
            "a.o": ["/t/one/a.cpp", "/t/one/b.cpp", "/t/one/own.h", "/t/far/far.h"],
            "b.o": ["/t/two/c.cpp", "/t/one/own.h", "/t/far/far.h"],
        }
        entries = [{"file": name, "command": f"clang++ -o {name}"} for name in inputs]
        return [entry["file"] for entry in tidy.touched(entries, inputs, {changed})]

    def test_a_source_is_looked_at_with_those_it_is_compiled_with(self):
        self.assertEqual(self.touched("/t/one/b.cpp"), ["a.o"])

    def test_a_header_is_looked_at_from_its_own_folder(self):
        self.assertEqual(self.touched("/t/one/own.h"), ["a.o"])

    def test_a_header_that_none_beside_it_reads_is_looked_at_once(self):
        self.assertEqual(self.touched("/t/far/far.h"), ["a.o"])

    def test_what_nothing_reads_needs_no_look(self):
        self.assertEqual(self.touched("/t/docs/page.md"), [])


unittest.main()
