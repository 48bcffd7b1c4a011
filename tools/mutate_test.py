#!/usr/bin/env python3
"""Tests of tools/mutate: which mutants it makes, what it remembers and reports, and a run over a small project."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import justified
from mutation import operators, report, runner

TOOLS = pathlib.Path(__file__).resolve().parent


def Changes(text, operator=None):
    source = operators.Source("x.h", text)
    return [report.Change(one) for one in source.Mutants() if operator in (None, one.operator)]


def In(body):
    return "void F() {\n" + body + "\n}\n"


class Operators(unittest.TestCase):
    def test_relations_are_those_with_space_around(self):
        self.assertEqual(Changes(In("if (a < b) std::vector<int> c;"), "Relation"),
                         ["Relation: < -> <=", "Relation: < -> >="])

    def test_constants_get_their_neighbours_and_zero(self):
        self.assertEqual(Changes(In("x = 63U;"), "Constant"),
                         ["Constant: 63U -> 0U", "Constant: 63U -> 62U", "Constant: 63U -> 64U"])
        self.assertEqual(Changes(In("x = 0;"), "Constant"), ["Constant: 0 -> 1"])

    def test_counts_are_swapped(self):
        self.assertEqual(Changes(In("x = std::countr_zero(y);"), "CountSwap"), ["CountSwap: countr_zero -> countl_zero"])

    def test_levels_move_where_they_are_read(self):
        self.assertEqual(Changes(In("int level = 0; level = 2; Go(level);"), "Level"),
                         ["Level: level -> (level + 1)", "Level: level -> (level - 1)"])

    def test_statements_go_and_declarations_stay(self):
        self.assertEqual(Changes(In("int a = 1; a = 2; Call(a); if (a == 1) ++a; const Type b(a); return;"), "Deletion"),
                         [f"Deletion: {one} -> static_cast<void>(0)" for one in ("a = 2", "Call(a)", "++a")])
        self.assertEqual(Changes(In("for (int i = 0; i < 3; ++i) Call(i);"), "Deletion"),
                         ["Deletion: Call(i) -> static_cast<void>(0)"])

    def test_conditions_are_negated_but_for_single_relations(self):
        self.assertEqual(Changes(In("if (a && b) x(); if (a == b) x(); if (int a = f()) x();"), "NegatedCondition"),
                         ["NegatedCondition: a && b -> !(a && b)"])

    def test_branches_and_arguments_change_places(self):
        self.assertEqual(Changes(In("x = a ? b : c;"), "SwappedBranches"), ["SwappedBranches: b : c -> c : b"])
        self.assertEqual(Changes(In("Call(a, std::pair<int, int>{}, c);"), "SwappedArguments"),
                         ["SwappedArguments: a, std::pair<int, int>{} -> std::pair<int, int>{}, a",
                          "SwappedArguments: std::pair<int, int>{}, c -> c, std::pair<int, int>{}"])

    def test_arguments_of_other_kinds_stay_where_they_are(self):
        for call in ("Call(this, a)", "Call(&a, b)", "Call(a, counters_)", "Call(a, kOrder)", "Call(nullptr, a)",
                     "Call(a, [] { b(); })", 'Call(a, "text")'):
            changes = Changes(In(f"{call};"), "SwappedArguments")
            self.assertEqual(changes, [], call)

    def test_the_name_of_a_destructor_stays(self):
        self.assertEqual(Changes("class C {\n  ~C();\n};\n" + In("x = ~y;"), "Unary"), ["Unary: ~ ->"])

    def test_what_is_no_code_is_left_alone(self):
        self.assertEqual(Changes('#define A 1 + 2\n// 1 + 2\nstatic_assert(1 + 2 == 3, "1 + 2");\n'
                                 "template <int n = 1>\nclass C {\n  C(int) = delete;\n};\n" +
                                 In("PA_ASSERT(a < 1);")), [])

    def test_lines_stay_where_they_are(self):
        text = In("Call(a,\n     b);\nCall(c);")
        source = operators.Source("x.h", text)
        for mutant in source.Mutants():
            self.assertEqual(source.Apply(mutant).count("\n"), text.count("\n"), mutant)

    def test_a_contract_prints_the_rule_as_it_was(self):
        source = operators.Source("x.h", In('PA_EXPECT(a <  b &&\n c == "x", a < b);'))
        mutants = source.Mutants()
        self.assertEqual({one.line for one in mutants}, {2, 3})
        first = next(one for one in mutants if one.replacement == "<=")
        self.assertIn('PA_EXPECT_MUTANT("a < b && c == \\"x\\"", a <=  b &&\n c == "x", a < b);', source.Apply(first))

    def test_equal_changes_of_equal_lines_are_told_apart(self):
        source = operators.Source("x.h", In("++a;\n++a;"))
        self.assertEqual([one.occurrence for one in source.Mutants() if one.operator == "Increment"], [0, 1])


class Report(unittest.TestCase):
    ROW = {"id": "x.h:1:1:Relation:<=", "file": "x.h", "line": 1, "column": 1, "operator": "Relation", "original": "<",
           "replacement": "<=", "status": "killed", "stage": "unit", "test": "x_test", "note": "", "compiled": 1,
           "seconds": 0.5}

    def test_interval_of_wilson(self):
        low, high = report.Wilson(85, 100)
        self.assertAlmostEqual(low, 0.7672, places=3)
        self.assertAlmostEqual(high, 0.9069, places=3)
        self.assertEqual(report.Wilson(0, 0), (0.0, 1.0))

    def test_score_leaves_out_what_is_no_mutant(self):
        rows = [{"status": one} for one in ("killed", "timeout", "survived", "justified", "equivalent", "invalid")]
        count = report.Count(rows)
        self.assertEqual((count["raw"], count["justified_score"]), (0.5, 0.75))

    def test_json_has_what_the_schema_requires(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "x.h").write_text("a < b\n", encoding="utf-8")
            report.WriteJson(folder / "r.json", folder, [self.ROW], {})
            told = json.loads((folder / "r.json").read_text(encoding="utf-8"))
            report.WriteCsv(folder / "r.csv", [self.ROW])
            self.assertEqual(len((folder / "r.csv").read_text(encoding="utf-8").splitlines()), 2)
        self.assertLessEqual({"schemaVersion", "thresholds", "files"}, set(told))
        file = told["files"]["x.h"]
        self.assertLessEqual({"language", "source", "mutants"}, set(file))
        mutant = file["mutants"][0]
        self.assertLessEqual({"id", "mutatorName", "location", "status"}, set(mutant))
        self.assertEqual(mutant["location"], {"start": {"line": 1, "column": 1}, "end": {"line": 1, "column": 2}})
        self.assertEqual((mutant["status"], mutant["killedBy"]), ("Killed", ["x_test"]))

    def test_a_cut_state_goes_on_and_survivors_are_tried_again(self):
        mutant = operators.Source("x.h", In("if (a < b) c();")).Mutants()[0]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "state"
            state = report.State(path)
            state.Add({**self.ROW, "id": report.Key(mutant), "file_hash": "f", "status": "survived",
                       "tests": {"x_test": "t"}})
            with open(path, "a", encoding="utf-8") as out:
                out.write('{"id": "cut')
            state = report.State(path)
            self.assertIsNotNone(state.Known(mutant, "f", {"x_test": "t"}))
            self.assertIsNone(state.Known(mutant, "f", {"x_test": "other"}))
            self.assertIsNone(state.Known(mutant, "other source", {"x_test": "t"}))
            self.assertEqual(state.Earlier(mutant, "f")["tests"], {"x_test": "t"})
            self.assertEqual(state.Earlier(mutant, "other source"), {})

    def test_list_of_justified_survivors(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "list"
            path.write_text("# words\nfile: x.h\nline: if (a < b) c();\nchange: Relation: < -> <=\nreason: because\n"
                            "  of this\n", encoding="utf-8")
            entry = justified.Read(path)[0]
            self.assertEqual(entry.reason, "because of this")
            first, second = operators.Source("x.h", In("  if (a < b) c();")).Mutants()[:2]
            self.assertTrue(report.Matches(entry, first, "  if (a < b) c();"))
            self.assertFalse(report.Matches(entry, second, "  if (a < b) c();"))
            self.assertFalse(report.Matches(entry, first, "  if (a < b) d();"))
            path.write_text("file: x.h\nline: y\nreason: z\n", encoding="utf-8")
            self.assertRaisesRegex(ValueError, "list:1: the entry has no 'change:'", justified.Read, path)
            path.write_text("fill: x.h\n", encoding="utf-8")
            self.assertRaisesRegex(ValueError, "list:1: 'fill: x.h' is no field", justified.Read, path)


class Compiler(unittest.TestCase):
    def test_only_errors_with_a_place_are_about_the_mutant(self):
        self.assertTrue(runner.ABOUT_THE_SOURCE.search("In file included\nallocator/x.h:7:2: error: no member"))
        self.assertFalse(runner.ABOUT_THE_SOURCE.search("error: unable to rename temporary 'a.o.tmp': No such file"))


class CommandLine(unittest.TestCase):
    def Mutate(self, *arguments):
        return subprocess.run([TOOLS / "mutate", *arguments], capture_output=True, text=True, check=False)

    def test_list_of_this_tree_is_not_stale(self):
        run = self.Mutate("--check-survivors")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_a_seed_always_chooses_the_same_and_shards_are_all(self):
        run = self.Mutate("--list", "--file", "summary.h", "--sample", "9", "--seed", "3")
        self.assertEqual(run.stdout, self.Mutate("--list", "--file", "summary.h", "--sample", "9", "--seed", "3").stdout)
        parts = [self.Mutate("--list", "--file", "summary.h", "--sample", "9", "--seed", "3", "--shard", f"{i}/2").stdout
                 for i in (1, 2)]
        self.assertEqual(sorted("".join(parts).splitlines()), sorted(run.stdout.splitlines()))
        self.assertEqual(len(run.stdout.splitlines()), 9)

    def test_wrong_use_ends_with_two(self):
        for arguments in (["--shard", "3/2"], ["--stages", "none"], ["--file", "no/such"], ["--show", "x"], ["--mutant", "x"], ["--nonsense"]):
            self.assertEqual(self.Mutate(*arguments).returncode, 2, arguments)


PROJECT = {
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
include_directories(allocator)
add_library(pagealloc STATIC allocator/pagealloc/twice.cc)
add_executable(half_test allocator/pagealloc/half_test.cc)
target_link_libraries(half_test PRIVATE pagealloc)
""",
    "allocator/pagealloc/half.h": """#pragma once
namespace pagealloc::internal {
inline void Broken(const char*, const char*, const char*, const char*, int) { __builtin_abort(); }
}
#define PA_EXPECT(rule) \\
  ((rule) ? static_cast<void>(0) : ::pagealloc::internal::Broken("contract", #rule, "", __FILE__, __LINE__))
inline unsigned Half(unsigned n) {
  unsigned unused = 3;
  if (n == 7) unused = n;
  PA_EXPECT(n < 1000);
  if (n > 100) return n;
  while (n == 12) continue;
  static_assert(sizeof(char[2]) == 2);
  return n / 2;
}
template <class T>
T Never(T n) {
  return n + 1;
}
""",
    "allocator/pagealloc/twice.h": "#pragma once\nunsigned Twice(unsigned n);\n",
    "allocator/pagealloc/twice.cc": '#include "pagealloc/twice.h"\nunsigned Twice(unsigned n) { return n * 2; }\n',
    "allocator/pagealloc/half_test.cc": """#include "pagealloc/half.h"
#include "pagealloc/twice.h"
int main(int count, char**) {  // what only depends on it is not computed by the compiler
  const unsigned one = static_cast<unsigned>(count);
  return Half(8 * one) == 4 && Twice(3) == 6 && Half(13 * one) == 6 ? 0 : 1;
}
""",
}


