#!/usr/bin/env python3
"""What tools/check_readme takes for the same output, and what it does not."""

import pathlib
import subprocess
import tempfile
import unittest

TOOL = pathlib.Path(__file__).with_name("check_readme")


class CheckReadme(unittest.TestCase):

    def Status(self, *blocks):
        with tempfile.NamedTemporaryFile("w", suffix=".md") as file:
            file.write("# title\n" + "".join(f"```{block}\n```\ntext\n" for block in blocks))
            file.flush()
            run = subprocess.run([TOOL, "build/none", file.name], capture_output=True, text=True,
                                 check=False)
        self.output = run.stdout + run.stderr
        return run.returncode

    def test_equal_output_passes(self):
        self.assertEqual(self.Status("console\n$ printf 'a\\nb\\n'\na\nb"), 0)

    def test_other_output_fails_and_is_shown(self):
        self.assertEqual(self.Status("console\n$ echo a\nb"), 1)
        self.assertIn("-b\n+a", self.output)

    def test_missing_and_additional_lines_fail(self):
        self.assertEqual(self.Status("console\n$ echo a\na\na"), 1)
        self.assertEqual(self.Status("console\n$ printf 'a\\na\\n'\na"), 1)
        self.assertEqual(self.Status("console\n$ echo a"), 1)

    def test_dots_stand_for_any_lines_but_not_for_what_follows_them(self):
        self.assertEqual(self.Status("console\n$ seq 9\n1\n...\n8\n9"), 0)
        self.assertEqual(self.Status("console\n$ seq 9\n1\n...\n8"), 1)

    def test_numbers_differ_only_where_the_block_says_so(self):
        self.assertEqual(self.Status("console loose\n$ echo 'took 12.5 ns   of 7'\ntook 9 ms of 1"), 0)
        self.assertEqual(self.Status("console\n$ echo 'took 12'\ntook 9"), 1)
        self.assertEqual(self.Status("console loose\n$ echo 'took 12'\ngave 9"), 1)

    def test_a_failing_command_fails_unless_its_status_is_shown(self):
        self.assertEqual(self.Status("sh\nfalse"), 1)
        self.assertEqual(self.Status('console\n$ false; echo "status $?"\nstatus 1'), 0)

    def test_commands_of_sh_blocks_are_all_run(self):
        self.assertEqual(self.Status("sh\ntrue\nfalse"), 1)

    def test_a_readme_without_snippets_fails(self):
        self.assertEqual(self.Status(), 1)

    def test_other_blocks_are_left_alone(self):
        self.assertEqual(self.Status("text\n$ false", "sh\ntrue"), 0)


if __name__ == "__main__":
    unittest.main()
