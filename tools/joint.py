"""Several sources as one text: what check_syntax and check_tidy share."""

import hashlib
import re
import shlex
import subprocess

from includes import OwnFiles


def Mark(folder, source, *texts):
    """A file of `folder` that stands for a source, the headers of ours that it includes, and texts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    for path in OwnFiles(source):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return folder / digest.hexdigest()


def Flags(entry):
    """Of a compile command, what files of one target have in common."""
    words = shlex.split(entry["command"])
    while not words[0].startswith("-"):
        del words[0]  # the compiler, and what starts it
    return tuple(words[:words.index("-o")])


def TextFor(folder, sources):
    """Where the text of these sources lies."""
    return folder / (hashlib.sha256(repr(sorted(sources)).encode()).hexdigest()[:16] + ".cc")


def Write(path, sources):
    """One text of several; messages of the compiler name the sources."""
    with path.open("w", encoding="utf-8") as text:
        for source in sources:
            text.write(f'#line 1 "{source}"\n{source.read_text(encoding="utf-8")}\n')


def CompileTogether(path, command, sources):
    """Those of `sources` that `command` compiles as one text, which is left in `path`; or none, and no text."""
    while len(sources) > 1:
        Write(path, sources)
        run = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return sources
        clashing = set(re.findall(r"^([^\s:]+):\d+:\d+: (?:fatal )?error:", run.stderr, re.M))
        left = [source for source in sources if str(source) not in clashing]
        if len(left) == len(sources):
            break
        sources = left
    path.unlink(missing_ok=True)
    return []
