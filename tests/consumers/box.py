#!/usr/bin/env python3
"""Keeps the kernel's files of a capture going below DIR, for `diag --root DIR`: a box that is as slow as it was then,
however busy this one is.

    box.py DIR CAPTURE

Every counter goes on from where it was, as fast as it went in the capture; what is no counter stays. A line
of standard input names another capture to go on with; its end is the end. DIR/ready has the name of the one that is there."""
import json
import os
import pathlib
import re
import select
import sys
import tarfile
import time

EVERY_SECONDS = 0.1
# A number with a point is an average and no counter, and what these files have are amounts.
NUMBER = re.compile(rb"(?<![\w.:-])\d+(?![\w.:])")
AMOUNTS = re.compile(r"(^|/)(loadavg|meminfo|statm|smaps_rollup|status|memory\.current|pids\.current)$")


def read(path):
    """What the capture says of the host, its full snapshots at both ends, and the seconds between them."""
    frames = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                top, _, name = member.name.partition("/")
                frames.setdefault(top, {})[name] = archive.extractfile(member).read()
    meta = json.loads(frames["meta.json"][""])
    ends = [next(frame for frame in meta["frames"] if frame["kind"] == kind) for kind in ("start", "end")]
    seconds = (ends[1]["at_nanoseconds"] - ends[0]["at_nanoseconds"]) / 1e9
    return meta["host"], *(frames[frame["directory"]] for frame in ends), seconds


def facts(host, stat):
    """The files that are read once, before a recording begins."""
    cpus = len(re.findall(rb"^cpu\d", stat, re.M))
    return {
        "proc/sys/kernel/hostname": host["hostname"],
        "proc/sys/kernel/osrelease": host["kernel"],
        "proc/sys/kernel/random/boot_id": host["boot_id"],
        "sys/devices/system/cpu/online": f"0-{cpus - 1}",
    }


def moving(first, last, seconds):
    """The text in pieces with (value, growth a second) between them; none where nothing in it grows."""
    before, after = NUMBER.findall(first), NUMBER.findall(last)
    if len(before) != len(after):
        return None
    growth = [(int(b), max(0, int(b) - int(a)) / seconds) for a, b in zip(before, after)]
    return (NUMBER.split(last), growth) if any(g for _, g in growth) else None


class Box:
    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.files = []

    def put(self, name, data):
        """Whole or not at all, for one who reads it meanwhile."""
        file, new = self.top / name, self.top / ".new"
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(data)
        os.rename(new, file)

    def start(self, capture):
        host, first, last, seconds = read(capture)
        (self.top / "ready").unlink(missing_ok=True)
        gone = [file for file, _ in self.files if file not in last]
        for file in gone:
            (self.top / file).unlink(missing_ok=True)
        for folder in sorted(self.top.glob("proc/[0-9]*/**/"), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()
        self.files, self.began = [], time.monotonic()
        for name, text in facts(host, last["proc/stat"]).items():
            self.put(name, f"{text}\n".encode())
        for name, data in last.items():
            if pathlib.Path(name).name.startswith("."):
                continue
            self.put(name, data)
            plan = None if AMOUNTS.search(name) else moving(first.get(name, b""), data, seconds)
            self.files.append((name, plan))
        self.put("ready", f"{capture}\n".encode())

    def go_on(self):
        passed = time.monotonic() - self.began
        for name, plan in self.files:
            if plan:
                pieces, numbers = plan
                values = [b"%d" % (value + growth * passed) for value, growth in numbers] + [b""]
                self.put(name, b"".join(text for pair in zip(pieces, values) for text in pair))


box = Box(sys.argv[1])
box.start(sys.argv[2])
while True:
    if select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
        line = sys.stdin.readline()
        if not line:
            break
        box.start(line.rstrip("\n"))
    box.go_on()
