"""Compiles one mutant with the tests that can see it, and runs them until one fails.

CMake says how each source is compiled and each program linked; warnings and optimisation are taken
off, GoogleTest is precompiled. Of a program only those sources are compiled anew that include the
changed file, which lies in a folder that the compiler looks into first: the tree is never touched,
and several mutants run side by side. An object that comes out the same byte for byte is not run.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time

import includes
from mutation import operators

STAGES = ("unit", "exhaustive", "corpus", "random", "neighbours", "slow", "fuzz")
PRECOMPILED = """#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>
"""
# A check of the sources themselves that refuses to compile is a test that fails.
CHECKED_BY_COMPILER = re.compile(r"static_assert|static assertion|not a constant expression|"
                                 r"must be initialized by a constant expression")
# Others say that the machine had no place for the output, or no memory, and nothing about the mutant.
ABOUT_THE_SOURCE = re.compile(r"^\S+:\d+:\d+: (?:fatal )?error: ", re.MULTILINE)
SLOW_SECONDS = 10  # a test that takes longer without optimisation is asked again, with some, after all others
TRY_SECONDS = 4    # and has so long at first: most mutants are found soon
HUNG_SECONDS = 10  # every thread sleeps, and no time is used
MANY_TESTS = 3
POLL_SECONDS = 0.05
GROUPS = set()     # process groups that run a test now


class Broken(Exception):
    """The unchanged tree does not build, or a test fails on it."""


def LibraryFiles(repo):
    """What is changed: the library's sources, not its tests."""
    return [path for path in sorted((repo / "allocator/pagealloc").iterdir())
            if path.suffix in (".h", ".cc") and not re.search(r"_(test|benchmark)\.cc$", path.name)]


class Tree:
    """What CMake knows of a configured build, and who includes what."""

    def __init__(self, repo, build):
        self.repo, self.build, self.closures = repo, build, {}
        entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        self.sources = {}   # (program or library, source) -> command
        for entry in entries:
            source = pathlib.Path(entry["directory"], entry["file"]).resolve()
            output = entry.get("output") or shlex.split(entry["command"].partition(" -o ")[2])[0]
            owner = re.search(r"CMakeFiles/([^/]+)\.dir/", output)
            if owner and source.is_relative_to(repo):
                self.sources[owner[1], str(source.relative_to(repo))] = entry["command"]

    def Programs(self, suffix):
        return sorted({owner for owner, _ in self.sources if owner.endswith(suffix)})

    def Closure(self, name):
        """The file and everything of this repository that it includes, directly or not."""
        if name not in self.closures:
            self.closures[name] = {str(path.relative_to(self.repo))
                                   for path in includes.OwnFiles(self.repo / name, self.repo)}
        return self.closures[name]

    def Link(self, program):
        """(command of the linker, libraries of this build that it names)."""
        run = subprocess.run(["ninja", "-C", str(self.build), "-t", "commands", program],
                             capture_output=True, text=True, check=True)
        command = run.stdout.strip().splitlines()[-1].removeprefix(": && ").removesuffix(" && :")
        words = shlex.split(command)
        return words, [word for word in words if word.endswith(".a") and not word.startswith("/")]

    def Parts(self, program, libraries, traced):
        """Sources that the program consists of: (owner, source). `traced`: the files that a linker names."""
        owners = {re.fullmatch(r"(?:.*/)?lib(.+)\.a", name)[1] for name in libraries}
        members = set(re.findall(r"([\w.+-]+\.o)\b", traced))
        return [part for part in self.sources if part[0] == program or
                part[0] in owners and pathlib.Path(part[1]).name + ".o" in members]


def Corpora(repo, program):
    """Folders with inputs of a fuzz target."""
    name = re.sub("_(replay|fuzz)$", "", program)
    return [str(one) for kind in ("seeds", "regressions") if (one := repo / "corpora" / kind / name).is_dir()]


