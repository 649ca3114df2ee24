"""Compares the tables of two folders cell by cell: `python check.py OURS_DIR OTHER_DIR`. Exit status 1 if they differ.

Doubles may differ by a relative 1e-9; dates, counts, text, decimals and NULLs may not differ at all. Types and the
order of the columns must be the same, and so must the order of the rows.
"""

import argparse
import sys
from pathlib import Path

import polars as pl

SEGMENT = ["segment_id", "segment", "value"]
KEYS = {
    "churn": [*SEGMENT, "period"],
    "cohort": [*SEGMENT, "cohort", "age"],
    "revenue_churn": [*SEGMENT, "period"],
    "ltv": [*SEGMENT, "period", "method"],
    "rfm": [*SEGMENT, "rfm_segment"],
    "concentration": [*SEGMENT, "decile"],
    "customers": ["customer_id"],
    "ledger": ["customer_id", "period"],
}
TOLERANCE = 1e-9


def read(folder: Path, table: str) -> pl.DataFrame:
    """A table: one file, or a folder of parts that are each sorted."""
    parts = folder / table
    if not parts.is_dir():
        return pl.read_parquet(folder / f"{table}.parquet", glob=False)
    return pl.read_parquet(parts / "*.parquet").sort(KEYS[table])


def differs(ours: pl.Series, other: pl.Series) -> pl.Series:
    """Which rows of a column are not the same; NULL equals NULL alone."""
    if ours.dtype.is_float():
        largest = pl.select(pl.max_horizontal(ours.abs(), other.abs())).to_series()
        unequal = ~((ours - other).abs() <= TOLERANCE * largest)
        return unequal.fill_null(True) & ~(ours.is_null() & other.is_null())
    return ours.ne_missing(other)


def compare(table: str, ours: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    """What is wrong with the other table, in words; nothing if it is the same."""
    if ours.schema != other.schema:
        return [f"{table}: schemas differ: {dict(ours.schema)} and {dict(other.schema)}"]
    if ours.height != other.height:
        return [f"{table}: {ours.height} rows and {other.height}"]
    wrong = []
    for column in ours.columns:
        rows = differs(ours[column], other[column]).arg_true()
        if len(rows):
            at = rows[0]
            key = ", ".join(str(ours[k][at]) for k in KEYS[table] if k not in SEGMENT)
            cells = f"{ours[column][at]} and {other[column][at]}"
            wrong.append(f"{table}.{column}: {len(rows)} cells differ, first at ({key}): {cells}")
    return wrong


def main() -> None:
    """Prints a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=Path)
    parser.add_argument("other", type=Path)
    args = parser.parse_args()
    failed = False
    for table in KEYS:
        ours = read(args.ours, table)
        wrong = compare(table, ours, read(args.other, table))
        failed |= bool(wrong)
        print("\n".join(wrong) or f"{table}: the same, {ours.height:,} rows, {ours.width} columns")
    sys.exit(failed)


if __name__ == "__main__":
    main()
