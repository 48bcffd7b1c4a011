#!/usr/bin/env python3
"""Tests of tools/discoverability, with small programs in place of fuzz targets."""

import csv
import pathlib
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent

# Seeds reach the edges 1 to 5, what it finds by itself all but one, and a sixth; its name says how else it is.
# As `bits`, because the shipped corpora are looked up by name.
FAKE = """#!/bin/sh
for last; do :; done
case $* in
  *-print_coverage=1*)
    case $last in
      *corpora*) echo 'COVERED_FUNC: hits: 1 edges: 5/9 A(int) a.h:1' >&2 ;;
      *) echo 'COVERED_FUNC: hits: 1 edges: 4/9 A(int) a.h:1' >&2 ;;
    esac
    exit 0 ;;
  *-merge=1*)
    for word; do case $word in -merge_control_file=*) control=${word#*=} ;; esac; done
    case $last in
      *corpora*) printf 'STARTED 0 1\\nFT 0 7\\nCOV 0 1 2 3\\nSTARTED 1 1\\nCOV 1 4 5\\n' >"$control" ;;
      *) printf 'COV 0 %s\\nCOV 1 6\\n' "$FOUND" >"$control" ;;
    esac
    exit 0 ;;
esac
[ -z "$(ls "$last")" ] || exit 3
exit "${STATUS:-0}"
"""


class Discoverability(unittest.TestCase):
    def Run(self, *arguments, found="1 2 3 4", status="0"):
        with tempfile.TemporaryDirectory() as folder:
            programs = pathlib.Path(folder) / "bin"
            programs.mkdir()
            for name in ("bits_fuzz", "canary_fuzz"):
                (programs / name).write_text(FAKE)
                (programs / name).chmod(0o755)
            run = subprocess.run([TOOLS / "discoverability", "--bin", programs, "--work", f"{folder}/work", "--results",
                                  f"{folder}/results", *arguments], capture_output=True, text=True, check=False,
                                 env={"PATH": "/usr/bin:/bin", "FOUND": found, "STATUS": status})
            path = pathlib.Path(folder) / "results" / "discoverability.csv"
            rows = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
            return run, rows

    def test_a_missing_edge_of_five_is_a_share_of_80_percent(self):
        run, rows = self.Run("--seconds", "7")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertEqual([(row["target"], row["seconds"], row["shipped_edges"], row["found_edges"], row["common_edges"],
                           row["share"]) for row in rows], [("bits", "7", "5", "5", "4", "0.8000")])

    def test_all_edges_are_enough(self):
        run, rows = self.Run(found="5 4 3 2 1")
        self.assertEqual((run.returncode, rows[0]["share"]), (0, "1.0000"))

    def test_functions_with_missing_edges_are_named(self):
        self.assertIn("1 A(int)", self.Run("--functions")[0].stdout)

    def test_a_finding_is_no_success(self):
        self.assertEqual(self.Run(found="1 2 3 4 5", status="77")[0].returncode, 1)

    def test_what_is_not_there_is_infrastructure(self):
        run, rows = self.Run("--targets", "none")
        self.assertEqual((run.returncode, rows), (2, []))
        self.assertIn("no none_fuzz in", run.stderr)
        self.assertEqual(self.Run("--seconds", "soon")[0].returncode, 2)


if __name__ == "__main__":
    unittest.main()
