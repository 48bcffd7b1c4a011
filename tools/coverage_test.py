#!/usr/bin/env python3
"""Tests of tools/coverage: what it reads from llvm-cov's output, counts, leaves out and complains about."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
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


def Function(true, false, conditions, expect=0):
    path = str(coverage.REPO / NAME)
    return {"filenames": [path, "/usr/include/other.h"],
            "branches": [[3, 7, 3, 12, true, false, 0, 0, 4], [2, 13, 2, 19, 1, expect, 0, 0, 4],
                         [3, 7, 3, 12, 0, 0, 1, 0, 4]],
            "mcdc_records": [[3, 7, 3, 21, 0, 5, conditions], [48, 39, 48, 43, 0, 5, [False]]]}


def Judge(functions, lcov="", entries=()):
    records = [one["mcdc_records"][0] for one in functions]
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
