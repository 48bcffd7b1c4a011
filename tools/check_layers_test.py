#!/usr/bin/env python3
"""What tools/check_layers finds and what it lets pass, on small trees with planted mistakes."""

import pathlib
import subprocess
import tempfile
import unittest

TOOL = pathlib.Path(__file__).with_name("check_layers")
README = """# example
```text layers
contract <- units <- layout   contract <- os_memory
pagealloc <- testing <- unit tests, fuzz, run
base <- trace <- run, fuzz
standard library only: pagealloc, testing, base, and whatever fuzz includes
```
"""
SOUND = {
    "README.md": README,
    "allocator/pagealloc/contract.h": "#include <cstdio>\n",
    "allocator/pagealloc/units.h": '#include "pagealloc/contract.h"\n',
    "allocator/pagealloc/layout.h": '#include "pagealloc/contract.h"\n#include "pagealloc/units.h"\n',
    "allocator/pagealloc/os_memory.h": "#include <sys/mman.h>\n",
    "allocator/pagealloc/units_test.cc":
        '#include <gtest/gtest.h>\n#include "testing/page_map.h"\n#include "pagealloc/layout.h"\n',
    "allocator/testing/page_map.h": '#include "pagealloc/layout.h"\n',
    "harness/base/clock.h": "#include <ctime>\n",
    "harness/trace/reader.h": '#include "harness/base/clock.h"\n',
    "harness/trace/reader.cc": '#include "harness/trace/reader.h"\n',
    "harness/trace/file.cc": '#include <zstd.h>\n#include "absl/status/status.h"\n',
    "harness/run/runner.h": '#include "harness/trace/reader.h"\n#include "testing/page_map.h"\n',
    "fuzz/bits_fuzz.cc": '#include "pagealloc/units.h"\n#include "harness/trace/reader.h"\n',
}


class CheckLayers(unittest.TestCase):

    def Run(self, changes=()):
        """The tool's exit status and output on the sound tree with `changes` laid over it."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**SOUND, **dict(changes)}.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            run = subprocess.run([TOOL, folder], capture_output=True, text=True, check=False)
            self.assertEqual(run.stderr, "")
            return run.returncode, run.stdout

    def Refuses(self, changes, message):
        status, output = self.Run(changes)
        self.assertIn(message, output)
        self.assertIn("problems: 1", output)
        self.assertEqual(status, 1)

    def test_a_sound_tree_passes(self):
        self.assertEqual(self.Run(), (0, "check_layers: includes: 18, problems: 0\n"))

    def test_a_lower_layer_must_not_include_a_higher_one(self):
        self.Refuses({"allocator/pagealloc/contract.h": '\n#include "pagealloc/units.h"\n'},
                     "allocator/pagealloc/contract.h:2: includes pagealloc/units.h: "
                     "'contract' must not include 'units'")

    def test_layers_side_by_side_must_not_include_each_other(self):
        self.Refuses({"allocator/pagealloc/os_memory.h": '# include "pagealloc/layout.h"\n'},
                     "'os_memory' must not include 'layout'")

    def test_the_library_must_not_include_its_model_but_its_tests_may(self):
        self.Refuses({"allocator/pagealloc/layout.h": '#include "testing/page_map.h"\n'},
                     "'layout' must not include 'testing'")

    def test_the_library_must_not_include_a_third_party_header(self):
        self.Refuses({"allocator/pagealloc/units.h": "#include <zstd.h>\n"},
                     "'units' has the standard library only")

    def test_what_a_fuzz_target_includes_must_not_include_a_third_party_header(self):
        self.Refuses({"harness/trace/reader.cc": '#include "absl/status/status.h"\n'},
                     "harness/trace/reader.cc:1: includes absl/status/status.h: "
                     "'trace' has the standard library only")

    def test_what_a_fuzz_target_includes_may_be_spared(self):
        with_absl = {"harness/trace/reader.cc": '#include "absl/status/status.h"\n',
                     "README.md": README.replace("fuzz includes", "fuzz includes but trace")}
        self.assertEqual(self.Run(with_absl), (0, "check_layers: includes: 18, problems: 0\n"))
        self.Refuses({**with_absl, "harness/base/clock.h": "#include <zstd.h>\n"},
                     "'base' has the standard library only")

    def test_a_path_that_depends_on_the_folder_is_refused(self):
        self.Refuses({"harness/trace/reader.cc": '#include "reader.h"\n'},
                     "spell the path from allocator/ or from the top")

    def test_a_file_without_a_layer_is_refused(self):
        self.Refuses({"allocator/pagealloc/heap.h": ""}, "layer 'heap' is not in README.md's list")

    def test_a_name_that_stands_for_no_file_is_refused(self):
        self.Refuses({"README.md": README.replace("<- os_memory", "<- os_memory, sbrk")},
                     "'sbrk' names nothing in the repository")

    def test_a_circle_in_the_list_is_refused(self):
        self.Refuses({"README.md": README.replace("<- layout ", "<- layout <- contract ")},
                     "a circle")

    def test_a_readme_without_the_list_is_refused(self):
        self.Refuses({"README.md": "# example\n"}, "no fenced block")


if __name__ == "__main__":
    unittest.main()
