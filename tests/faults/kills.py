"""The process is killed: at random moments, by SIGKILL and SIGTERM, and at every named point of publishing.

Afterwards `latest` names the old or the new run, whole. After a SIGTERM nothing is left behind; after a SIGKILL the next
run says that the last did not end, removes what it left, and publishes.
"""

import os
import re
import signal
import time

import common
import exports
from common import published, start, tenure, wait

ENDED_BADLY = r"did not end"
# A signal that comes while the program is being loaded kills it: nothing has been touched by then.
LOADING = 0.05


def points():
    """The named points, as the program's source lists them."""
    with open(os.path.join(common.ROOT, "src/publish/crash.rs")) as f:
        listed = re.search(r"POINTS[^=]*= \[(.*?)\];", f.read(), re.S).group(1)
    return re.findall(r'"([^"]+)"', listed)


class Place:
    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.old = os.path.join(self.folder, "old")
        self.args = ["run", os.path.join(self.folder, "p.toml"), "--quiet", "--threads", "2"]
        if not os.path.isdir(self.old):
            exports.folder(os.path.join(self.folder, "in"), 2, files=4, rows=15_000, customers=4_000, groups=3)
            common.pipeline(self.folder, f"{self.folder}/in/*.parquet")
            common.need(tenure(*self.args, folder=self.folder), "the first run of the kills")
            os.rename(os.path.join(self.folder, "out"), self.old)
        common.reset(self.folder, self.old)


def run(suite):
    place = Place(suite.folder("kills"))
    seconds = []
    for _ in range(3):
        ran = tenure(*place.args, folder=place.folder)
        common.need(ran, "the run that is to be killed")
        seconds.append(ran.seconds)
    expected = published(place.folder + "/out")[1]
    lasts = sorted(seconds)[1]
    random = 30 if suite.quick else 500
    cases = [("SIGTERM" if i % 5 == 4 else "SIGKILL", i) for i in range(random)]
    cases += [(point, 0) for point in points()]
    suite.note("kills", f"runs of {lasts * 1000:.0f} ms, {len(points())} named points")

    def one(folder, case):
        how, i = case
        place = Place(folder)
        before = published(place.folder + "/out")[0]
        if how.startswith("SIG"):
            delay = suite.random("kill", i).uniform(0, lasts * 1.1)
            process = start(place.args, folder=place.folder)
            time.sleep(delay)
            sent = time.monotonic()
            os.kill(process.pid, getattr(signal, how))
            ran = wait(process)
            took, text = time.monotonic() - sent, f"{how} after {delay * 1000:.1f} ms"
        else:
            ran, took, text = tenure(*place.args, env={"TENURE_CRASH_AT": how}, folder=place.folder), 0, f"TENURE_CRASH_AT={how}"
        left = common.leftovers(place.folder)
        wrong = state(place, ran, how, before, expected, left, took)
        wrong += next_run(place, expected, left)
        suite.count("kills", wrong, f"{text} (exit {ran.code}), seed {suite.seed}: {ran.command}")

    suite.each(one, cases)


def state(place, ran, how, before, expected, left, took):
    try:
        now, tables = published(place.folder + "/out")
    except (ValueError, TypeError) as e:
        return [f"torn: {e}"]
    wrong = [] if tables == expected else ["latest is neither the old run nor the new one"]
    if how == "SIGTERM":
        unborn = ran.code == -signal.SIGTERM and ran.seconds < LOADING
        if ran.code not in (0, 143) and not unborn:
            wrong.append(f"exit {ran.code} after SIGTERM: {ran.first_line()}")
        if took > common.HANG:
            wrong.append(f"{took:.1f} s from the signal to the end")
        if left:
            wrong.append(f"left behind: {', '.join(left)}")
        if ran.code == 143 and now != before:
            wrong.append("exit 143, and latest has moved")
    elif how == "SIGKILL" and ran.code not in (0, -signal.SIGKILL):
        wrong.append(f"exit {ran.code} before the signal came: {ran.first_line()}")
    elif not how.startswith("SIG") and ran.code != -signal.SIGABRT:
        wrong.append(f"exit {ran.code}: the point was not reached")
    if ran.code == 0 and now == before:
        wrong.append("exit 0, and latest has not moved")
    return wrong


def next_run(place, expected, left):
    # It says so where it also tells of progress: not with --quiet.
    ran = tenure(*(arg for arg in place.args if arg != "--quiet"), folder=place.folder)
    if ran.code != 0:
        return [f"the next run: exit {ran.code}: {ran.first_line()}"]
    wrong = []
    if left and not re.search(ENDED_BADLY, ran.err):
        wrong.append(f"the next run does not say that the last did not end: {ran.first_line()}")
    still = common.leftovers(place.folder)
    if still:
        wrong.append(f"the next run leaves {', '.join(still)}")
    if published(place.folder + "/out")[1] != expected:
        wrong.append("the next run has other figures")
    return wrong
