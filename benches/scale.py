#!/usr/bin/env python3
"""How cost grows: rows against seconds and memory, a bot, threads, stages, small runs. Python's own library only.

    cargo build --release --bins --examples
    python3 benches/scale.py --target target/release --dir /tmp/scale

Exports are made by the generator in data/generate, one at a time, and removed again unless --keep is given: 200 million
rows take 3 GB, their results 2 GB and their temporary files 2 GB more. Prints Markdown for benches/README.md.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGES = ["churn", "cohort", "revenue_churn", "ltv", "rfm", "concentration", "forecast", "risk"]
SAAS_STAGES = ["churn", "cohort", "revenue_churn", "acquisition", "exit_reasons", "voice", "voice_outcome", "forecast", "reconcile", "risk"]
SAAS_SOURCES = ["subscriptions", "customers", "acquisition_costs", "usage", "surveys", "exchange_rates"]


class Bench:
    """Where things are, and how often what is measured runs."""

    def __init__(self, args):
        self.tenure = args.target / "tenure"
        self.generate = args.target / "examples" / "generate"
        self.dir = args.dir
        self.runs = args.runs
        self.keep = args.keep

    def export(self, millions, bot=0):
        """Generates an export with a customer for every nine rows, and gives its folder."""
        folder = self.dir / f"purchases-{millions}m{'-bot' if bot else ''}"
        if not folder.exists():
            rows, customers = millions * 1_000_000, millions * 110_000
            command = [self.generate, "purchases", "--rows", rows, "--customers", customers, "--files", max(4, millions // 2)]
            subprocess.run([str(c) for c in [*command, "--bot", bot, "--out", folder]], check=True)
        return folder

    def command(self, export):
        """A run of the shop's month from an export, into a folder of ours."""
        path = f'sources.transactions.path="{export}/*.parquet"'
        return ["run", ROOT / "benches" / "purchases.toml", "--set", path, "--out", self.dir / "out", "--quiet"]

    def once(self, *arguments):
        """Runs tenure; gives seconds, CPU seconds, peak memory in MiB."""
        started = time.perf_counter()
        child = subprocess.Popen([str(self.tenure), *map(str, arguments)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        if status != 0:
            raise SystemExit(f"tenure {' '.join(map(str, arguments))} failed")
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def median(self, *arguments, runs=None):
        """The median of each figure over the runs, after one that warms the caches."""
        self.once(*arguments)
        results = [self.once(*arguments) for _ in range(runs or self.runs)]
        return [statistics.median(figure) for figure in zip(*results)]

    def run(self, export, *options, runs=None):
        figures = self.median(*self.command(export), *options, runs=runs)
        manifest = json.loads((self.dir / "out" / "latest" / "manifest.json").read_text())
        shutil.rmtree(self.dir / "out")
        return figures, manifest

    def done(self, export):
        if not self.keep:
            shutil.rmtree(export)


def phases(manifest):
    return {timing["stage"]: timing["seconds"] for timing in manifest["timings"]}


def sizes(bench, millions):
    print("| rows | customers | options | seconds | CPU seconds | ns a row | peak memory | temporary files |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|")
    for million in millions:
        export = bench.export(million)
        options = ["--memory-limit", "2GiB"] if million >= 100 else []
        (seconds, cpu, memory), manifest = bench.run(export, *options, runs=1 if million >= 100 else None)
        print(
            f"| {million},000,000 | {million * 110_000:,} | {' '.join(options)} | {seconds:.2f} | {cpu:.2f} "
            f"| {1000 * seconds / million:.0f} | {memory:,.0f} MiB | {manifest['temporary_bytes'] / 2**20:,.0f} MiB |",
            flush=True,
        )
        if million != 20:
            bench.done(export)


def bot(bench):
    export = bench.export(20, bot=100_000_000)
    (seconds, cpu, memory), manifest = bench.run(export, "--memory-limit", "1GiB", runs=1)
    print(f"\nA bot with 100 of 120 million rows, `--memory-limit 1GiB`: {seconds:.1f} s, {cpu:.1f} CPU s, "
          f"{memory:,.0f} MiB at most, {manifest['temporary_bytes'] / 2**20:,.0f} MiB in temporary files", flush=True)
    bench.done(export)


def threads(bench):
    export = bench.export(20)
    one, two = [], []
    bench.run(export, "--threads", 1, runs=1)
    for _ in range(bench.runs):
        one.append(bench.run(export, "--threads", 1, runs=1)[0][0])
        two.append(bench.run(export, "--threads", 2, runs=1)[0][0])
    one, two = statistics.median(one), statistics.median(two)
    print(f"\nThreads 1 → 2 on 20 million rows: {one:.2f} s → {two:.2f} s, {one / two:.2f} times", flush=True)


def stages(bench):
    """What a stage costs: of a shop's 5 million purchases, and of the subscription company with 50 times its sign-ups."""
    export = bench.export(5)
    # What the comparison beside this script has no rival for.
    more = ["--set", "stages.forecast={}", "--set", "stages.risk={}"]
    costs(bench, "5 million purchases", [*bench.command(export), *more], STAGES)
    bench.done(export)
    company = bench.dir / "saas-50"
    if not company.exists():
        subprocess.run([str(bench.generate), "saas", str(company), "--times", "50"], check=True)
    command = ["run", ROOT / "pipelines" / "saas.toml", "--out", bench.dir / "out", "--quiet"]
    for source in SAAS_SOURCES:
        command += ["--set", f'sources.{source}.path="{company}/{source}.parquet"']
    costs(bench, "the subscription company, 50 times", command, SAAS_STAGES)
    bench.done(company)


def costs(bench, what, command, names):
    """CPU seconds of whole runs, one thread, the least of the runs: what a stage adds to a run of all others (little, where
    it shares what is read and folded), and what a run of it alone takes."""

    def spent(only):
        shutil.rmtree(bench.dir / "out", ignore_errors=True)
        return min(bench.once(*command, "--threads", 1, "--only", ",".join(only))[1] for _ in range(bench.runs))

    everything = spent(names)
    print(f"\nCPU seconds of one thread, {what}: all stages {everything:.2f}\n")
    print("| stage | adds to all others | a run of it alone |\n|---|---:|---:|")
    for stage in names:
        without = spent([s for s in names if s != stage])
        print(f"| {stage} | {everything - without:.2f} | {spent([stage]):.2f} |", flush=True)
    shutil.rmtree(bench.dir / "out", ignore_errors=True)


def small(bench):
    seconds, _, memory = bench.median("run", ROOT / "pipelines" / "grocery.toml", "--quiet", "--out", bench.dir / "out", runs=9)
    shutil.rmtree(bench.dir / "out")
    print(f"\n`tenure run pipelines/grocery.toml`: {1000 * seconds:.0f} ms, {memory:,.0f} MiB")
    seconds, _, _ = bench.median("check", ROOT / "pipelines" / "saas.toml", runs=9)
    print(f"`tenure check pipelines/saas.toml`: {1000 * seconds:.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, required=True, help="folder of the built binary")
    parser.add_argument("--dir", type=Path, required=True, help="folder for exports and results")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 5, 20, 50, 200], help="millions of rows")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="keep the exports")
    parser.add_argument("--skip", nargs="*", default=[], choices=["sizes", "bot", "threads", "stages", "small"])
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    args.dir, args.target = args.dir.resolve(), args.target.resolve()
    bench = Bench(args)
    for name, part in [("small", small), ("sizes", lambda b: sizes(b, args.sizes)), ("bot", bot), ("threads", threads), ("stages", stages)]:
        if name not in args.skip:
            part(bench)


if __name__ == "__main__":
    main()
