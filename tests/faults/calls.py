"""The Nth call of the file system fails, for each N: in the exports, the output folder and the temporary folder.

Whatever fails: `latest` names a whole run, the old one unless the status is 0; the status is one of ours and something is
said; and the next run succeeds and leaves nothing behind. Short transfers and interrupted calls change nothing at all.
"""

import os
import subprocess

import common
import exports
from common import no_crash, published, tenure

ERRORS = ["ENOSPC", "EIO", "EACCES"]
TRANSFERS = {"read", "write", "pread", "pread64", "pwrite", "pwrite64", "readv", "writev", "copy_file_range"}
# Where removing is what fails, something may be left for the next run.
REMOVES = {"unlink", "unlinkat", "rmdir", "openat", "readdir64", "close", "fstat64", "statx", "opendir", "lstat64"}


def compile_shim(folder):
    shim = os.path.join(folder, "fail.so")
    source = os.path.join(common.HERE, "fail.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return shim


class Place:
    """A scratch folder with exports, a pipeline, and an output folder as a first run left it."""

    def __init__(self, folder, shim):
        self.folder, self.shim = os.path.realpath(folder), shim
        # Beside the folder, so that writing to it is not counted.
        self.log = self.folder + ".calls"
        self.old = os.path.join(self.folder, "old")
        if os.path.isdir(self.old):
            self.pipeline = os.path.join(self.folder, "p.toml")
        else:
            exports.folder(os.path.join(self.folder, "in"), 1)
            self.pipeline = common.pipeline(self.folder, f"{self.folder}/in/*.parquet")
            common.need(self.run(), "the first run of the failing calls")
            os.rename(os.path.join(self.folder, "out"), self.old)
        common.reset(self.folder, self.old)

    def run(self, fault=None):
        env = None
        if fault:
            if os.path.exists(self.log):
                os.unlink(self.log)
            env = {"LD_PRELOAD": self.shim, "TENURE_FAULT_BELOW": self.folder, "TENURE_FAULT_LOG": self.log, **fault}
        return tenure("run", self.pipeline, "--quiet", "--threads", "1", env=env, folder=self.folder)

    def calls(self):
        """The names of the calls of the last run that was watched."""
        with open(self.log) as f:
            return f.read().split()


def calls_of_a_run(folder, shim):
    """The names of the calls of a run in which nothing fails, and what that run publishes."""
    place = Place(folder, shim)
    common.need(place.run({"TENURE_FAULT_AT": "0"}), "the run whose calls are counted")
    return place.calls(), published(place.folder + "/out")[1]


def run(suite):
    shim = compile_shim(suite.scratch)
    names, expected = calls_of_a_run(suite.folder("calls"), shim)
    if len(names) < 50:
        raise SystemExit(f"the shim saw {len(names)} calls only; is the program linked statically?")
    cases = [(how, n, False) for how in [*ERRORS, "EINTR"] for n in range(1, len(names) + 1)]
    cases += [("SHORT", n, False) for n, name in enumerate(names, 1) if name in TRANSFERS]
    cases += [("ENOSPC", n, True) for n in range(1, len(names) + 1)]
    if suite.quick:
        cases = suite.random("calls").sample(cases, 160)
    cases += [("EINTR-STORM", 0, False), ("SHORT-STORM", 0, False)]
    suite.note("failing calls", f"{len(names)} calls a run")

    def one(folder, case):
        how, n, for_good = case
        place = Place(folder, shim)
        before = published(place.folder + "/out")[0]
        fault = {"TENURE_FAULT_HOW": how, "TENURE_FAULT_AT": str(n)} | ({"TENURE_FAULT_ON": "1"} if for_good else {})
        ran = place.run(fault)
        wrong = no_crash(ran)
        if common.slow_only(wrong):
            common.reset(place.folder, place.old)
            ran = place.run(fault)
            wrong = no_crash(ran)
        made = place.calls()
        name = made[n - 1] if 0 < n <= len(made) else "every call" if n == 0 else "not made"
        harmless = how.startswith(("SHORT", "EINTR-"))
        if harmless and ran.code != 0:
            wrong.append(f"exit {ran.code}, although nothing failed for good")
        wrong += state(place, ran, before, expected)
        left = common.leftovers(place.folder)
        if left and ran.code >= 0 and not for_good and name not in REMOVES:
            wrong.append(f"left behind: {', '.join(left)}")
        wrong += next_run(place, expected)
        suite.count("failing calls", wrong, f"call {n} ({name}): {how}{' from then on' if for_good else ''}; "
                    f"TENURE_FAULT_HOW={how} TENURE_FAULT_AT={n}{' TENURE_FAULT_ON=1' if for_good else ''}; exit {ran.code}: {ran.first_line()}")

    suite.each(one, cases)


def state(place, ran, before, expected):
    """What is wrong with what is published after a run that may have failed."""
    try:
        now, tables = published(place.folder + "/out")
    except (ValueError, TypeError) as e:
        return [f"torn: {e}"]
    if ran.code == 0 and now == before:
        return ["exit 0, and latest has not moved"]
    if ran.code != 0 and now != before:
        return [f"exit {ran.code}, and latest has moved"]
    return [] if tables == expected else ["other figures"]


def next_run(place, expected):
    ran = place.run()
    if ran.code != 0:
        return [f"the next run: exit {ran.code}: {ran.first_line()}"]
    left = common.leftovers(place.folder)
    wrong = [f"the next run leaves {', '.join(left)}"] if left else []
    if published(place.folder + "/out")[1] != expected:
        wrong.append("the next run has other figures")
    return wrong
