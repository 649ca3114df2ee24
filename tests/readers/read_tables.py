"""Has pyarrow, DuckDB and Polars, none of which shares code with tenure, read every table of a finished run.

usage: read_tables.py RUN_DIR...            (a run's folder, such as out/grocery/latest)
       read_tables.py --parts TENURE        (makes an export of 1,100,000 customers, runs that program on it and
                                             reads its tables: per-customer tables of so many come in parts)

All three have to see the same cells in the same order, with all page checksums verified. Each has to find the same rows by
filters on key columns: values that are there and values that are not, and ranges. Page bounds are held against the rows of
their pages, and bloom filters against the ids that they stand for. Exit status 1 on any difference.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

import page_index

# How many values of a key column are looked up.
LOOKED_UP = 8
# Ids that are not there and that a bloom filter must rule out; it is built to let one in a hundred through.
RULED_OUT = 0.9


class Difference(Exception):
    """What two readers see differently, or what metadata says that is not so."""


def alike(table, schema):
    """Columns in the types that pyarrow reads: readers differ in the width of decimals and in kinds of text."""
    if table.column_names != schema.names:
        raise Difference(f"columns {table.column_names} instead of {schema.names}")
    columns = []
    for field, column in zip(schema, table.columns):
        wide = pyarrow.types.is_decimal(field.type) and pyarrow.types.is_decimal(column.type)
        if wide and column.type.scale != field.type.scale:
            raise Difference(f"column {field.name} is {column.type} instead of {field.type}")
        text = [pyarrow.types.is_string(t) or pyarrow.types.is_large_string(t) or pyarrow.types.is_string_view(t)
                for t in (field.type, column.type)]
        if not wide and not all(text) and column.type != field.type:
            raise Difference(f"column {field.name} is {column.type} instead of {field.type}")
        columns.append(column.cast(field.type).combine_chunks())
    return pyarrow.table(columns, names=schema.names)


def same(expected, found, what):
    """Raises the first difference between two tables."""
    found = alike(found, expected.schema)
    if found.num_rows != expected.num_rows:
        raise Difference(f"{what}: {found.num_rows} rows instead of {expected.num_rows}")
    for name in expected.column_names:
        left, right = expected[name].combine_chunks(), found[name].combine_chunks()
        if not left.equals(right):
            for row, (a, b) in enumerate(zip(left.to_pylist(), right.to_pylist())):
                if a != b and (a == a or b == b):
                    raise Difference(f"{what}: row {row}, column {name}: {b!r} instead of {a!r}")


class Readers:
    """The three readers of one table's files."""

    def __init__(self, files):
        self.files = [str(file) for file in files]
        self.duck = duckdb.connect()
        self.duck.execute("SET threads = 2")

    def arrow(self):
        parts = [pyarrow.parquet.ParquetFile(f, page_checksum_verification=True).read() for f in self.files]
        return pyarrow.concat_tables(parts)

    def duckdb(self, condition="TRUE", values=()):
        query = f"SELECT * FROM read_parquet(?) WHERE {condition}"
        return self.duck.sql(query, params=[self.files, *values]).to_arrow_table()

    def polars(self, condition=None):
        frame = polars.scan_parquet(self.files)
        return (frame if condition is None else frame.filter(condition)).collect().to_arrow()

    def hold_filter(self, whole, column, low, high):
        """Rows with low ≤ column ≤ high, by all three."""
        field = pyarrow.compute.field(column)
        condition = (field >= low) & (field <= high)
        expected = whole.filter(condition)
        what = f"filter {low!r} ≤ {column} ≤ {high!r}"
        pushed = pyarrow.dataset.dataset(self.files).to_table(filter=condition)
        same(expected, pushed, f"pyarrow, {what}")
        if low == high:
            same(expected, self.duckdb(f'"{column}" = ?', [low]), f"DuckDB, {what}")
            same(expected, self.polars(polars.col(column) == polars.lit(low)), f"Polars, {what}")
        else:
            same(expected, self.duckdb(f'"{column}" BETWEEN ? AND ?', [low, high]), f"DuckDB, {what}")
            between = polars.col(column).is_between(polars.lit(low), polars.lit(high))
            same(expected, self.polars(between), f"Polars, {what}")
        return expected.num_rows


