"""Runs into one output folder at once: one at a time publishes, the others say who holds the folder, nothing is mixed.

The racing runs read different exports, so that a mixture would show.
"""

import os
import shutil

import common
import exports
from common import no_crash, published, start, tenure, wait

SOURCES = 4


def run(suite):
    home = os.path.realpath(suite.folder("races"))
    expected = []
    for i in range(SOURCES):
        folder = os.path.join(home, str(i))
        exports.folder(os.path.join(folder, "in"), 10 + i, files=2, rows=5_000, customers=1_500)
        common.pipeline(folder, f"{folder}/in/*.parquet")
        common.need(tenure("run", f"{folder}/p.toml", "--quiet", folder=folder), "the first run of the races")
        expected.append(published(folder + "/out", exempt=("quarantine",))[1])
    if any(expected[i] == expected[j] for i in range(SOURCES) for j in range(i)):
        raise SystemExit("the racing exports give the same tables: a mixture would not show")
    groups = [2] * (6 if suite.quick else 50) + [8] * (2 if suite.quick else 10)
    for number, size in enumerate(groups):
        dice = suite.random("race", number)
        out = os.path.join(home, "shared")
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        picked = [dice.randrange(SOURCES) for _ in range(size)]
        running = [start(["run", f"{home}/{i}/p.toml", "--quiet", "--threads", "1", "--out", out + "/out"], folder=out) for i in picked]
        ran = [wait(process, timeout=60) for process in running]
        # Eight runs share two processors: how long each takes says nothing.
        wrong = [w for r in ran for w in no_crash(r, seconds=None)]
        done = [i for i, r in zip(picked, ran) if r.code == 0]
        for r in ran:
            if r.code != 0 and not (r.code == 3 and "in use" in r.err and "holds it" in r.err):
                wrong.append(f"exit {r.code}: {r.first_line()}")
        if not done:
            wrong.append("nobody published")
        wrong += mixed(out, expected, done)
        kind = "racing pairs" if size == 2 else "racing eights"
        suite.count(kind, wrong, f"race {number} of seed {suite.seed}: exits {[r.code for r in ran]}, exports {picked}")


def mixed(out, expected, done):
    """Every run in the folder is one of the racing ones, whole."""
    wrong = []
    runs = os.path.join(out, "out", "runs")
    for name in os.listdir(runs) if os.path.isdir(runs) else []:
        link = os.path.join(out, "latest")
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.join(runs, name), link)
        try:
            _, tables = published(out, exempt=("quarantine",))
            if tables not in [expected[i] for i in done]:
                wrong.append(f"run {name} is none of those that said they had published")
        except ValueError as e:
            wrong.append(f"torn: {e}")
    try:
        if published(out + "/out") is None:
            wrong.append("there is no latest")
    except ValueError as e:
        wrong.append(f"torn: {e}")
    left = common.leftovers(out)
    return wrong + ([f"left behind: {', '.join(left)}"] if left else [])
