"""How a fuzz target is run by libFuzzer and by AFL++, and what their output says.

With -fork=N libFuzzer starts N processes over and over, prints a line now and then and no statistics
at the end; the last line has the sums. A finding ends it with status 77.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import time

LINE = re.compile(r"^#(?P<execs>\d+): cov: (?P<cov>\d+) ft: (?P<ft>\d+) corp: (?P<corp>\d+).*?"
                  r"oom/timeout/crash: (?P<oom>\d+)/(?P<timeout>\d+)/(?P<crash>\d+)", re.MULTILINE)
SINGLE = re.compile(r"^#(?P<execs>\d+)\s+\w+\s+cov: (?P<cov>\d+) ft: (?P<ft>\d+)", re.MULTILINE)
COUNT_VARIABLE = "PAGEALLOC_FUZZ_COUNT"  # fuzz/count_operations.cc appends to the file that it names
GRACE_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Engine:
    """One way of a night: which build, and how its programs are run."""
    build: str
    preset: str
    sanitizer: str
    run: object
    arch: str = "x86_64"
    engine: str = "libFuzzer"
    arguments: tuple = ()
    configure: tuple = ()


def ParseLibFuzzer(text):
    """Sums of a run from its output; zeros where it printed no line."""
    lines = list(LINE.finditer(text)) or list(SINGLE.finditer(text))
    last = lines[-1].groupdict() if lines else {}
    return {"execs": int(last.get("execs", 0)), "coverage": int(last.get("cov", 0)), "features": int(last.get("ft", 0)),
            "timeouts": int(last.get("timeout", 0) or 0) + int(last.get("oom", 0) or 0),
            "crashes": int(last.get("crash", 0) or 0)}


def RunMeasured(command, log, seconds, environment):
    """(status, seconds, highest resident bytes of one process)."""
    began = time.monotonic()
    with open(log, "wb") as out:
        process = subprocess.Popen(["timeout", "--kill-after=10", str(seconds), *map(str, command)],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.monotonic() - began, usage.ru_maxrss * 1024


def Artifacts(folder, kinds):
    return {path.name for path in folder.glob("*") if path.name.startswith(kinds) and not path.suffix}


def Arguments(program, found, seconds, seed):
    """What a run of libFuzzer is always told. Names of new functions cost each process of a fork some seconds."""
    dictionary = pathlib.Path(__file__).resolve().parents[2] / "fuzz" / "dictionaries" / program.name.replace("_fuzz", ".dict")
    return [f"-seed={seed}", f"-max_total_time={seconds}", "-timeout=20", "-entropic=0", "-rss_limit_mb=4096",
            "-print_funcs=0", f"-artifact_prefix={found}/", *([f"-dict={dictionary}"] if dictionary.is_file() else [])]


def LibFuzzer(program, corpus, seeds, found, seconds, jobs, seed, arguments):
    """One target for so many seconds: the figures of a line of DATE.csv."""
    log, counts = found / "fuzz.log", found / "counts"
    counts.unlink(missing_ok=True)
    before = Artifacts(found, ("crash-", "leak-")), Artifacts(found, ("timeout-", "oom-"))
    command = [program, f"-fork={jobs}", *Arguments(program, found, seconds, seed), *arguments, corpus, *seeds]
    environment = {**os.environ, COUNT_VARIABLE: str(counts)}
    status, took, peak = RunMeasured(command, log, seconds + GRACE_SECONDS, environment)
    row = ParseLibFuzzer(log.read_text(encoding="utf-8", errors="replace"))
    crashes = len(Artifacts(found, ("crash-", "leak-")) - before[0])
    row["timeouts"] = max(row["timeouts"], len(Artifacts(found, ("timeout-", "oom-")) - before[1]))
    # Whatever else ended it is a finding, too, until somebody has looked.
    row["crashes"] = max(row["crashes"], crashes, int(status != 0 and row["timeouts"] == 0))
    operations = sum(map(int, counts.read_text(encoding="utf-8").split())) if counts.exists() else 0
    return {**row, **Rates(row["execs"], operations, took), "peak_rss": peak, "log": str(log), "status": status}


def Rates(execs, operations, took):
    return {"seconds": round(took), "execs_per_s": round(execs / took), "operations": operations,
            "operations_per_s": round(operations / took)}


def ParseAfl(text):
    """AFL++'s fuzzer_stats."""
    fields = dict(re.findall(r"^(\w+)\s*: (.*)$", text, re.MULTILINE))
    number = lambda name: int(float(fields.get(name, "0").rstrip("%") or 0))
    return {"execs": number("execs_done"), "coverage": number("edges_found"), "features": number("corpus_count"),
            "crashes": number("saved_crashes"), "timeouts": number("saved_hangs"),
            "peak_rss": number("peak_rss_mb") << 20}


