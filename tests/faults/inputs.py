"""An export changes while it is read: it is replaced, overwritten in several ways, appended to, cut, deleted, or a link leads
elsewhere, at random moments.

What is published is all of the old file or all of the new one; else the run ends with exit 3 and says so.
"""

import array
import json
import mmap
import os
import shutil
import time

import common
import parquet
from common import no_crash, published, start, tenure, wait

KINDS = (
    "replaced",
    "overwritten",
    "overwritten in one call",
    "overwritten from the end",
    "overwritten and the time set back",
    "overwritten through a mapping",
    "emptied and written again",
    "appended to",
    "cut",
    "deleted",
    "a link that leads elsewhere",
)
GROUPS, ROWS = 40, 25_000


def export(path, cents):
    """Many row groups of one layout, so that groups of two files could be mixed up."""
    columns, groups = parquet.transactions(), []
    for g in range(GROUPS):
        ids = array.array("q", [(g * ROWS + i) % 20_000 for i in range(ROWS)])
        days = array.array("i", [18_993 - i % 400 for i in range(ROWS)])
        amounts = array.array("q", [cents]) * ROWS
        chunks = [{"bytes": parquet.page(values.tobytes(), ROWS), "rows": ROWS} for values in (ids, days, amounts)]
        groups.append((ROWS, chunks))
    parquet.write(path, columns, groups)


def change(kind, path, new):
    if kind == "replaced":
        os.rename(new, path)
    elif kind == "overwritten":
        with open(new, "rb") as source, open(path, "r+b") as target:
            shutil.copyfileobj(source, target, 1 << 16)
    elif kind == "overwritten in one call":
        with open(new, "rb") as source, open(path, "r+b", buffering=0) as target:
            target.write(source.read())
    elif kind == "overwritten from the end":
        with open(new, "rb") as source, open(path, "r+b", buffering=0) as target:
            for at in reversed(range(0, os.path.getsize(new), 1 << 16)):
                target.write(os.pread(source.fileno(), 1 << 16, target.seek(at)))
    elif kind == "overwritten and the time set back":
        before = os.stat(path)
        change("overwritten", path, new)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif kind == "overwritten through a mapping":
        with open(new, "rb") as source, open(path, "r+b") as target, mmap.mmap(target.fileno(), 0) as mapped:
            mapped[:] = source.read()
    elif kind == "emptied and written again":
        shutil.copy(new, path)
    elif kind == "a link that leads elsewhere":
        os.symlink(new, path + ".link")
        os.rename(path + ".link", path)
    elif kind == "appended to":
        with open(path, "ab") as file:
            file.write(b"more" * 1000)
    elif kind == "cut":
        os.truncate(path, os.path.getsize(path) // 2)
    else:
        os.unlink(path)


def run(suite):
    folder = os.path.realpath(suite.folder("inputs"))
    old, new, path = f"{folder}/old", f"{folder}/new", f"{folder}/x.parquet"
    common.apart(export, old, 100)
    common.apart(export, new, 300)
    file = common.pipeline(folder, path)
    args = ["run", file, "--quiet", "--threads", "1"]
    expected = []
    for source in (old, new):
        shutil.copy(source, path)
        ran = tenure(*args, folder=folder)
        common.need(ran, "the export as it is")
        expected.append((published(folder + "/out")[1], os.path.getsize(source)))
    if expected[0][0] == expected[1][0]:
        raise SystemExit("both exports give the same tables: a mixture would not show")
    lasts = ran.seconds
    for kind in KINDS:
        seen = {}
        for i in range(4 if suite.quick else 100):
            delay = suite.random("input", kind, i).uniform(0, lasts)
            shutil.rmtree(folder + "/out", ignore_errors=True)
            if os.path.lexists(path):
                os.unlink(path)
            shutil.copy(old, path)
            shutil.copy(new, folder + "/next")
            process = start(args, folder=folder)
            time.sleep(delay)
            change(kind, path, folder + "/next")
            ran = wait(process)
            # The suite's own copying keeps the disk busy: how long it takes says nothing.
            wrong = no_crash(ran, seconds=None)
            what = outcome(folder, ran, expected, wrong)
            seen[what] = seen.get(what, 0) + 1
            suite.count("changed inputs", wrong, f"{kind} after {delay * 1000:.1f} ms, try {i} of seed {suite.seed}: {ran.first_line()}")
        suite.note("changed inputs", f"{kind}: " + ", ".join(f"{n} {what}" for what, n in sorted(seen.items())))


def outcome(folder, ran, expected, wrong):
    if ran.code == 3:
        if os.path.lexists(folder + "/out/latest"):
            wrong.append("exit 3, and something is published")
        return "refused"
    if ran.code != 0:
        wrong.append(f"exit {ran.code}")
        return "other"
    tables = published(folder + "/out")[1]
    with open(folder + "/out/latest/manifest.json") as f:
        size = json.load(f)["inputs"][0]["bytes"]
    for name, (right, bytes_read) in zip(("all of the old", "all of the new"), expected):
        if tables == right:
            if size != bytes_read:
                wrong.append("the manifest describes other bytes than were read")
            return name
    wrong.append("a mixture was published")
    return "mixed"
