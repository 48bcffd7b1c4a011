#!/usr/bin/env python3
"""Reads the page of `report` as a program does, and with --browser as a reader does.

Usage: harness/report_page_test.py PROGRAM [--browser CHROMIUM [--keep FOLDER]]

The page is made of two runs with a label and file names that try to be markup. Without --browser: it is
well-formed XML, has no script, no address on a network, no link that leads nowhere, and is small. With it:
Chromium shows it light, dark, narrow and printed, says nothing on its console and asks no network for
anything; --keep leaves the pictures there.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
import zlib

HOSTILE = "<script>alert(1)</script>\"'&amp;"
LIGHT, DARK = (0xFF, 0xFF, 0xFF), (0x14, 0x18, 0x1C)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--enable-logging=stderr",
         "--proxy-server=127.0.0.1:9"]  # nobody listens there: the browser's own calls go nowhere either
problems = []


def Check(good, what):
    if not good:
        problems.append(what)


def MakePage(program, folder):
    """The page, of runs that a hostile hand has named."""
    names = ["base.csv", "n<i>w&.csv"]
    for name in names:
        subprocess.run([program, "run", "-w", "hot,churn,go-spans", "--smoke", "-q", "--reps", "6", "-o", name,
                        "--label", HOSTILE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    page = folder / "page.html"
    subprocess.run([program, "report", *names, "-o", page.name], cwd=folder, check=True)
    return page


def CheckText(page):
    text = page.read_text(encoding="utf-8")
    Check(len(text.encode()) <= 500_000, "larger than 500 KB")
    Check(text.startswith("<!DOCTYPE html>"), "no doctype")
    root = xml.etree.ElementTree.fromstring(text)  # raises where it is not well-formed
    ids, links, texts = [], [], []
    for element in root.iter():
        tag = element.tag.split("}")[-1]
        Check(tag not in ("script", "iframe", "object", "embed", "link", "img"), f"a <{tag}>")
        texts.append(element.text or "")
        for name, value in element.attrib.items():
            Check(not name.lower().startswith("on"), f"{tag} has {name}")
            Check(not re.search(r"\w+://|javascript:", value), f"{tag} {name}={value}")
            if name == "id":
                ids.append(value)
            if name == "href":
                links.append(value)
        if tag == "svg":
            Check("aria-hidden" in element.attrib or element.get("role") == "img", "an svg without a role")
    Check(len(ids) == len(set(ids)), "an id stands twice")
    Check(links and all(link.startswith("#") and link[1:] in ids for link in links),
          f"links lead nowhere: {links}")
    Check(any(HOSTILE in one for one in texts), "the label is not shown as it is")
    Check(not re.search(r"url\(|@import|@font-face", text), "the style fetches something")
    Check("nan" not in re.findall(r'(?:x|y|cx|cy|points)="[^"]*?(nan|inf)', text), "a coordinate is no number")


def FirstPixel(png):
    """The colour of the upper left corner, where every filter of the first line leaves it as it is."""
    data, at = b"", 8
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += 12 + size
    return tuple(zlib.decompress(data)[1:4])


def Look(browser, page, folder, *flags):
    """What the page said on the console, and which addresses it asked for."""
    log = folder / "net.json"
    with tempfile.TemporaryDirectory() as profile:
        run = subprocess.run([browser, *FLAGS, f"--user-data-dir={profile}", f"--log-net-log={log}", *flags,
                              page.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    Check(run.returncode == 0, f"the browser ended with {run.returncode}: {run.stderr[-500:]}")
    asked = [event["params"] for event in json.loads(log.read_text(encoding="utf-8"))["events"]
             if "url" in event.get("params", {})]
    # What the browser asks on its own account has no page as its initiator.
    return re.findall(r".*CONSOLE.*", run.stderr), {
        params["url"] for params in asked if params.get("initiator", "not an origin") != "not an origin"}


def CheckBrowser(browser, page, folder):
    control = folder / "control.html"
    control.write_text('<img src="http://pagealloc.invalid/x.png"/><script>console.log("x")</script>',
                       encoding="utf-8")
    said, urls = Look(browser, control, folder, f"--screenshot={folder / 'control.png'}")
    Check(said and urls == {"http://pagealloc.invalid/x.png"}, f"a page that asks and talks: {said}, {urls}")
    for name, color, flags in (("light.png", LIGHT, ["--window-size=1280,2400"]),
                               ("dark.png", DARK, ["--window-size=1280,2400",
                                                   "--blink-settings=preferredColorScheme=0"]),
                               ("narrow.png", LIGHT, ["--window-size=500,2400"]),
                               ("printed.pdf", None, [])):
        out = folder / name
        show = "--print-to-pdf" if color is None else "--screenshot"
        said, urls = Look(browser, page, folder, f"{show}={out}", *flags)
        Check(not said, f"{name}: the console says {said}")
        Check(not urls, f"{name}: the page asks for {sorted(urls)}")
        Check(out.exists() and out.stat().st_size > 10_000, f"{name}: no picture, or an empty one")
        if color is not None and out.exists():
            found = FirstPixel(out.read_bytes())
            Check(found == color, f"{name}: the background is {found}, not {color}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--browser")
    parser.add_argument("--keep", type=pathlib.Path)
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        page = MakePage(program, folder)
        CheckText(page)
        if arguments.browser:
            kept = arguments.keep or folder
            kept.mkdir(parents=True, exist_ok=True)
            CheckBrowser(arguments.browser, page, kept.resolve())
    for problem in problems:
        print(problem)
    print(f"report_page_test: problems: {len(problems)}")
    return 1 if problems else 0


sys.exit(main())
