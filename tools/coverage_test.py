#!/usr/bin/env python3
"""Tests of tools/coverage: what it reads from llvm-cov's output, counts, leaves out and complains about."""

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import justified

TOOL = pathlib.Path(__file__).resolve().with_name("coverage")
LOADER = importlib.machinery.SourceFileLoader("coverage_tool", str(TOOL))
coverage = importlib.util.module_from_spec(importlib.util.spec_from_loader("coverage_tool", LOADER))
LOADER.exec_module(coverage)

NAME = "allocator/pagealloc/x.h"
SOURCE = """int F(int a, int b) {
  PA_EXPECT(a != 0 || b != 0);
  if (a < 1 && b < 2) return 1;
  return 2;
}
"""

CHILDREN = """#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
void ChildAborts() { abort(); }
void ChildExits() { _exit(0); }
int main() {
  if (fork() == 0) ChildAborts();
  wait(nullptr);
  if (fork() == 0) ChildExits();
  wait(nullptr);
}
"""


def Function(true, false, conditions, expect=0):
    path = str(coverage.REPO / NAME)
    return {"filenames": [path, "/usr/include/other.h"],
            "branches": [[3, 7, 3, 12, true, false, 0, 0, 4], [2, 13, 2, 19, 1, expect, 0, 0, 4],
                         [3, 7, 3, 12, 0, 0, 1, 0, 4]],
            "mcdc_records": [[3, 7, 3, 21, 0, 5, conditions], [48, 39, 48, 43, 0, 5, [False]]]}


def Judge(functions, lcov="", entries=()):
    records = [one["mcdc_records"][0] for one in functions if one["mcdc_records"][0]]
    exported = {"data": [{"functions": functions,
                          "files": [{"filename": str(coverage.REPO / NAME), "mcdc_records": records},
                                    {"filename": "/usr/include/other.h", "mcdc_records": records}]}]}
    files = coverage.Files({NAME: SOURCE}, exported, f"SF:{coverage.REPO / NAME}\n{lcov}")
    return coverage.Judge(files, entries)