def Stages(tree, file, neighbours):
    """What tests a file, stage by stage: lists of program names, those with least source first."""
    header = file.removesuffix(".cc") + ".h" if file.endswith(".cc") else file
    seen = {}
    for program in tree.Programs("_test") + tree.Programs("_replay") + tree.Programs("_fuzz"):
        files = set().union(*(tree.Closure(source) for owner, source in tree.sources if owner == program))
        if file in files or header in files:
            seen[program] = sum((tree.repo / one).stat().st_size for one in files)
    stems = {path.stem for path in (tree.repo / "allocator").rglob("*.h")}

    def Owners(program):
        """Whose test a program is: of the longest name that its own begins with, and of what it includes first."""
        stem = program.removesuffix("_test")
        yield max((one for one in stems if stem == one or stem.startswith(one + "_")), key=len, default=None)
        for owner, source in tree.sources:
            first = includes.INCLUDE.search((tree.repo / source).read_bytes()) if owner == program else None
            if first:
                yield pathlib.Path(first[1].decode()).stem

    stages = {name: [] for name in STAGES}
    for program in sorted(seen, key=lambda one: (seen[one], one)):
        if program.endswith("_replay"):
            if Corpora(tree.repo, program):  # the canary, which has a bug of its own, has none
                stages["corpus"].append(program)
        elif program.endswith("_fuzz"):
            stages["fuzz"].append(program)
        elif "exhaustive" in program:
            stages["exhaustive"].append(program)
        elif "random" in program or "agreement" in program:
            stages["random"].append(program)
        elif pathlib.Path(file).stem in Owners(program):
            stages["unit"].append(program)
        else:
            stages["neighbours"].append(program)
    del stages["neighbours"][neighbours:]
    del stages["fuzz"][1:]  # the narrowest
    return stages


