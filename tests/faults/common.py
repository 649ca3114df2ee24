"""What all kinds of faults share: a scratch folder, one run of the program, what a published run must look like, counts."""

import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.path.abspath(os.environ.get("TENURE_BIN", os.path.join(ROOT, "target/release/tenure")))
# What a command may end with. 101 would be a panic, 134 an abort, a negative number a signal.
STATUSES = (0, 1, 2, 3)
HANG = 2.0
MIB = 1 << 20

PIPELINE = """name = "faults"
[calendar]
as_of = "{as_of}"
[money]
currency = "EUR"
[customers]
churn_after = "1 period"
[sources.transactions]
path = {path}
columns = {{ customer_id = "customer_id", occurred_at = "{dates}", amount = "amount" }}
{source}
[stages.churn]
[stages.cohort]
[stages.revenue_churn]
{more}
[output]
dir = {out}
"""


def pipeline(folder, path, as_of="2022-06-01", dates="occurred_at", source="", more="", name="p.toml"):
    """Writes a pipeline over the export(s) at `path`, publishing to `out` in the same folder."""
    paths = {"path": json.dumps(path), "out": json.dumps(f"{folder}/out")}
    text = PIPELINE.format(as_of=as_of, dates=dates, source=source, more=more, **paths)
    file = os.path.join(folder, name)
    with open(file, "w") as f:
        f.write(text)
    return file


class Ran:
    """How a command ended: `code` (negative: the signal), `seconds`, `peak` (bytes resident), `out`, `err`, `hung`."""

    def __init__(self, command, code, seconds, peak, out, err, hung):
        self.command, self.code, self.seconds, self.peak = command, code, seconds, peak
        self.out, self.err, self.hung = out, err, hung

    def first_line(self):
        return self.err.strip().splitlines()[0][:200] if self.err.strip() else "(nothing on standard error)"


def command_of(args, env):
    set_here = [f"{k}={v}" for k, v in (env or {}).items()]
    return " ".join([*set_here, "tenure", *args])


def start(args, env=None, cap=None, folder=None, out=subprocess.DEVNULL):
    """Starts the program in a session of its own. `cap`: bytes of address space, so that a bomb cannot take the machine.

    `folder`: temporary files lie in `tmp` below it.
    """

    def limits():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if cap:
            resource.setrlimit(resource.RLIMIT_AS, (cap, cap))

    surroundings = {**os.environ, "NO_COLOR": "1", **(env or {})}
    if folder:
        surroundings["TMPDIR"] = os.path.join(folder, "tmp")
        os.makedirs(surroundings["TMPDIR"], exist_ok=True)
    err = tempfile.TemporaryFile()
    process = subprocess.Popen([BIN, *args], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=surroundings,
                               preexec_fn=limits, start_new_session=True)
    process.err, process.began, process.args_given, process.env_given = err, time.monotonic(), args, env
    return process


def wait(process, timeout=20.0, out=None):
    """Waits for what `start` started; kills it after `timeout`."""
    hung = threading.Event()

    def stop():
        hung.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, stop)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - process.began
    process.err.seek(0)
    err = process.err.read().decode("utf-8", "replace")
    process.err.close()
    text = ""
    if out:
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
        out.close()
    command = command_of(process.args_given, process.env_given)
    return Ran(command, process.returncode, seconds, usage.ru_maxrss * 1024, text, err, hung.is_set())


def tenure(*args, env=None, cap=None, folder=None, timeout=20.0, keep_out=False):
    out = tempfile.TemporaryFile() if keep_out else None
    return wait(start(args, env, cap, folder, out or subprocess.DEVNULL), timeout, out)


def apart(work, *args):
    """Calls `work` in a process of its own: what it takes in memory would count as the least peak of what is started later."""
    child = os.fork()
    if child == 0:
        try:
            work(*args)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"{work.__name__} failed")


def no_crash(ran, memory=None, seconds=HANG):
    """What is wrong with how a command ended, as sentences. `memory`: the most bytes that it may have held."""
    wrong = []
    if ran.code not in STATUSES:
        wrong.append(f"exit {ran.code}: {ran.first_line()}")
    if seconds and ran.seconds > seconds:
        wrong.append(f"{ran.seconds:.1f} s")
    if memory and ran.peak > memory:
        wrong.append(f"{ran.peak // MIB} MiB resident, {memory // MIB} MiB allowed")
    if re.search(r"panicked at|broken assumption|defect of tenure|RUST_BACKTRACE", ran.err):
        wrong.append(f"a broken assumption: {ran.first_line()}")
    if ran.code not in (0, *[-s for s in signal.Signals]) and not ran.err.strip():
        wrong.append(f"exit {ran.code} without a word")
    return wrong


def slow_only(wrong):
    """Nothing but time is wrong: a busy machine may be the cause, and a second look tells."""
    return bool(wrong) and all(w.endswith(" s") for w in wrong)


# What is published.


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def run_folder(out):
    """The folder that `latest` names, or None if there is no `latest`."""
    latest = os.path.join(out, "latest")
    return os.path.realpath(latest) if os.path.islink(latest) else None


