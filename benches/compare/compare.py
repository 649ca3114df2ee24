"""Our tables by `tenure`, DuckDB and Polars: first whether they are the same, cell by cell, then how long each takes.

Every program runs as a process of its own, from the same files to published tables; all run in turn, so that a busy
moment of the machine hits each of them, and ratios are the medians of the ratios within a turn.
"""

import argparse
import importlib.metadata
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# The driver itself stays small: a child's peak memory is at least what its parent held when it was started.
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
MIB = 1024 * 1024


@dataclass
class Run:
    """What one process took."""

    seconds: float
    cpu: float
    peak: float


@dataclass
class Engine:
    """A program, and where it leaves its tables."""

    name: str
    command: list[str]
    out: Path
    tables: Path

    def run(self) -> Run:
        """Start from nothing, with nothing still on its way to the disk; time the whole process."""
        shutil.rmtree(self.out, ignore_errors=True)
        os.sync()
        started = time.perf_counter()
        child = subprocess.Popen(self.command)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{self.name} failed with status {child.returncode}")
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT / MIB)

    def written(self) -> float:
        """The size of its tables."""
        return sum(path.stat().st_size for path in self.tables.rglob("*.parquet")) / MIB


def prepare(args: argparse.Namespace) -> list[Engine]:
    """Make the export, unless it is there; keep the program as it is now, for it may be rebuilt."""
    work = args.dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    args.tenure = shutil.copy2(args.tenure, work / "measured")
    export = work / f"export-{args.rows}-{args.customers}"
    if not export.exists():
        sizes = ["--rows", str(args.rows), "--customers", str(args.customers), "--files", "11"]
        unfinished = export.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        subprocess.run([args.generate, "purchases", *sizes, "--out", unfinished], check=True)
        unfinished.rename(export)
    path = f'sources.transactions.path="{export}/*.parquet"'
    ours = [args.tenure, "run", HERE.parent / "purchases.toml", "--set", path, "--out", work / "tenure", "--quiet"]
    engines = [Engine("tenure", ours, work / "tenure", work / "tenure/latest")]
    for name in ("duckdb", "polars"):
        command = [sys.executable, HERE / f"{name}_tables.py", export, work / name, "--zstd", str(args.zstd)]
        engines.append(Engine(name, command, work / name, work / name))
    args.export = export
    return engines


def check(engines: list[Engine]) -> None:
    """Run each once, and stop where a table differs from ours."""
    for engine in engines:
        engine.run()
    ours, *rivals = engines
    for rival in rivals:
        print(f"tenure and {rival.name}:", flush=True)
        compared = subprocess.run([sys.executable, HERE / "check.py", ours.tables, rival.tables], check=False)
        if compared.returncode:
            sys.exit("The tables differ: no times.")


def measure(engines: list[Engine], runs: int) -> None:
    """Print a line of Markdown for each program."""
    turns = [[engine.run() for engine in engines] for _ in range(runs)]
    print(
        "\n| program | seconds (median) | least to greatest | ratio to tenure | CPU seconds | peak memory | written |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for number, engine in enumerate(engines):
        mine = [turn[number] for turn in turns]
        seconds, cpu, peak = (
            statistics.median(getattr(run, what) for run in mine) for what in ("seconds", "cpu", "peak")
        )
        ratio = statistics.median(turn[number].seconds / turn[0].seconds for turn in turns)
        spread = f"{min(run.seconds for run in mine):.2f} to {max(run.seconds for run in mine):.2f}"
        cells = [
            f"{seconds:.2f}",
            spread,
            f"{ratio:.2f}",
            f"{cpu:.1f}",
            f"{peak:,.0f} MiB",
            f"{engine.written():,.0f} MiB",
        ]
        print("|", " | ".join([engine.name, *cells]), "|")


def about(args: argparse.Namespace) -> str:
    """Name what was measured, with which versions, on what."""
    ours = subprocess.run([args.tenure, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    versions = [f"{package} {importlib.metadata.version(package)}" for package in ("duckdb", "polars", "pyarrow")]
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (
        f"{args.rows:,} rows of {args.customers:,} customers, {args.runs} runs in turn, zstd {args.zstd}; "
        f"{ours}, {', '.join(versions)}, Python {platform.python_version()}; "
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, {(models or [platform.machine()])[0]}"
    )


def main() -> None:
    """Check, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenure", required=True, help="the program, a release build")
    parser.add_argument("--generate", required=True, help="the example `generate`, a release build")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=110_000)
    parser.add_argument("--dir", type=Path, required=True, help="folder for exports and tables; kept between runs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--zstd", type=int, default=1, help="the rivals' compression level; tenure's is 1")
    parser.add_argument("--check-only", action="store_true", help="compare the tables and stop")
    args = parser.parse_args()
    engines = prepare(args)
    print(about(args), flush=True)
    check(engines)
    if args.check_only:
        return
    measure(engines, args.runs)
    print(flush=True)
    floor = [sys.executable, HERE / "floor.py", args.export, engines[0].tables, "--runs", str(args.runs)]
    subprocess.run(floor, check=True)


if __name__ == "__main__":
    main()