class Coverage(unittest.TestCase):
    def test_instances_of_a_template_are_one(self):
        rows, missing, _ = Judge([Function(5, 0, [True, False]), Function(0, 3, [False, True])])
        self.assertEqual((rows[0]["branches"], rows[0]["branches_reached"]), (2, 2))
        self.assertEqual((rows[0]["conditions"], rows[0]["conditions_reached"]), (2, 2))
        self.assertEqual(missing, [])

    def test_a_side_and_a_condition_are_missing(self):
        _, missing, _ = Judge([Function(5, 0, [True, False])])
        self.assertEqual([one["what"] for one in missing],
                         ["branch a < 1 false", "condition 2 of a < 1 && b < 2"])
        self.assertEqual(missing[0]["line"], 3)

    def test_lines_are_summed_and_named(self):
        rows, missing, _ = Judge([], "DA:3,0\nDA:4,2\nDA:3,1\nDA:1,0\n")
        self.assertEqual((rows[0]["lines"], rows[0]["lines_reached"]), (3, 2))
        self.assertEqual([(one["line"], one["what"]) for one in missing], [(1, "line")])

    def test_line_that_one_instance_reaches_is_reached_behind_a_gap_too(self):
        path = str(coverage.REPO / NAME)
        def Regions(count, begin=1):
            return {"filenames": ["/usr/include/other.h", path], "mcdc_records": [[]],
                    "regions": [[begin, 2, 5, 2, 7, 1, 0, 0], [3, 27, 4, 3, 0, 1, 0, 3], [4, 3, 4, 12, count, 1, 0, 0],
                                [3, 1, 3, 40, 9, 0, 0, 0]]}
        lines = "DA:3,0\nDA:4,0\n"
        _, missing, _ = Judge([Regions(0), Regions(0)], lines)
        self.assertEqual([one["line"] for one in missing], [4])
        _, missing, _ = Judge([Regions(0), Regions(5)], lines)
        self.assertEqual(missing, [])
        _, missing, _ = Judge([Regions(5), Regions(0, begin=2)], lines)  # what is around a lambda
        self.assertEqual([one["line"] for one in missing], [4])

    def test_what_is_excluded_is_not_missing_and_may_not_be_stale(self):
        def Entry(change):
            return justified.Entry(NAME, "if (a < 1 && b < 2) return 1;", (change,), "reason", 1)
        _, missing, problems = Judge([Function(5, 0, [True, True])], entries=[Entry("branch a < 1 false")])
        self.assertEqual(missing, [])
        self.assertIn("more than 2 %", problems[0])  # one of two branches
        _, _, problems = Judge([Function(5, 1, [True, True])], entries=[Entry("branch a < 1 false")])
        self.assertIn("reached by now, or gone: branch a < 1 false", problems[0])

    def test_what_depends_on_constants_only_is_not_counted(self):
        file = coverage.File("x.h", "if (L::kWords == 1 || a < kMost) b();")
        file.branches = {(1, 5, 1, 19): [False, False], (1, 23, 1, 32): [True, True]}
        file.conditions = {(1, 5, 1, 32): [False, True]}
        file.DropConstants()
        self.assertEqual(list(file.branches.values()), [[True, True]])
        self.assertEqual(list(file.conditions.values()), [[True]])

        self.assertTrue(coverage.Constant("L::kBase.raw >> 63 == 0"))
        self.assertFalse(coverage.Constant("pages.raw > G::kMost.raw"))

    def test_decision_over_two_lines_keeps_its_last_condition(self):
        file = coverage.File("x.h", "return a &&  // why\n       b && c;")
        file.conditions = {(1, 8, 2, 15): [True, True, False]}
        file.DropConstants()
        self.assertEqual(list(file.Missing()), [(1, "condition 3 of a &&")])

    def test_chains_are_judged_by_the_sides_of_one_instance(self):
        def Conditions(text, sides):
            file = coverage.File("x.h", text)
            file.conditions = {(1, 1, 1, len(text) + 1): [False] * len(sides)}
            starts = [0, *(i + 3 for i in range(len(text)) if text[i:i + 2] in ("&&", "||"))]
            file.AddPaths({(1, at + 1, 1, at + 2): side for at, side in zip(starts, sides)})
            return next(iter(file.conditions.values()))
        self.assertEqual(Conditions("a && b", [(2, 0), (1, 1)]), [False, True])
        self.assertEqual(Conditions("a && b", [(1, 1), (1, 0)]), [True, False])
        self.assertEqual(Conditions("a && b", [(1, 1), (0, 1)]), [False, False])  # never all true
        self.assertEqual(Conditions("a || b", [(1, 1), (0, 1)]), [True, False])
        self.assertEqual(Conditions("a || b", [(1, 1), (1, 0)]), [False, False])
        self.assertEqual(Conditions("a && b || c", [(1, 1), (1, 1), (1, 1)]), [False] * 3)  # not told by sides
        self.assertEqual(Conditions("a && kB", [(1, 1), (1, 1)]), [False, False])

    def test_corpora_and_tests_run_other_programs(self):
        programs = ["bits_replay", "heap_test", "page_bits_exhaustive_test"]
        self.assertEqual(coverage.Chosen(programs, "tests"), programs)
        self.assertEqual(coverage.Chosen(programs, "corpora"), ["bits_replay", "page_bits_exhaustive_test"])

    @unittest.skipUnless(shutil.which(coverage.COMPILER) and shutil.which(coverage.PROFDATA), "no clang 19")
    def test_children_that_abort_or_leave_at_once_count(self):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "x.cc"
            source.write_text(CHILDREN, encoding="utf-8")
            def Run(*command):
                subprocess.run(command, check=True, cwd=folder,
                               env={**os.environ, "LLVM_PROFILE_FILE": f"{folder}/%m.profraw"})
            Run(coverage.COMPILER, "-fprofile-instr-generate", "-fcoverage-mapping", source, coverage.RUNTIME,
                "-std=c++20", "-Wl,--wrap=_exit", "-o", "x")
            Run("./x")
            Run(coverage.PROFDATA, "merge", "-o", "all", *pathlib.Path(folder).glob("*.profraw"))
            shown = subprocess.run([coverage.PROFDATA, "show", "--counts", "--function=Child", "all"], cwd=folder,
                                   capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r"Function count: (\d+)", shown), ["1", "1"], shown)

    def test_sum_and_table(self):
        rows, _, _ = Judge([Function(5, 0, [True, False])], "DA:3,1\n")
        self.assertIn("    1/2     50.0", coverage.Table(rows).splitlines()[-1])

    def test_list_of_this_tree_can_be_read(self):
        for entry in justified.Read(coverage.EXCLUSIONS):
            text = (coverage.REPO / entry.file).read_text(encoding="utf-8")
            self.assertIn(entry.line, [line.strip() for line in text.split("\n")], entry)

    def test_wrong_use_ends_with_two(self):
        run = subprocess.run([TOOL, "--from", "nowhere"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 2)


if __name__ == "__main__":
    unittest.main()