class SmallProject(unittest.TestCase):
    def test_a_source_belongs_to_the_program_that_its_object_is_for(self):
        with tempfile.TemporaryDirectory() as folder:
            repo = pathlib.Path(folder).resolve()
            command = (f"clang++ -include-pch {repo}/CMakeFiles/headers.dir/all.pch -o CMakeFiles/half_test.dir/half_test.cc.o "
                       f"-c {repo}/half_test.cc")
            (repo / "compile_commands.json").write_text(json.dumps(
                [{"directory": str(repo), "command": command, "file": f"{repo}/half_test.cc"}]), encoding="utf-8")
            self.assertEqual(runner.Tree(repo, repo).Programs("_test"), ["half_test"])

    def test_each_outcome(self):
        with tempfile.TemporaryDirectory() as folder:
            repo = pathlib.Path(folder).resolve()
            for name, text in PROJECT.items():
                (repo / name).parent.mkdir(parents=True, exist_ok=True)
                (repo / name).write_text(text, encoding="utf-8")
            subprocess.run(["cmake", "-S", repo, "-B", repo / "build", "-G", "Ninja", "-DCMAKE_CXX_COMPILER=clang++"],
                           check=True, capture_output=True)
            machine = runner.Runner(repo, repo / "build", repo / "work", grace=1)

            def Test(file, change, earlier=None, machine=machine):
                source = operators.Source(file, (repo / file).read_text(encoding="utf-8"))
                mutant = next(one for one in source.Mutants() if report.Change(one) == change)
                return machine.Test(source, mutant, earlier)

            header, code = "allocator/pagealloc/half.h", "allocator/pagealloc/twice.cc"
            found = Test(header, "Arithmetic: / -> *")
            self.assertEqual((found.status, found.stage, found.test, found.compiled), ("killed", "unit", "half_test", 1))
            self.assertEqual(Test(code, "Constant: 2 -> 3").status, "killed")
            self.assertEqual(Test(header, "Constant: 100 -> 101").status, "survived")
            unseen = Test(header, "Constant: 7 -> 8")
            self.assertEqual((unseen.status, unseen.note), ("equivalent", "same object code at -O2"))
            self.assertEqual(Test(header, "Arithmetic: + -> -").note, "no program's object code differs")
            self.assertEqual(Test(header, "Constant: 12 -> 13").status, "timeout")
            self.assertEqual(Test(header, "Relation: < -> >=").status, "killed")
            self.assertEqual(Test(header, "Constant: 1000 -> 1001").status, "survived")

            again = runner.Runner(repo, repo / "build", repo / "work", grace=1)
            again.Compile = None  # all that is needed of the unchanged tree is there
            self.assertEqual(again.Baseline("half_test", "-O0"), machine.Baseline("half_test", "-O0"))
            survived = again.Programs(header)
            self.assertEqual(list(survived), ["half_test"])
            earlier = {"tests": survived, "differs": [("half_test", "allocator/pagealloc/half_test.cc")]}
            found = Test(header, "Arithmetic: / -> *", earlier)
            self.assertEqual((found.status, found.compiled, found.differs, found.tests),
                             ("survived", 0, earlier["differs"], survived))
            again.stages = ("exhaustive",)  # says nothing of what the other stages see
            self.assertEqual(Test(header, "Constant: 7 -> 8", machine=again).status, "survived")
            test = repo / "allocator/pagealloc/half_test.cc"
            test.write_text(test.read_text(encoding="utf-8") + "// changed\n", encoding="utf-8")
            self.assertNotEqual(runner.Runner(repo, repo / "build", repo / "work").Programs(header), survived)


if __name__ == "__main__":
    unittest.main()