def published(out, exempt=()):
    """The published run as (run id, {table: SHA-256}); None if there is none.

    Every file is read and compared with the manifest; tables in `exempt` are left out of the result.
    Raises ValueError with what is torn.
    """
    folder = run_folder(out)
    if folder is None:
        return None
    try:
        with open(os.path.join(folder, "manifest.json")) as f:
            manifest = json.load(f)
    except (OSError, ValueError) as e:
        raise ValueError(f"latest has no manifest that can be read: {e}") from e
    tables, listed = {}, {"manifest.json", "report.html"}
    for table in manifest["tables"]:
        for file in table["files"]:
            path = os.path.join(folder, file["path"])
            listed.add(file["path"])
            try:
                found = digest(path), os.path.getsize(path)
            except OSError as e:
                raise ValueError(f"{file['path']} is in the manifest and cannot be read: {e}") from e
            if found != (file["sha256"], file["bytes"]):
                raise ValueError(f"{file['path']} is not what the manifest says")
        tables[table["name"]] = table["sha256"]
    for at, _, files in os.walk(folder):
        for name in files:
            relative = os.path.relpath(os.path.join(at, name), folder)
            if relative not in listed:
                raise ValueError(f"{relative} is not in the manifest")
    if os.path.basename(folder) != manifest["run_id"]:
        raise ValueError(f"folder {os.path.basename(folder)} holds run {manifest['run_id']}")
    return manifest["run_id"], {name: sha for name, sha in tables.items() if name not in exempt}


def leftovers(folder):
    """What a run may not leave behind: anything but whole runs, `latest` and files of the output folder itself."""
    out, found = os.path.join(folder, "out"), []
    for name in os.listdir(out) if os.path.isdir(out) else []:
        if name not in ("runs", "latest", ".lock", "status.json", "failed"):
            found.append(f"out/{name}")
    runs = os.path.join(out, "runs")
    for name in os.listdir(runs) if os.path.isdir(runs) else []:
        if not os.path.isfile(os.path.join(runs, name, "manifest.json")):
            found.append(f"out/runs/{name}")
    temporary = os.path.join(folder, "tmp")
    found += [f"tmp/{name}" for name in (os.listdir(temporary) if os.path.isdir(temporary) else [])]
    return found


def reset(folder, old):
    """Makes `out` of `folder` a copy of the output folder `old`, and empties `tmp`."""
    for name in ("out", "tmp"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    shutil.copytree(old, os.path.join(folder, "out"), symlinks=True)


# Counting.


class Suite:
    """Collects what was tried and what was wrong. `quick`: the part for every change."""

    def __init__(self, quick, seed, jobs):
        self.quick, self.seed, self.jobs = quick, seed, jobs
        self.scratch = tempfile.mkdtemp(prefix="tenure-faults-")
        self.tried, self.violations, self.notes = {}, {}, {}
        self.lock = threading.Lock()

    def random(self, *what):
        """A generator of its own for each case, so that one case can be repeated alone."""
        return random.Random(f"{self.seed} {' '.join(map(str, what))}")

    def folder(self, name):
        path = os.path.join(self.scratch, name)
        os.makedirs(path, exist_ok=True)
        return path

    def count(self, kind, wrong, how):
        """One case of a kind; `wrong`: sentences, none if all is well; `how`: what repeats it."""
        with self.lock:
            self.tried[kind] = self.tried.get(kind, 0) + 1
            if wrong:
                self.violations.setdefault(kind, []).append((wrong, how))
                if len(self.violations[kind]) <= 20:
                    print(f"VIOLATION {kind}: {'; '.join(wrong)}\n    repeat: {how}", flush=True)

    def note(self, kind, text):
        with self.lock:
            self.notes.setdefault(kind, []).append(text)

    def each(self, work, items):
        """Calls `work(folder, item)` for all items, several at a time, each thread with a folder of its own."""
        free, made = [], 0

        def one(item):
            nonlocal made
            with self.lock:
                folder = free.pop() if free else None
                if folder is None:
                    made += 1
                    folder = self.folder(f"work-{threading.get_ident()}-{made}")
            try:
                work(folder, item)
            finally:
                with self.lock:
                    free.append(folder)

        with ThreadPoolExecutor(self.jobs) as pool:
            for done in pool.map(one, items):
                assert done is None
        for folder in free:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def summary(self):
        for kind, tried in self.tried.items():
            found = len(self.violations.get(kind, []))
            notes = "; ".join(self.notes.get(kind, []))
            print(f"{kind:<22} {tried:>6} tried {found:>5} violations{'   ' + notes if notes else ''}")
        total = sum(len(v) for v in self.violations.values())
        print(f"{'all':<22} {sum(self.tried.values()):>6} tried {total:>5} violations   seed {self.seed}")
        return total


def need(ran, what):
    """A run that the suite itself depends on has to be good."""
    if ran.code != 0:
        sys.exit(f"{what}: exit {ran.code}\n  {ran.command}\n{ran.err}")
