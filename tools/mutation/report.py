"""What a run of mutation testing found: states that can be resumed, score and interval, CSV, JSON.

The JSON follows the public mutation-testing report schema, version 2, so that its viewers show it.
"""

import csv
import json
import math
import pathlib
import re

COLUMNS = ("id", "file", "line", "operator", "original", "replacement", "status", "stage", "test", "note", "compiled",
           "seconds")
SCHEMA_STATUS = {"killed": "Killed", "timeout": "Timeout", "survived": "Survived", "justified": "Ignored",
                 "equivalent": "Ignored", "invalid": "CompileError"}


def OneLine(text):
    return re.sub(r"\s+", " ", text).strip()


def Change(mutant):
    return f"{mutant.operator}: {OneLine(mutant.original)} -> {OneLine(mutant.replacement)}".rstrip()


def Matches(entry, mutant, text):
    """Whether an entry of the list of justified survivors is about this mutant, in a line of such text."""
    return (mutant.file == entry.file and text.strip() == entry.line and
            any(change in (Change(mutant), f"{mutant.operator}: *") for change in entry.changes))


def Wilson(hits, trials, z=1.96):
    """The 95 % interval of a share."""
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, z * z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials)) / (1 + square / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


class State:
    """Results so far, a JSON line each: written as they come, read when a run goes on."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut off when a run was ended
            self.rows[row["id"], row["file_hash"]] = row

    def Known(self, mutant, file_hash, tests):
        """What is still true of the mutant: tests that were changed since may find a survivor."""
        row = self.rows.get((Key(mutant), file_hash))
        return row if row and (row["status"] != "survived" or tests.items() <= row["tests"].items()) else None

    def Earlier(self, mutant, file_hash):
        """What an earlier run says of a survivor: the tests that need not be asked again."""
        return self.rows.get((Key(mutant), file_hash), {})

    def Add(self, row):
        self.rows[row["id"], row["file_hash"]] = row
        with open(self.path, "a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")


def Key(mutant):
    return f"{mutant.Id()}:{mutant.occurrence}"


def Count(rows):
    """Numbers of a run. Raw: of the mutants that compile and are not equal code."""
    number = {status: sum(row["status"] == status for row in rows) for status in SCHEMA_STATUS}
    found = number["killed"] + number["timeout"]
    trials = found + number["survived"] + number["justified"]
    low, high = Wilson(found, trials)
    return {**number, "mutants": len(rows), "tried": trials, "found": found, "raw": found / trials if trials else 0.0,
            "raw_low": low, "raw_high": high,
            "justified_score": (found + number["justified"]) / trials if trials else 0.0}


def Table(rows):
    """The same in words, then by stage and by file."""
    count = Count(rows)
    lines = [f"mutants {count['mutants']}: found {count['found']} (of them {count['timeout']} by time), survived "
             f"{count['survived']}, justified {count['justified']}; no mutant: equal code {count['equivalent']}, "
             f"does not compile {count['invalid']}",
             f"score {100 * count['raw']:.1f} % (95 % interval {100 * count['raw_low']:.1f} to "
             f"{100 * count['raw_high']:.1f}), with justified survivors {100 * count['justified_score']:.1f} %"]
    for title, key in (("found by", "stage"), ("file", "file")):
        names = sorted({row[key] for row in rows if key == "file" or row["status"] in ("killed", "timeout")})
        for name in names:
            part = [row for row in rows if row[key] == name]
            one = Count(part)
            if key == "stage":
                lines.append(f"  {title} {name:12} {one['found']:5}")
            elif one["tried"]:
                lines.append(f"  {name:45} {one['found']:4} of {one['tried']:4}  {100 * one['raw']:5.1f} %")
    return "\n".join(lines)


def WriteCsv(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "original": OneLine(row["original"]), "replacement": OneLine(row["replacement"])})


def WriteJson(path, repo, rows, config):
    files = {}
    for row in rows:
        file = files.setdefault(row["file"], {"language": "cpp", "mutants": [], "source":
                                              (repo / row["file"]).read_text(encoding="utf-8")})
        lines = row["original"].split("\n")
        end = {"line": row["line"] + len(lines) - 1,
               "column": len(lines[-1]) + (row["column"] if len(lines) == 1 else 1)}
        mutant = {"id": row["id"], "mutatorName": row["operator"], "replacement": row["replacement"],
                  "status": SCHEMA_STATUS[row["status"]], "duration": round(1000 * row["seconds"]),
                  "location": {"start": {"line": row["line"], "column": row["column"]}, "end": end}}
        if row["test"]:
            mutant["killedBy"] = [row["test"]]
        if row["note"] or row["status"] in ("equivalent", "justified"):
            mutant["statusReason"] = row["note"] or row["status"]
        file["mutants"].append(mutant)
    tests = sorted({row["test"] for row in rows if row["test"]})
    report = {"schemaVersion": "2.0", "thresholds": {"high": 100, "low": 85}, "config": config,
              "framework": {"name": "tools/mutate"}, "files": files,
              "testFiles": {"tests": {"tests": [{"id": one, "name": one} for one in tests]}}}
    pathlib.Path(path).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
