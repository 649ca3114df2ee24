"""One checksum a table, whatever the threads, the memory limit and the order of the files: 24 settings."""

import json
import os

import common
import exports
from common import MIB, published, tenure

THREADS = (1, 2, 3, 16)
LIMITS = (None, "512MiB", "160MiB")


def run(suite):
    folder = os.path.realpath(suite.folder("settings"))
    rows = 60_000 if suite.quick else 400_000
    files = 4
    common.apart(lambda: exports.folder(f"{folder}/in", 5, files, rows=rows, customers=rows // 2, groups=4, page_rows=10_000))
    listed = [f"{folder}/in/part-{i}.parquet" for i in range(files)]
    orders = {"forwards": listed, "backwards": listed[::-1]}
    first, spilled = None, 0
    for order, paths in orders.items():
        file = common.pipeline(folder, paths, name=f"{order}.toml")
        for limit in LIMITS:
            for threads in THREADS:
                asked = ["--threads", str(threads)] + (["--memory-limit", limit] if limit else [])
                ran = tenure("run", file, "--quiet", *asked, folder=folder, timeout=120)
                memory = int(limit[:-3]) * MIB * 5 // 4 if limit else None
                wrong = common.no_crash(ran, memory=memory, seconds=None)
                if ran.code != 0:
                    wrong.append(f"exit {ran.code}: {ran.first_line()}")
                else:
                    with open(os.path.join(folder, "out/latest/manifest.json")) as f:
                        spilled += json.load(f)["temporary_bytes"] > 0
                    tables = published(folder + "/out")[1]
                    first = first or tables
                    other = [name for name in first if tables.get(name) != first[name]]
                    if other or len(tables) != len(first):
                        wrong.append(f"other bytes in {', '.join(other)}")
                suite.count("settings", wrong, f"{' '.join(asked)}, files {order}: {ran.command}")
    suite.note("settings", f"{len(first or [])} tables, {spilled} runs with temporary files")
    if not suite.quick and not spilled:
        suite.count("settings", ["no setting needed temporary files, so that they were not tried"], "settings.py: more rows")
