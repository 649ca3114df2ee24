"""What any program must spend: `python floor.py EXPORT_DIR OURS_DIR [--runs 5]`.

Times, within one process and with a warm cache, the bare scan of the columns that the tables need by each reader, and
what Polars takes to write our own tables `customers` and `ledger`, already in memory, through its own Parquet writer.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset

COLUMNS = ["customer_id", "occurred_at", "order_id", "amount"]
ROWS = 65_536


def scans(export: Path) -> dict[str, Callable[[], object]]:
    """Readers that decode every value of the columns and drop it."""
    files = f"{export}/*.parquet"
    db = duckdb.connect(config={"preserve_insertion_order": False})
    lazy = pl.scan_parquet(files).select(COLUMNS)
    dataset = pyarrow.dataset.dataset(sorted(export.glob("*.parquet")))
    totals = "max(customer_id), max(epoch_us(occurred_at)), max(order_id), max(amount)"
    return {
        "DuckDB, maxima": lambda: db.execute(f"SELECT {totals} FROM '{files}'").fetchall(),
        "DuckDB, Arrow batches": lambda: [
            batch.num_rows for batch in db.sql(f"SELECT {', '.join(COLUMNS)} FROM '{files}'").to_arrow_reader(ROWS)
        ],
        "Polars, maxima": lambda: lazy.max().collect(engine="streaming"),
        "Polars, batches": lambda: [
            batch.height for batch in lazy.collect_batches(maintain_order=False, engine="streaming")
        ],
        "pyarrow, batches": lambda: [batch.num_rows for batch in dataset.to_batches(columns=COLUMNS)],
    }


def writes(ours: Path, scratch: Path) -> dict[str, Callable[[], object]]:
    """Polars' writer with zstd level 3 and else its defaults, with each amount of statistics, and with level 1."""
    paths = [ours / f"{table}.parquet" for table in ("customers", "ledger")]
    frames = [pl.read_parquet(path if path.exists() else path.with_suffix("") / "*.parquet") for path in paths]
    frames = [frame.rechunk() for frame in frames]

    def write(level: int = 3, **options: object) -> None:
        for number, frame in enumerate(frames):
            path = scratch / f"{number}.parquet"
            frame.lazy().sink_parquet(path, compression="zstd", compression_level=level, **options)

    return {
        "Polars, zstd 3, its defaults (statistics: least, greatest, NULLs)": write,
        "Polars, zstd 3, full statistics": lambda: write(statistics="full"),
        "Polars, zstd 3, no statistics": lambda: write(statistics=False),
        "Polars, zstd 1, its defaults": lambda: write(level=1),
    }


def medians(cases: dict[str, Callable[[], object]], runs: int) -> list[tuple[float, str]]:
    """Seconds of each case, the fastest first; all in turn, so that a busy moment hits each of them."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(runs):
        for name, case in cases.items():
            started = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - started)
    return sorted((statistics.median(times), name) for name, times in seconds.items())


def main() -> None:
    """Prints both as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("ours", type=Path, help="folder of our published tables")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.ours.resolve().parent) as scratch:
        floors = {
            "bare scan": medians(scans(args.export), args.runs),
            "write of customers and ledger": medians(writes(args.ours, Path(scratch)), args.runs),
        }
    print("| floor | by | seconds (median) |\n|---|---|---:|")
    for floor, rows in floors.items():
        for seconds, name in rows:
            print(f"| {floor} | {name} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