def spread(values, count):
    """So many of the values, evenly over all of them, the first and the last too."""
    if len(values) <= count:
        return list(values)
    return [values[i * (len(values) - 1) // (count - 1)] for i in range(count)]


def absent(values):
    """Values of the kind that are not there: before, between and after those that are."""
    if isinstance(values[0], str):
        there = set(values)
        made = [value + "!" for value in spread(values, 4)] + ["", "~~~~", values[len(values) // 2][:-1] + "\u00ff"]
        return [value for value in made if value not in there]
    if isinstance(values[0], int):
        there = set(values)
        made = [values[0] - 1, values[-1] + 1, *(value + 1 for value in spread(values, 6))]
        return [value for value in made if value not in there]
    return []


def hold_filters(readers, whole, keys):
    """How many filters were tried on the key columns."""
    tried = 0
    for key in keys:
        values = sorted(v for v in pyarrow.compute.unique(whole[key]).to_pylist() if v is not None)
        if not values:
            continue
        for value in spread(values, LOOKED_UP):
            if not readers.hold_filter(whole, key, value, value):
                raise Difference(f"{key} = {value!r} is there and no filter found it")
            tried += 1
        for value in absent(values):
            if readers.hold_filter(whole, key, value, value):
                raise Difference(f"{key} = {value!r} is not there and a filter found it")
            tried += 1
        ends = spread(values, 5)
        for low, high in [*zip(ends, ends[1:]), (values[0], values[-1])]:
            readers.hold_filter(whole, key, low, high)
            tried += 1
    return tried


def comparable(column):
    """Values as page bounds compare them."""
    kind = column.type
    if pyarrow.types.is_date(kind):
        return column.cast(pyarrow.int32()).to_pylist()
    if pyarrow.types.is_decimal(kind):
        return [None if v is None else int(v.scaleb(kind.scale)) for v in column.to_pylist()]
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        return [None if v is None else v.encode() for v in column.to_pylist()]
    return column.to_pylist()


def hold_page_bounds(path):
    """Each page of the file against its bounds; how many there were."""
    chunks, rows = page_index.chunks(path.read_bytes())
    file, pages = pyarrow.parquet.ParquetFile(path), 0
    for chunk in chunks:
        if not chunk.pages:
            continue
        column = file.read_row_group(chunk.group, columns=[chunk.column])[chunk.column].combine_chunks()
        values = comparable(column)
        ends = [page[0] for page in chunk.pages[1:]] + [rows[chunk.group]]
        for (first, bounds, nulls), end in zip(chunk.pages, ends):
            page = values[first:end]
            known = [value for value in page if value is not None]
            where = f"{path.name}, column {chunk.column}, rows {first} to {end} of row group {chunk.group}"
            if nulls is not None and nulls != len(page) - len(known):
                raise Difference(f"{where}: {len(page) - len(known)} NULLs, the index says {nulls}")
            if (bounds is None) != (not known):
                raise Difference(f"{where}: the index is wrong about whether the page has values")
            if known and not (bounds[0] <= min(known) and max(known) <= bounds[1]):
                raise Difference(f"{where}: {min(known)!r} to {max(known)!r} is not within {bounds}")
            pages += 1
    return pages


def hold_bloom_filters(readers, path):
    """Ids that are there are never ruled out by a filter of their row group, others nearly always; how many were tried."""
    chunks, _ = page_index.chunks(path.read_bytes())
    filtered = [chunk for chunk in chunks if chunk.has_bloom]
    tried, file = 0, pyarrow.parquet.ParquetFile(path)
    for chunk in filtered:
        ids = file.read_row_group(chunk.group, columns=[chunk.column])[chunk.column].to_pylist()

        def ruled_out(value, chunk=chunk):
            probe = "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, ?, ?) WHERE row_group_id = ?"
            return readers.duck.execute(probe, [str(path), chunk.column, value, chunk.group]).fetchone()[0]

        there = spread(sorted(set(ids)), LOOKED_UP)
        for value in there:
            if ruled_out(value):
                raise Difference(f"{path.name}: the bloom filter of {chunk.column} rules out {value!r}, which is there")
        if isinstance(there[0], str):
            others = [f"{value}?{number}" for value in there for number in range(4)]
        else:
            others = [max(ids) + 1_000_003 * number for number in range(1, 49)]
        share = sum(ruled_out(value) for value in others) / len(others)
        if share < RULED_OUT:
            raise Difference(f"{path.name}: the bloom filter of {chunk.column} rules out only {share:.0%} of absent ids")
        tried += len(there) + len(others)
    return tried


def hold_run(run):
    """Reads every table of a run; returns the number of differences."""
    run = pathlib.Path(run)
    manifest = json.loads((run / "manifest.json").read_text())
    faults, counts = 0, {"tables": 0, "files": 0, "rows": 0, "filters": 0, "pages": 0, "ids": 0}
    for table in manifest["tables"]:
        files = [run / entry["path"] for entry in table["files"]]
        try:
            readers = Readers(files)
            whole = readers.arrow()
            if whole.num_rows != table["rows"]:
                raise Difference(f"{whole.num_rows} rows, the manifest says {table['rows']}")
            same(whole, readers.duckdb(), "DuckDB")
            same(whole, readers.polars(), "Polars")
            counts["filters"] += hold_filters(readers, whole, table["key"])
            for file in files:
                counts["pages"] += hold_page_bounds(file)
                counts["ids"] += hold_bloom_filters(readers, file)
            if any(key == "customer_id" for key in table["key"]) and whole.num_rows:
                chunks, _ = page_index.chunks(files[0].read_bytes())
                if not any(chunk.has_bloom and chunk.column == "customer_id" for chunk in chunks):
                    raise Difference("customer_id is a key and has no bloom filter")
        except (Difference, OSError, ValueError, KeyError, IndexError, duckdb.Error, polars.exceptions.PolarsError,
                pyarrow.ArrowException) as fault:
            print(f"FAULT: {table['name']} in {run}: {type(fault).__name__}: {fault}")
            faults += 1
        counts["tables"] += 1
        counts["files"] += len(files)
        counts["rows"] += table["rows"]
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"pyarrow {pyarrow.__version__}, DuckDB {duckdb.__version__}, Polars {polars.__version__}: {run}: {said}, "
          f"{faults} faults")
    return faults if counts["tables"] else 1


PIPELINE = """name = "parts"
[calendar]
period = "month"
as_of = "2024-04-01"
[money]
currency = "EUR"
[customers]
basis = "transactions"
churn_after = "30 days"
[sources.transactions]
path = "purchases.parquet"
columns = { customer_id = "id", occurred_at = "at", amount = "paid" }
[stages.churn]
[output]
dir = "out"
"""


def hold_parts(program):
    """A run whose per-customer tables have several parts."""
    with tempfile.TemporaryDirectory() as folder:
        folder, customers = pathlib.Path(folder), 1_100_000
        ids = pyarrow.array(range(customers))
        day = pyarrow.compute.add(19_723, pyarrow.compute.bit_wise_and(ids, 63)).cast(pyarrow.int32())
        table = pyarrow.table({"id": ids, "at": day.cast(pyarrow.date32()), "paid": pyarrow.compute.cast(day, "float64")})
        pyarrow.parquet.write_table(table, folder / "purchases.parquet")
        (folder / "pipeline.toml").write_text(PIPELINE)
        program = str(pathlib.Path(program).resolve())
        subprocess.run([program, "run", "pipeline.toml", "--quiet"], cwd=folder, check=True)
        run = folder / "out" / "latest"
        tables = json.loads((run / "manifest.json").read_text())["tables"]
        parted = [table["name"] for table in tables if len(table["files"]) > 1]
        if sorted(parted) != ["customers", "ledger"]:
            print(f"FAULT: of {customers} customers, tables customers and ledger come in parts; found {parted}")
            return 1
        return hold_run(run)


def main(arguments):
    if arguments[0] == "--parts":
        return hold_parts(arguments[1])
    return sum(hold_run(run) for run in arguments)


if __name__ == "__main__":
    if len(sys.argv) < 2 or (sys.argv[1] == "--parts" and len(sys.argv) != 3):
        sys.exit(__doc__)
    sys.exit(1 if main(sys.argv[1:]) else 0)
