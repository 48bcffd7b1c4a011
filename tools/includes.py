"""Which files of this repository a source includes: what the tools in Python share."""

import pathlib
import re

REPO = pathlib.Path(__file__).resolve().parents[1]
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def OwnFiles(source, repo=REPO):
    """The source file and all headers of the repository that it includes, directly or not; sorted paths."""
    found, queue = set(), [source]
    while queue:
        path = queue.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for name in INCLUDE.findall(path.read_bytes()):
            queue += [repo / name.decode(), repo / "allocator" / name.decode()]
    return sorted(found)
