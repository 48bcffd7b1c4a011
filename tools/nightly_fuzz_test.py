#!/usr/bin/env python3
"""Tests of tools/nightly-fuzz: what it reads, counts and decides, with small programs in place of fuzz targets."""

import csv
import pathlib
import subprocess
import tempfile
import unittest

from nightly import engines, ledger

TOOLS = pathlib.Path(__file__).resolve().parent

FORK = """INFO: -fork=2: fuzzing in separate process(s)
#6127: cov: 410 ft: 1201 corp: 50 exec/s 3063 oom/timeout/crash: 0/0/0 time: 3s job: 1 dft_time: 0
#91744: cov: 415 ft: 1320 corp: 77 exec/s 9000 oom/timeout/crash: 1/2/3 time: 9s job: 7 dft_time: 0
INFO: exiting: 77 time: 10s
"""
# A target that prints what libFuzzer prints, counts, and merges like it. Its name says what else it does.
FAKE = """#!/bin/sh
for last; do :; done
case $* in
  *-merge=1*)
    for word; do case $word in *.merged) echo input >"$word/one" ;; esac; done
    echo 'MERGE-OUTER: 1 new files with 5 new features added; 2 new coverage edges' >&2
    exit 0 ;;
esac
case $0 in
  *silent_fuzz) exit 0 ;;
  *broken_fuzz | *canary_fuzz)
    for word; do case $word in -artifact_prefix=*) : >"${word#-artifact_prefix=}crash-1" ;; esac; done ;;
esac
echo 7 >>"$PAGEALLOC_FUZZ_COUNT"
echo 5 >>"$PAGEALLOC_FUZZ_COUNT"
echo '#100: cov: 4 ft: 5 corp: 1 exec/s 3 oom/timeout/crash: 0/0/0 time: 3s job: 1 dft_time: 0' >&2
case $0 in *broken_fuzz | *canary_fuzz) exit 77 ;; esac
"""


class Parsing(unittest.TestCase):
    def test_last_line_of_fork_mode_has_the_sums(self):
        self.assertEqual(engines.ParseLibFuzzer(FORK), {"execs": 91744, "coverage": 415, "features": 1320, "timeouts": 3,
                                                        "crashes": 3})

    def test_no_line_is_no_input(self):
        self.assertEqual(engines.ParseLibFuzzer("Segmentation fault\n")["execs"], 0)

    def test_statistics_of_afl(self):
        row = engines.ParseAfl("execs_done        : 1234\nedges_found       : 56\ncorpus_count      : 7\n"
                               "saved_crashes     : 1\nsaved_hangs       : 2\npeak_rss_mb       : 3\n")
        self.assertEqual(row, {"execs": 1234, "coverage": 56, "features": 7, "crashes": 1, "timeouts": 2,
                               "peak_rss": 3 << 20})


class Ledger(unittest.TestCase):
    ROW = {"target": "bits", "date": "2026-01-02", "seconds": 1800, "operations": 100, "crashes": 1, "timeouts": 0}

    def test_sums_until_the_sources_change(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "ledger.csv"
            for digest in ("a", "a"):
                ledger.AddToLedger(path, [self.ROW], lambda target, digest=digest: digest, 2)
            row = ledger.Rows(path)[0]
            self.assertEqual((row["nights"], row["core_hours"], row["operations"], row["findings"]), ("2", "2.0", "200", "2"))
            ledger.AddToLedger(path, [self.ROW], lambda target: "b", 2)
            row = ledger.Rows(path)[0]
            self.assertEqual((row["sources"], row["nights"], row["operations"]), ("b", "1", "100"))


class Merging(unittest.TestCase):
    def Merge(self, known, files):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            program = Fake(folder, "one")
            corpus = folder / "corpus"
            corpus.mkdir()
            for i in range(files):
                (corpus / str(i)).write_text("x", encoding="utf-8")
            (folder / "corpus.features").write_text(str(known), encoding="utf-8")
            engines.Merge(program, corpus, [])
            self.assertEqual([path.name for path in folder.glob("*.merged")], [])
            return len(list(corpus.iterdir())), (folder / "corpus.features").read_text(encoding="utf-8")

    def test_more_features_or_fewer_files_replace_a_corpus(self):
        self.assertEqual(self.Merge(4, 1), (1, "5"))
        self.assertEqual(self.Merge(5, 2), (1, "5"))

    def test_fewer_features_do_not(self):
        self.assertEqual(self.Merge(6, 3), (3, "6"))
        self.assertEqual(self.Merge(5, 1), (1, "5"))


def Fake(folder, name):
    path = folder / f"{name}_fuzz"
    path.write_text(FAKE, encoding="utf-8")
    path.chmod(0o755)
    return path


class Night(unittest.TestCase):
    def Run(self, *names, arguments=()):
        """Status, rows of the night, rows of the ledger."""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name in names:
                Fake(folder, name)
            run = subprocess.run([TOOLS / "nightly-fuzz", "--bin", folder, "--results", folder / "results", "--work", folder, "--mode",
                                  "plain", "--budget", "4s", "--jobs", "2", "--no-coverage", *arguments],
                                 capture_output=True, text=True, check=False)
            nights = sorted((folder / "results").glob("2*.csv"))
            rows = []
            if nights:
                with open(nights[0], encoding="utf-8", newline="") as file:
                    rows = list(csv.DictReader(file))
            return run.returncode, {row["target"]: row for row in rows}, ledger.Rows(folder / "results/ledger.csv")

    def test_a_clean_night(self):
        status, rows, book = self.Run("canary", "test_clean")
        self.assertEqual(status, 0)
        row = rows["test_clean"]
        self.assertEqual((row["execs"], row["operations"], row["features"], row["crashes"]), ("100", "12", "5", "0"))
        self.assertEqual((row["engine"], row["sanitizer"], row["arch"]), ("libFuzzer", "address,undefined", "x86_64"))
        self.assertEqual({one["target"] for one in book}, {"canary", "test_clean"})

    def test_a_finding_is_one_and_the_night_goes_on(self):
        status, rows, _ = self.Run("canary", "test_broken", "test_clean")
        self.assertEqual(status, 1)
        self.assertEqual((rows["test_broken"]["crashes"], rows["test_clean"]["crashes"]), ("1", "0"))

    def test_a_canary_that_finds_nothing_makes_the_night_red(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Fake(pathlib.Path(folder), "canary")
            program.write_text(FAKE.replace("| *canary_fuzz", ""), encoding="utf-8")
            run = subprocess.run([TOOLS / "nightly-fuzz", "--bin", folder, "--results", folder, "--work", folder,
                                  "--mode", "plain", "--no-coverage"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn("the canary's bug was not found", run.stderr)

    def test_what_does_not_run_is_infrastructure(self):
        self.assertEqual(self.Run("canary", "test_silent")[0], 2)
        self.assertEqual(self.Run("test_clean")[0], 2)  # no canary
        self.assertEqual(self.Run("canary", "test_clean", arguments=["--targets", "other"])[0], 2)

    def test_wrong_use_is_infrastructure_too(self):
        for arguments in (["--budget", "soon"], ["--mode", "sundays"], ["--nonsense"]):
            run = subprocess.run([TOOLS / "nightly-fuzz", *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 2, arguments)


if __name__ == "__main__":
    unittest.main()