def Afl(program, corpus, seeds, found, seconds, jobs, seed, _arguments):
    """The same by AFL++: one main process and jobs - 1 others over a common folder."""
    work = found / "afl"
    shutil.rmtree(work, ignore_errors=True)
    start = work / "start"
    start.mkdir(parents=True)
    (start / "empty").write_bytes(b"\0")
    for folder in [corpus, *seeds]:
        for path in folder.iterdir():
            if path.is_file() and not path.suffix:
                shutil.copy(path, start / path.name)
    environment = {**os.environ, "AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_NO_AFFINITY": "1",
                   "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1"}
    began, processes, log = time.monotonic(), [], found / "fuzz.log"
    with open(log, "wb") as out:
        for i in range(jobs):
            command = ["afl-fuzz", "-i", start, "-o", work / "out", "-V", str(seconds), "-s", str(seed + i), "-t", "5000",
                       "-M" if i == 0 else "-S", f"f{i}", "--", program]
            processes.append(subprocess.Popen(["timeout", "--kill-after=10", str(seconds + GRACE_SECONDS),
                                               *map(str, command)],
                                              stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment))
        statuses = [process.wait() for process in processes]
    took = time.monotonic() - began
    rows = [ParseAfl(path.read_text(encoding="utf-8")) for path in sorted(work.glob("out/f*/fuzzer_stats"))]
    row = {name: (max if name in ("coverage", "features", "peak_rss") else sum)([one[name] for one in rows] or [0])
           for name in ParseAfl("")}
    for path in work.glob("out/f*/crashes/id*"):
        shutil.copy(path, found / f"crash-afl-{path.name.replace(':', '_').replace(',', '_')}")
    for path in work.glob("out/f*/queue/id*"):
        shutil.copy(path, corpus / f"afl-{path.name.replace(':', '_').replace(',', '_')}")
    return {**row, **Rates(row["execs"], 0, took), "log": str(log), "status": max(statuses)}


def Features(program, folders):
    """How many features an empty corpus gains from these folders, and what was merged: (number, folder)."""
    merged = folders[0].with_name(folders[0].name + ".merged")
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    run = subprocess.run([program, "-merge=1", "-timeout=20", "-rss_limit_mb=4096", merged, *folders],
                         capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"(\d+) new files with (\d+) new features", run.stderr)
    return int(found[2]) if found and run.returncode == 0 else None, merged


def Edges(program, folders, work):
    """The edges that a target's corpora reach, by their numbers in that program."""
    control, merged = work / "merge-control", work / "merged"
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    control.unlink(missing_ok=True)
    subprocess.run([program, "-merge=1", f"-merge_control_file={control}", "-timeout=20", "-rss_limit_mb=4096", merged,
                    *folders], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    lines = control.read_text(encoding="utf-8").splitlines()
    return {int(edge) for line in lines if line.startswith("COV ") for edge in line.split()[2:]}


FUNCTION = re.compile(r"^COVERED_FUNC: hits: \d+ edges: (\d+)/\d+ (.*) \S+$", re.MULTILINE)


def Functions(program, folders):
    """How many edges of each function the corpora reach: {name: edges}. Takes seconds: it asks for all names."""
    run = subprocess.run([program, "-runs=0", "-print_coverage=1", *folders], capture_output=True, text=True,
                         errors="replace", check=False)
    return {name: int(edges) for edges, name in FUNCTION.findall(run.stdout + run.stderr)}


def Merge(program, corpus, seeds):
    """Replaces a corpus by the merged one where that is better; says what was done."""
    known = corpus.with_name(corpus.name + ".features")
    before = int(known.read_text(encoding="utf-8")) if known.exists() else -1
    files = sum(path.is_file() for path in corpus.iterdir())
    features, merged = Features(program, [corpus, *seeds])
    count = sum(path.is_file() for path in merged.iterdir())
    better = features is not None and (features > before or (features == before and count < files))
    if better:
        shutil.rmtree(corpus)
        merged.rename(corpus)
        known.write_text(str(features), encoding="utf-8")
        return f"corpus merged: {count} files of {files}, {features} features"
    shutil.rmtree(merged)
    return f"corpus kept: {files} files" + (", the merge failed" if features is None else f", {before} features")


ENGINES = {
    "plain": Engine("fuzz", "fuzz", "address,undefined", LibFuzzer),
    "value-profile": Engine("fuzz", "fuzz", "address,undefined", LibFuzzer, arguments=("-use_value_profile=1",)),
    "i386": Engine("fuzz32", "fuzz32", "address,undefined", LibFuzzer, arch="i386"),
    "msan": Engine("msan", "msan", "memory", LibFuzzer),
    "tsan": Engine("fuzz-tsan", "fuzz-tsan", "thread", LibFuzzer),
    "afl": Engine("fuzz-afl", "fuzz32", "", Afl, engine="AFL++", configure=(
        "-DCMAKE_CXX_COMPILER=afl-clang-fast++", "-DCMAKE_CXX_FLAGS=", "-DPAGEALLOC_SANITIZE=")),
    "deep": Engine("release", "release", "", None, engine="exhaustive"),
}