def Asleep(group):
    """CPU ticks of a process group so far; None while a thread of it runs, waits for a processor or is stopped."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[2] == str(group):
            if fields[0] in "RDTt":
                return None
            ticks += int(fields[11]) + int(fields[12])
    return ticks


def StopAll():
    """Ends the tests that run now: they have sessions of their own, and no signal of a terminal reaches them."""
    for group in list(GROUPS):
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def Run(command, cpu_seconds, log, environment=None):
    """(exit status, "timeout" when it ran too long or hung; CPU seconds). Other work on the machine does not count."""
    with open(log, "wb") as out:
        process = subprocess.Popen(["prlimit", f"--cpu={cpu_seconds}", "--core=0", f"--data={6 << 30}", *command],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                   env={**os.environ, **(environment or {})})
        GROUPS.add(process.pid)
        polls, slept, ticks = 0, 0.0, None
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            time.sleep(POLL_SECONDS)
            polls += 1
            if polls % 40 == 0:
                now = Asleep(process.pid)
                slept, ticks = (slept + 40 * POLL_SECONDS if now is not None and now == ticks else 0.0), now
                if slept > HUNG_SECONDS:
                    os.killpg(process.pid, signal.SIGKILL)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        GROUPS.discard(process.pid)
    status = "timeout" if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL) else process.returncode
    return status, ended[2].ru_utime + ended[2].ru_stime


@dataclasses.dataclass
class Outcome:
    status: str       # killed, timeout, survived, equivalent, invalid
    stage: str = ""
    test: str = ""
    note: str = ""
    compiled: int = 0
    seconds: float = 0.0
    tests: dict = dataclasses.field(default_factory=dict)    # survivors: fingerprints of the programs, see Programs
    differs: list = dataclasses.field(default_factory=list)  # and (program, source) whose object is another


class Runner:
    def __init__(self, repo, build, work, stages=STAGES, neighbours=6, fuzz_seconds=20, grace=3):
        self.tree, self.repo, self.work, self.grace = Tree(repo, build), repo, work, grace
        self.stages, self.neighbours, self.fuzz_seconds = stages, neighbours, fuzz_seconds
        self.baselines, self.plans, self.futures, self.links, self.prints = {}, {}, {}, {}, {}
        self.programs, self.library = {}, {str(path.relative_to(repo)) for path in LibraryFiles(repo)}
        self.compiler = self.Check(["clang++", "--version"])
        self.lock, self.build_lock = threading.Lock(), threading.Lock()
        work.mkdir(parents=True, exist_ok=True)
        self.precompiled = work / "precompiled.h"
        if not self.precompiled.exists() or self.precompiled.read_text(encoding="utf-8") != PRECOMPILED:
            self.precompiled.write_text(PRECOMPILED, encoding="utf-8")
        for optimise in ("-O0", "-O1"):
            output = f"{self.precompiled}{optimise}.pch"
            self.Kept(pathlib.Path(f"{output}.json"), [PRECOMPILED, self.compiler], lambda: self.Check(["clang++", "-std=c++20", optimise, "-w", "-Xclang", "-fpch-instantiate-templates", "-x",
                "c++-header", str(self.precompiled), "-o", output]))

    def Check(self, command, **arguments):
        run = subprocess.run(command, capture_output=True, text=True, check=False, **arguments)
        if run.returncode != 0:
            raise Broken(f"{shlex.join(command)}: {run.stdout[-2000:]}{run.stderr[-2000:]}")
        return run.stdout

    def Once(self, table, key, make):
        """make(), once for each key, whoever asks first; the others wait."""
        with self.lock:
            future = table.get(key)
            mine = future is None
            if mine:
                future = table[key] = concurrent.futures.Future()
        if mine:
            try:
                future.set_result(make())
            except Exception as error:  # pylint: disable=broad-except
                future.set_exception(error)
        return future.result()

    def Linked(self, program):
        """Command of the linker, and the sources that the program consists of; its libraries are built."""
        def Make():
            words, libraries = self.tree.Link(program)
            with self.build_lock:
                if libraries:
                    self.Check(["cmake", "--build", str(self.tree.build), "--target", *libraries])
            own = [self.Original(part, "-O0") for part in self.tree.sources if part[0] == program]
            binary = self.work / f"{program}.{os.getpid()}"
            traced = self.Check([*self.LinkCommand(words, own, binary), "-Wl,-t,-t"],  # twice: members of libraries
                                cwd=self.tree.build)
            binary.unlink()
            return words, self.tree.Parts(program, libraries, traced)
        return self.Once(self.links, program, Make)

    def Compile(self, part, overlay, mutated, output, optimise):
        """None, or what the compiler complained about."""
        owner, source = part
        path = overlay / source if overlay and source == mutated else self.repo / source
        words, kept, skip = shlex.split(self.tree.sources[part]), [], False
        for word in words[1:]:
            if skip or word in ("-c", "-o"):
                skip = word == "-o"
            elif not re.match(r"-[WO]|-pedantic|-g", word) and word != str(self.repo / source):
                kept.append(word)
        command = ["clang++", *([f"-I{overlay}/allocator", f"-I{overlay}", f"-fmacro-prefix-map={overlay}={self.repo}"]
                   if overlay else []), *kept, optimise, "-w", "-ferror-limit=1", operators.EXPECT_MACRO]
        if optimise != "-O2" and owner.endswith("_test"):
            command += ["-include-pch", f"{self.precompiled}{optimise}.pch"]
        run = subprocess.run([*command, "-c", str(path), "-o", str(output)], capture_output=True, text=True,
                             check=False, cwd=self.tree.build)
        return None if run.returncode == 0 else run.stderr or "the compiler ended without a word"

    def Kept(self, path, key, make):
        """What an earlier run made for this key, else make(). `path`: of the note that says so; JSON."""
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["key"] == key:
                return kept["value"]
        path.unlink(missing_ok=True)
        value = make()
        path.write_text(json.dumps({"key": key, "value": value}), encoding="utf-8")
        return value

    def Print(self, files, *more):
        """Fingerprint of sources."""
        digest = hashlib.sha256("".join(map(str, more)).encode())
        for name in sorted(files):
            content = self.Once(self.prints, name, lambda: hashlib.sha256((self.repo / name).read_bytes()).digest())
            digest.update(name.encode() + b"\0" + content)
        return digest.hexdigest()

    def Original(self, part, optimise):
        """The object of the unchanged source."""
        def Make():
            name = hashlib.sha256(f"{part}{optimise}".encode()).hexdigest()[:16]
            output = self.work / f"original-{name}.o"

            def Compile():
                fresh = output.with_suffix(f".{os.getpid()}")
                error = self.Compile(part, None, None, fresh, optimise)
                if error:
                    raise Broken(f"{part[1]} does not compile unchanged: {error}")
                fresh.replace(output)  # several processes may work here

            self.Kept(output.with_suffix(".json"), self.Print(self.tree.Closure(part[1]), self.tree.sources[part],
                                                              self.compiler, PRECOMPILED), Compile)
            return output
        return self.Once(self.futures, (part, optimise), Make)

    @staticmethod
    def LinkCommand(words, objects, binary):
        kept = [word for word in words if not word.endswith(".o")]
        kept[kept.index("-o") + 1] = str(binary)
        return [kept[0], *map(str, objects), *kept[1:]]

    def LinkAndRun(self, program, objects, place, cpu_seconds):
        """`objects`: those of the program itself and changed ones of libraries."""
        binary = place / program
        self.Check(self.LinkCommand(self.Linked(program)[0], objects, binary), cwd=self.tree.build)
        log = place / f"{program}.log"
        status, seconds = Run([str(binary), *self.ProgramArguments(program, place)], cpu_seconds, log,
                     {"GTEST_FAIL_FAST": "1", "GTEST_BRIEF": "1", "PAGEALLOC_EXHAUSTIVE_DEPTH": "4"})
        binary.unlink(missing_ok=True)
        return status, seconds, log

    def ProgramArguments(self, program, place):
        folders = Corpora(self.repo, program)
        if program.endswith("_replay"):
            return folders
        if program.endswith("_fuzz"):
            corpus = place / "corpus"
            corpus.mkdir(exist_ok=True)
            return [f"-max_total_time={self.fuzz_seconds}", "-timeout=20", f"-artifact_prefix={place}/", str(corpus),
                    *folders]
        return []

    def Baseline(self, program, optimise):
        """CPU seconds that the unchanged program takes; it must pass. None: over SLOW_SECONDS at -O0."""
        def Measure():
            own = [self.Original(part, optimise) for part in self.Linked(program)[1] if part[0] == program]
            place = self.work / f"baseline-{program}-{os.getpid()}"
            place.mkdir(exist_ok=True)
            most = SLOW_SECONDS if optimise == "-O0" else 1200
            status, seconds, log = self.LinkAndRun(program, own, place, most)
            output = Tail(log)
            shutil.rmtree(place)
            if status == "timeout" and optimise == "-O0":
                return None
            if status != 0:
                raise Broken(f"{program} fails unchanged (status {status}): {output}")
            return seconds

        def Make():
            parts = self.Linked(program)[1]
            key = self.Print(set().union(*(self.tree.Closure(part[1]) for part in parts)), self.compiler)
            return self.Kept(self.work / f"baseline-{program}{optimise}.json", key, Measure)
        return self.fuzz_seconds if program.endswith("_fuzz") else self.Once(self.baselines, (program, optimise), Make)

    def Plan(self, file):
        return self.Once(self.plans, file, lambda: Stages(self.tree, file, self.neighbours))

    def Programs(self, file):
        """What a mutant of the file must survive: fingerprints of the programs' sources, without the library's."""
        def Make():
            plan = self.Plan(file)
            return {program: self.Print({name for owner, source in self.tree.sources if owner == program
                                         for name in self.tree.Closure(source) if name not in self.library})[:16]
                    for stage in self.stages for program in plan[stage]}
        return self.Once(self.programs, file, Make)

    def Owed(self, file):
        """Of these the ones that this run's stages ask to the end: a slow one waits for its stage."""
        def Slow(program):
            path = self.work / f"baseline-{program}-O0.json"
            return path.exists() and json.loads(path.read_text(encoding="utf-8"))["value"] is None

        return {program: print_ for program, print_ in self.Programs(file).items()
                if "slow" in self.stages or not Slow(program)}

    def Test(self, source, mutant, earlier=None):
        """Outcome of one mutant. `earlier`: "tests" (see Programs) and "differs" of a run that it survived; of the
        programs only others are asked."""
        began = time.monotonic()
        overlay = self.work / f"mutant-{hashlib.sha256(mutant.Id().encode()).hexdigest()[:12]}-{mutant.occurrence}"
        path = overlay / mutant.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.Apply(mutant), encoding="utf-8")
        compiled = {}  # (part, optimisation) -> (object, whether it differs)
        try:
            outcome = self.AllStages(mutant, overlay, compiled, earlier or {})
        finally:
            shutil.rmtree(overlay, ignore_errors=True)
        outcome.compiled, outcome.seconds = len(compiled), time.monotonic() - began
        return outcome

    def AllStages(self, mutant, overlay, compiled, earlier):
        def Differing():
            return sorted({part for (part, _), (_, differs) in compiled.items() if differs} |
                          {tuple(part) for part in earlier.get("differs", ())})

        plan, programs, slow = self.Plan(mutant.file), self.Programs(mutant.file), []
        survived = {one: earlier["tests"][one] for one in programs
                    if earlier.get("tests", {}).get(one) == programs[one]}
        order = self.stages
        if len(plan["unit"]) > MANY_TESTS:  # then the exhaustive one is the quickest to ask
            order = sorted(order, key=lambda stage: stage != "exhaustive")
        for stage in order:
            asked = slow if stage == "slow" else [one for one in plan[stage] if one not in survived]
            if stage == "fuzz" and (asked or not plan[stage]):
                if not Differing():
                    break
                if self.SameWhenOptimised(mutant, overlay, Differing()):
                    return Outcome("equivalent", note="same object code at -O2")
            for program in asked:
                outcome = self.OneProgram(stage, program, mutant, overlay, compiled)
                if outcome:
                    return outcome
                if stage not in ("slow", "fuzz") and self.Baseline(program, "-O0") is None:
                    slow.append(program)
                else:
                    survived[program] = programs[program]
        if Differing() or self.stages != STAGES:
            return Outcome("survived", tests=survived, differs=Differing())
        return Outcome("equivalent", note="no program's object code differs" if compiled or earlier else
                       "no program sees it")

    def OneProgram(self, stage, program, mutant, overlay, compiled):
        """An outcome, or None where the program noticed nothing."""
        _, parts = self.Linked(program)
        optimise = "-O1" if stage in ("slow", "fuzz") else "-O0"
        seconds = self.Baseline(program, optimise)
        keys = [(part, optimise) for part in parts]
        for part, _ in keys:
            if mutant.file not in self.tree.Closure(part[1]) or (part, optimise) in compiled:
                continue
            output = overlay / f"{len(compiled)}.o"
            error = self.Compile(part, overlay, mutant.file, output, optimise)
            compiled[part, optimise] = (output, True)
            if error:
                if not ABOUT_THE_SOURCE.search(error):
                    raise Broken(f"{part[1]} cannot be compiled now: {error}")
                if CHECKED_BY_COMPILER.search(error):
                    return Outcome("killed", "compile", part[1], FirstError(error))
                return Outcome("invalid", "compile", part[1], FirstError(error))
            compiled[part, optimise] = (output, output.read_bytes() != self.Original(part, optimise).read_bytes())
        if not any(compiled[key][1] for key in keys if key in compiled):
            return None
        objects = [compiled[key][0] if key in compiled else self.Original(*key) for key in keys
                   if key in compiled or key[0][0] == program]
        limit = TRY_SECONDS if seconds is None else int(self.grace + 3 * seconds)
        status, _, log = self.LinkAndRun(program, objects, overlay, limit)
        if status == 0 or status == "timeout" and seconds is None:
            return None
        failed = re.search(r"^\[  FAILED  \] (\S+)", Text(log), re.MULTILINE)
        running = re.findall(r"^\[ RUN      \] (\S+)", Text(log), re.MULTILINE)
        test = failed[1] if failed else running[-1] if running else ""
        return Outcome("timeout" if status == "timeout" else "killed", stage, f"{program}{':' if test else ''}{test}")

    def SameWhenOptimised(self, mutant, overlay, parts):
        """Whether every one of these objects comes out the same from an optimising compiler."""
        for part in parts:
            output = overlay / "optimised.o"
            error = self.Compile(part, overlay, mutant.file, output, "-O2")
            if error or output.read_bytes() != self.Original(part, "-O2").read_bytes():
                return False
        return True


def Text(log):
    return log.read_text(encoding="utf-8", errors="replace")


def Tail(log):
    return Text(log)[-2000:]


def FirstError(text):
    found = re.search(r"error: (.*)", text)
    return (found[1] if found else text.strip())[:200]
