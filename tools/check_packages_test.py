#!/usr/bin/env python3
"""tools/check_packages finds a package that the list forgot and one that nothing uses."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).parent
LIST = TOOLS / "packages.txt"
BUILD = sys.argv.pop()


class CheckPackages(unittest.TestCase):

    def Run(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            run = subprocess.run([TOOLS / "check_packages", BUILD, file.name], capture_output=True,
                                 text=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.returncode, run.stdout

    def Without(self, package):
        lines = LIST.read_text(encoding="utf-8").splitlines(keepends=True)
        left = [line for line in lines if line.split(" ")[0] != package]
        self.assertEqual(len(left), len(lines) - 1)
        return "".join(left)

    def test_the_list_as_it_is_passes(self):
        status, output = self.Run(LIST.read_text(encoding="utf-8"))
        self.assertIn("problems: 0", output)
        self.assertEqual(status, 0)

    def test_a_forgotten_library_is_found(self):
        status, output = self.Run(self.Without("libabsl-dev"))
        self.assertIn("package libabsl-dev is not in tools/packages.txt", output)
        self.assertEqual(status, 1)

    def test_a_forgotten_program_is_found(self):
        status, output = self.Run(self.Without("shellcheck"))
        self.assertIn("tools/test runs shellcheck: package shellcheck is not in tools/packages.txt",
                      output)
        self.assertEqual(status, 1)

    def test_a_package_that_nothing_uses_is_found(self):
        status, output = self.Run(LIST.read_text(encoding="utf-8") + "libsqlite3-dev  build  nothing\n")
        self.assertIn("nothing uses libsqlite3-dev", output)
        self.assertEqual(status, 1)


if __name__ == "__main__":
    unittest.main()
