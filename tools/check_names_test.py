#!/usr/bin/env python3
"""What tools/check_names finds in tables with planted mistakes; the repository's headers are the truth."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import tempfile
import unittest

TOOL = pathlib.Path(__file__).with_name("check_names")
HEADER = "| Go | what | here | test |\n| --- | --- | --- | --- |\n"
SOUND = "| `find` | finds | `PageBits::Find`, `ChunkMap::operator[]` | `Find.KnownPlacesWithoutHint` |\n"


class CheckNamesTest(unittest.TestCase):
    def Run(self, text):
        with tempfile.TemporaryDirectory() as folder:
            readme = pathlib.Path(folder, "README.md")
            readme.write_text(text, encoding="utf-8")
            run = subprocess.run([TOOL, readme], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout

    def test_sound_table_passes(self):
        self.assertEqual(self.Run(HEADER + SOUND),
                         (0, "check_names: 1 names, 2 symbols here, 1 tests, problems: 0\n"))

    def test_tables_with_other_columns_are_left_alone(self):
        other = "\n| a | b |\n| --- | --- |\n| `NoSuch` | `NoSuch.Test` |\n"
        self.assertEqual(self.Run(HEADER + SOUND + other)[0], 0)

    def test_names_that_do_not_exist(self):
        for row, what in (("| `x` | y | `PageBits::Finds` | `Find.KnownPlacesWithoutHint` |\n", "`PageBits::Finds`"),
                          ("| `x` | y | `Find` | `Find.KnownPlaces` |\n", "no test `Find.KnownPlaces`"),
                          ("| `x` | y | `Find` | `NoSuite.*` |\n", "no test `NoSuite.*`"),
                          (SOUND, "`find` stands in the table twice")):
            status, text = self.Run(HEADER + SOUND + row)
            self.assertEqual(status, 1, row)
            self.assertIn("README.md:4: ", text)
            self.assertIn(what, text)

    def test_a_readme_without_a_table_is_a_problem(self):
        self.assertEqual(self.Run("# Nothing\n")[0], 1)

    def test_cells_that_are_missing(self):
        self.assertNotEqual(self.Run(HEADER + "| `x` | y |\n")[0], 0)

    def test_invariants_that_no_table_has(self):
        loader = importlib.machinery.SourceFileLoader("check_names", str(TOOL))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_names", loader))
        loader.exec_module(module)
        table = "| INV-1 | holds |\n\nINV-4 to INV-6 are checked elsewhere"
        self.assertEqual(list(module.UnknownInvariants(table, {"a.h": "INV-1, INV-5", "b.h": "INV-2: broken, INV-15"})),
                         ["b.h: the table of invariants has no INV-2", "b.h: the table of invariants has no INV-15"])
        self.assertEqual(module.InvariantProblems(), [])


if __name__ == "__main__":
    unittest.main()
