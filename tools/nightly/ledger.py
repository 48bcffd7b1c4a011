"""The figures of a night as CSV, and their sums since a target's sources last changed."""

import csv
import hashlib

NIGHT = ("date", "commit", "target", "engine", "sanitizer", "arch", "seconds", "execs", "execs_per_s", "operations",
         "operations_per_s", "coverage", "features", "corpus_files", "corpus_bytes", "crashes", "timeouts", "peak_rss",
         "seed")
LEDGER = ("target", "sources", "since", "last", "nights", "core_hours", "operations", "findings")


def Corpus(folder):
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return {"corpus_files": len(files), "corpus_bytes": sum(path.stat().st_size for path in files)}


def SourcesHash(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def Rows(path):
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def Write(path, columns, rows):
    aside = path.with_name(path.name + ".partial")
    with open(aside, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    aside.replace(path)


def AppendNight(path, rows):
    if rows:
        Write(path, NIGHT, [*Rows(path), *rows])


def AddToLedger(path, rows, sources, jobs):
    """Adds each target's night; what was counted for other sources begins anew."""
    book = {row["target"]: row for row in Rows(path)}
    for row in rows:
        digest = sources(row["target"])
        old = book.get(row["target"])
        if not old or old["sources"] != digest:
            old = {"target": row["target"], "sources": digest, "since": row["date"], "nights": 0, "core_hours": 0,
                   "operations": 0, "findings": 0}
        book[row["target"]] = {
            **old, "last": row["date"], "nights": int(old["nights"]) + 1,
            "core_hours": round(float(old["core_hours"]) + row["seconds"] * jobs / 3600, 3),
            "operations": int(old["operations"]) + row["operations"],
            "findings": int(old["findings"]) + row["crashes"] + row["timeouts"]}
    Write(path, LEDGER, [book[name] for name in sorted(book)])


def Table(rows):
    lines = [f"{'target':20} {'seconds':>8} {'execs':>12} {'exec/s':>8} {'operations':>14} {'features':>8} {'found':>5}"]
    for row in rows:
        lines.append(f"{row['target']:20} {row['seconds']:8} {row['execs']:12} {row['execs_per_s']:8} "
                     f"{row['operations']:14} {row['features']:8} {row['crashes'] + row['timeouts']:5}")
    return "\n".join(lines)
