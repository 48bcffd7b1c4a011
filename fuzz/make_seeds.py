#!/usr/bin/env python3
"""Writes the first seeds of the fuzz targets into a folder: scenarios, and pieces of golden traces.

usage: fuzz/make_seeds.py OUT [TRACE.pagetrace.zst...]

OUT/NAME/ gets an input for each scenario of target NAME; page_alloc and page_alloc_large also get programs
made of the traces, 120 records each. The bytes are those of decode_ops.h and of the targets' own headers.
A target then grows them; corpora/seeds/README.md has the commands.
"""

import hashlib
import pathlib
import random
import subprocess
import sys

# Kinds of operations, as the low half of a first byte (kKindOf in decode_ops.cc).
ALLOCATE, FREE, GROW, FIND, FREE_PART, ALLOCATE_RANGE, FREE_RANGE = 0, 1, 2, 3, 5, 6, 7
TAKE_CACHE, CACHE_ALLOCATE, FLUSH, ALLOCATE_MANY, FREE_MANY, RETURN_BLOCK = 9, 10, 11, 13, 14, 15
# Pages of the size codes 0 to 13 (kSizes); the last two are a chunk of 512 pages, less one and whole.
SIZES = [1, 2, 3, 4, 8, 16, 63, 64, 65, 127, 128, 129, 511, 512]


def Op(kind, argument=0, *rest):
    """An operation: `argument` in the high half, or in the next byte where it is 15 or more."""
    if argument < 15:
        return bytes([kind | argument << 4, *rest])
    return bytes([kind | 0xF0, argument - 15, *rest])


def Programs():
    """Scenarios of page_alloc: each part of the allocator on its own, then all together."""
    yield b"".join(Op(ALLOCATE, size) for size in range(15))
    yield Op(ALLOCATE_MANY, 0, 63) + Op(FREE_MANY, 1) + b"".join(Op(FIND, n) for n in range(5)) + Op(ALLOCATE_MANY, 1, 20)
    yield b"".join(Op(GROW, gap % 15, gap | 8) for gap in range(8)) + Op(ALLOCATE_MANY, 13, 20) + Op(FREE_MANY, 2)
    yield b"".join(Op(GROW, 2, 16 | gap) for gap in range(8)) + Op(ALLOCATE_MANY, 30, 9)  # downwards
    yield Op(GROW, 3, 9) + Op(GROW, 1, 24) + Op(ALLOCATE, 35) + Op(FREE) + Op(FIND, 41)  # into a hole
    yield b"".join(Op(GROW, 5, refused << 5 | 8) + Op(ALLOCATE, 13) for refused in range(1, 8))  # refusals
    yield b"".join(Op(TAKE_CACHE, k) + Op(CACHE_ALLOCATE, k) for k in range(4)) + b"".join(Op(FLUSH, k) for k in range(4))
    yield Op(ALLOCATE_MANY, 7, 40) + b"".join(Op(FREE_PART, k, 3 * k, k) for k in range(15)) + Op(ALLOCATE_MANY, 3, 40)
    yield b"".join(Op(ALLOCATE_RANGE, k, 40 * k % 256, k % 4) + Op(FREE_RANGE, k, 40 * k % 256, k % 4) for k in range(15))
    yield Op(ALLOCATE_MANY, 8, 63) + b"".join(Op(RETURN_BLOCK, k, 5 * k, 64 * k % 256, k) for k in range(20))
    for code in range(54, 59):  # runs about as long as the index can tell
        yield Op(GROW, 15 if code % 2 else 2, 8) + Op(ALLOCATE, code) + Op(ALLOCATE, 13) + Op(FREE) + Op(ALLOCATE, code) + Op(FREE)
    rng = random.Random(1)
    for _ in range(20):
        yield bytes(rng.randrange(256) for _ in range(60))


def TracePrograms(path, records=120, pieces=6):
    """Pieces of a golden trace: allocations by the nearest size, frees by their place in the list of live ones."""
    text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in text.splitlines() if line[:2] in ("a ", "f ", "g ", "c", "c ", "k ")]
    for piece in range(pieces):
        begin = piece * max(1, len(lines) - records) // pieces
        program, live = b"", []
        for fields in lines[begin:begin + records]:
            if fields[0] == "a":
                pages = int(fields[2])
                program += Op(ALLOCATE, min(range(len(SIZES)), key=lambda k: abs(SIZES[k] - pages)))
                live.append(fields[1])
            elif fields[0] == "f" and fields[1] in live:
                program += Op(FREE, live.index(fields[1]))
                live.remove(fields[1])
            elif fields[0] == "g":
                program += Op(GROW, 1, 0)
            elif fields[0] == "c":
                program += Op(TAKE_CACHE, piece % 4)
            elif fields[0] == "k":
                program += Op(FLUSH, piece % 4)
        yield program


def Narrow(seed, count=40, size=96):
    """Bytes of few kinds, so that operations repeat, and of all kinds."""
    rng = random.Random(seed)
    for i in range(count):
        kinds = [rng.randrange(256) for _ in range(3 + i % 12)]
        yield bytes(rng.choice(kinds) if i % 2 else rng.randrange(256) for _ in range(4 + i * size // count))


def Write(folder, inputs):
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    out, traces = pathlib.Path(sys.argv[1]), sys.argv[2:]
    programs = [*Programs(), *(program for trace in traces for program in TracePrograms(trace))]
    for name in ("page_alloc", "page_alloc_large"):
        inputs = []
        for i, program in enumerate(programs):
            # Places, how often all is checked, layouts and the first growth: each a few times.
            inputs.append(bytes([i * 37 % 256, 0, 0, i * 29 % 256]) + program)
        Write(out / name, inputs)
    for seed, name in enumerate(("page_cache", "bits", "find_range64", "fill_aligned", "summary",
                                 "scav_candidate", "addr_ranges", "reach")):
        Write(out / name, Narrow(seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
